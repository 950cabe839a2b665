"""What changed between two texts, word by word, for ins and del. Pure Python."""

import re
from dataclasses import dataclass
from difflib import SequenceMatcher

WORDS = re.compile(r"\s+|\w+|[^\w\s]")
MOST_WORDS = 4000  # beyond it the comparison would take seconds


@dataclass(frozen=True)
class Piece:
    """A run of text that is the same, was taken out, or was put in."""

    kind: str  # same | del | ins
    text: str


def pieces(before: str, after: str) -> list[Piece]:
    """`after` as changes of `before`. Pieces of kind same and ins joined give `after`; same and del give `before`."""
    old, new = WORDS.findall(before), WORDS.findall(after)
    if len(old) + len(new) > MOST_WORDS:
        return [Piece("same", after)] if before == after else [Piece("del", before), Piece("ins", after)]
    found: list[Piece] = []
    for kind, a, b, c, d in SequenceMatcher(None, old, new, autojunk=False).get_opcodes():
        if kind == "equal":
            found.append(Piece("same", "".join(old[a:b])))
            continue
        found += [Piece("del", "".join(old[a:b]))] if b > a else []
        found += [Piece("ins", "".join(new[c:d]))] if d > c else []
    return found
