"""JSON as Python decodes it, but with no key that stands twice in one object."""

import json
from typing import Any

from evalhub.datasets.formats.records import MAX_RAW, Problem


class Twice(ValueError):
    """An object names one key twice."""


def _object(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    found = dict(pairs)
    if len(found) < len(pairs):
        keys = [key for key, _ in pairs]
        raise Twice(next(key for key in keys if keys.count(key) > 1))
    return found


DECODER = json.JSONDecoder(object_pairs_hook=_object)
UNTERMINATED = "Unterminated string"
LENIENT = json.JSONDecoder()  # to find the end of a row that DECODER refuses


def json_problem(line: int, text: str, error: Exception) -> Problem:
    """Why `text` cannot be decoded."""
    if isinstance(error, Twice):
        return Problem(line, str(error), f"The row names “{error}” twice.", text[:MAX_RAW])
    if isinstance(error, RecursionError):
        return Problem(line, "", "The row is nested too deeply.", text[:MAX_RAW])
    if isinstance(error, json.JSONDecodeError):
        return Problem(line, "", f"Not JSON: {_why(text, error)}.", text[:MAX_RAW])
    return Problem(line, "", f"Not JSON: {error}.", text[:MAX_RAW])


def _why(text: str, error: json.JSONDecodeError) -> str:
    if error.pos >= len(text.rstrip()) or error.msg.startswith(UNTERMINATED):
        return "it ends in the middle"
    return f"{error.msg} at character {error.pos + 1}"
