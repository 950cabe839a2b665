"""What a text must be so that every database can keep it whole. Knows no database."""

from evalhub.datasets.reading import storable

LONGEST = {  # characters of the columns that texts go to
    "item": 200, "arm": 120, "rater": 80, "criterion": 80, "category": 120, "question": 255, "key": 40,
}  # fmt: skip


def unfit(text: str, what: str, *, most: int | None = None) -> str:
    """Why `text` cannot be kept, in words that begin with `what`; "" where it can."""
    if text != storable(text):
        return f"{what} holds a character that cannot be stored (a NUL, or half of a surrogate pair)"
    if most is not None and len(text) > most:
        return f"{what} has {len(text):,} characters, and at most {most} can be stored"
    return ""
