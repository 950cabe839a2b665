"""What is said of a setting that a specification does not have."""

from collections.abc import Iterable, Sequence
from difflib import get_close_matches


def unknown_settings(kind: str, given: Iterable[str], known: Sequence[str]) -> str:
    """One sentence that names the settings of `given` that are not in `known`, the nearest ones, and all there are."""
    unknown = sorted(set(given) - set(known))
    near = {match for name in unknown for match in get_close_matches(name.lower(), known, n=1)}
    hint = f" Did you mean {' and '.join(sorted(near))}?" if near else ""
    return f"Unknown {kind}: {', '.join(unknown)}.{hint} There are: {', '.join(known)}."
