"""How a found value is shown without giving it away."""

SHOWN = 2  # characters of its beginning; never more than a quarter of it


def masked(value: str) -> str:
    """The first one or two characters of a value, and dots. A value of fewer than four characters is all dots."""
    return value[: min(SHOWN, len(value) // 4)] + "•••"
