"""JSON as Python decodes it, but with no key that stands twice in one object, and no number without end."""

import json
import sys
from typing import Any

from evalhub.datasets.formats.records import Problem


class BadRow(ValueError):
    """What is JSON but cannot be a row; whoever reads a list steps over it.

    `field`: the key to blame, if one is; `value`: what it would be to a decoder that forgives.
    """

    value: Any = None

    def __init__(self, reason: str, field: str = "") -> None:
        super().__init__(reason)
        self.reason, self.field = reason, field


class Twice(BadRow):
    """An object names one key twice."""

    def __init__(self, key: str) -> None:
        super().__init__(f"The row names “{key}” twice.", key)


def _object(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    found = dict(pairs)
    if len(found) < len(pairs):
        keys = [key for key, _ in pairs]
        raise Twice(next(key for key in keys if keys.count(key) > 1))
    return found


DECODER = json.JSONDecoder(object_pairs_hook=_object)
UNTERMINATED = "Unterminated string"
LENIENT = json.JSONDecoder(parse_int=len)  # to find the end of a row that DECODER refuses
TOO_LONG = f"A number in the row has more than {sys.get_int_max_str_digits():,} digits."


def bad_row(error: Exception) -> BadRow | None:
    """Why what DECODER refused is no row although it is JSON; None where it is broken, or cut off."""
    if isinstance(error, BadRow):
        return error
    return BadRow(TOO_LONG) if type(error) is ValueError else None  # Python's own limit has no class


def json_problem(line: int, text: str, error: Exception) -> Problem:
    """Why `text` cannot be decoded."""
    if found := bad_row(error):
        return Problem(line, found.field, found.reason, text)
    if isinstance(error, RecursionError):
        return Problem(line, "", "The row is nested too deeply.", text)
    if isinstance(error, json.JSONDecodeError):
        return Problem(line, "", f"Not JSON: {_why(text, error)}.", text)
    return Problem(line, "", f"Not JSON: {error}.", text)


def _why(text: str, error: json.JSONDecodeError) -> str:
    if error.pos >= len(text.rstrip()) or error.msg.startswith(UNTERMINATED):
        return "it ends in the middle"
    return f"{error.msg} at character {error.pos + 1}"
