"""JSON: a list of objects, objects one after the other, or one object that holds the rows under a key."""

from collections.abc import Iterator, Sequence
from typing import Any

from evalhub.datasets.formats.decoding import BadRow
from evalhub.datasets.formats.encodings import text_of
from evalhub.datasets.formats.json_window import TooLong, Window
from evalhub.datasets.formats.limits import MAX_LINE
from evalhub.datasets.formats.records import SPLITS, Problem, Record, Source, Unreadable, as_record

KEYS = ("data", "rows", "examples", "items", "instances", "records", "train")
"""Under which of several lists of objects the rows are, where no two of them are sides of a split."""
OWN = {"messages", "conversations", "conversation", "output", "completion", "response"}
"""What a row itself has: an object with one of these is a row, whatever lists it holds."""


def json_text(source: Source) -> Iterator[Record | Problem]:
    """The rows in order, read in pieces. Raises Unreadable where the rest cannot be read."""
    with text_of(source) as text:
        window = Window(source.name, text)
        if window.peek() == "[":
            yield from _listed(window)
            return
        try:
            yield from _in_a_row(window)
            return
        except Nested as found:
            keys = found.keys
    yield from _under(source, keys or _row_keys_of(source))


class Nested(Exception):
    """The text is one object that holds the rows: under these keys, or under keys that are still to be found."""

    def __init__(self, keys: Sequence[str] = ()) -> None:
        super().__init__()
        self.keys = keys


def _too_long(window: Window) -> Unreadable:
    return window.broken(f"a row is longer than {MAX_LINE // 10**6} MB")


def _listed(window: Window, split: str = "") -> Iterator[Record | Problem]:
    """The items of a list. On one line the item's number stands for the line: it says more."""
    window.take("[")
    count = 0
    while window.peek() not in ("]", ""):
        count += 1
        yield _item(window, count, split)
        if not window.take(",") and window.peek() not in ("]", ""):
            raise window.broken("a comma is missing")
    if not window.take("]"):
        raise window.broken("the file ends before the list is closed")


def _item(window: Window, count: int, split: str = "") -> Record | Problem:
    line = count if window.line == 1 else window.line
    try:
        return as_record(line, window.value(), window.raw, split)
    except BadRow as error:
        return Problem(line, error.field, error.reason, window.raw)
    except TooLong:
        raise _too_long(window) from None


def _in_a_row(window: Window) -> Iterator[Record | Problem]:
    """Objects one after the other, with or without commas.

    Raises Nested where a lone one holds the rows, or is longer than any row may be.
    """
    count = 0
    while window.peek():
        count += 1
        line = count if window.line == 1 else window.line
        try:
            value = window.value()
            found = as_record(line, value, window.raw)
        except BadRow as error:
            value, found = error.value, Problem(line, error.field, error.reason, window.raw)
        except TooLong:
            raise (_too_long(window) if count > 1 else Nested()) from None
        if count == 1 and not window.peek() and (keys := _row_keys(value)):
            raise Nested(keys)
        yield found
        window.take(",")


def _row_keys(value: Any) -> list[str]:
    """The keys of a lone object under which the rows are; none where it is a row itself."""
    if not isinstance(value, dict):
        return []
    return chosen(list(value), [key for key, item in value.items() if _is_rows(item)])


def _is_rows(value: Any) -> bool:
    return isinstance(value, list) and bool(value) and isinstance(value[0], dict)


def chosen(keys: Sequence[str], lists: Sequence[str]) -> list[str]:
    """Of an object's keys and those of its lists of objects: where the rows are.

    All sides of a split; else the list of a usual name; else the only one.
    """
    if OWN & set(keys):
        return []
    sides = [key for key in lists if _split_of(key)]
    usual = [key for key in KEYS if key in lists]
    return sides or usual[:1] or (list(lists) if len(lists) == 1 else [])


def _split_of(key: str) -> str:
    return key if key.casefold() in SPLITS else ""


# --- an object longer than any row may be -------------------------------------------------------
def _row_keys_of(source: Source) -> list[str]:
    """As _row_keys, of an object that fits into no memory: it is gone through once. Raises Unreadable."""
    wanted = chosen(*_keys_of(source))
    if not wanted:
        raise Unreadable(
            f"{source.name} is one object of more than {MAX_LINE // 10**6} MB; its rows are wanted as one list of "
            f"objects, or as lists named train, validation and test."
        )
    return wanted


def _under(source: Source, wanted: Sequence[str]) -> Iterator[Record | Problem]:
    """The rows of the lists under these keys of the object."""
    with text_of(source) as text:
        window = Window(source.name, text)
        for key in _entries(window):
            if key in wanted and window.peek() == "[":
                yield from _listed(window, _split_of(key))
            else:
                _step_over(window)


def _keys_of(source: Source) -> tuple[list[str], list[str]]:
    """All keys of the object, and those of its lists of objects."""
    keys: list[str] = []
    lists: list[str] = []
    with text_of(source) as text:
        window = Window(source.name, text)
        for key in _entries(window):
            keys.append(key)
            if _step_over(window):
                lists.append(key)
    return keys, lists


def _entries(window: Window) -> Iterator[str]:
    """Key after key of an object; whoever asks for the next one has gone past the value."""
    window.take("{")
    while not window.take("}"):
        key = window.value()
        if not isinstance(key, str) or not window.take(":"):
            raise window.broken("a key with a colon is needed")
        yield key
        if not window.take(",") and window.peek() != "}":
            raise window.broken("a comma is missing" if window.peek() else "the file ends before the object is closed")


def _step_over(window: Window) -> bool:
    """Go past the next value, whatever its size; whether it is a list that begins with an object."""
    if window.peek() != "[":
        _item(window, 1)
        return False
    first: Record | Problem | None = None
    for item in _listed(window):
        first = first or item
    return isinstance(first, Record)
