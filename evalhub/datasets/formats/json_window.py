"""A window on a JSON text: one value after the other, in pieces, so that the text's size does not matter."""

import io
import json
import re
from typing import Any

from evalhub.datasets.formats.decoding import DECODER, LENIENT, UNTERMINATED, BadRow, bad_row
from evalhub.datasets.formats.limits import MAX_LINE
from evalhub.datasets.formats.records import Unreadable

NOT_BLANK = re.compile("[^\ufeff \t\r\n]")
PIECE = 2**18  # characters read at a time


class TooLong(Exception):
    """The next value is longer than a row may be."""


class Window:
    """Decodes the next value and keeps count of lines."""

    def __init__(self, name: str, text: io.TextIOWrapper) -> None:
        self.name, self.text = name, text
        self.buffer, self.at, self.line, self.ended = "", 0, 1, False
        self.raw = ""  # the text of the value that was stepped over last

    def peek(self) -> str:
        """The next character that is not white space; "" at the end."""
        while True:
            found = NOT_BLANK.search(self.buffer, self.at)
            self._skip_to(found.start() if found else len(self.buffer))
            if found or self.ended:
                return found.group() if found else ""
            self._more()

    def take(self, sign: str) -> bool:
        """Step over `sign`, if it comes next."""
        found = self.peek() == sign
        if found:
            self._skip_to(self.at + 1)
        return found

    def value(self) -> Any:
        """The next value; its text is then in `raw`. Raises Unreadable, TooLong; BadRow after stepping over it."""
        try:
            value, end = self._decoded(DECODER)
        except BadRow as error:
            error.value, end = self._decoded(LENIENT)
            self._step_to(end)
            raise
        self._step_to(end)
        return value

    def _step_to(self, end: int) -> None:
        self.raw = self.buffer[self.at : end]
        self._skip_to(end)

    def broken(self, why: str) -> Unreadable:
        return Unreadable(f"{self.name} is broken JSON at line {self.line}: {why}.")

    def _decoded(self, decoder: json.JSONDecoder) -> tuple[Any, int]:
        """The next value and where it ends; more text is read as long as it is incomplete."""
        piece = PIECE
        while True:
            try:
                value, end = decoder.raw_decode(self.buffer, self.at)
                if end < len(self.buffer) or self.ended:
                    return value, self._fitting(end)
            except (ValueError, RecursionError) as error:
                if found := bad_row(error):
                    raise found from None
                self._look_whether_hopeless(error)
            self._more(piece)
            piece *= 2

    def _fitting(self, end: int) -> int:
        if end - self.at > MAX_LINE:
            raise TooLong
        return end

    def _look_whether_hopeless(self, error: Exception) -> None:
        """Raises, where more text cannot help."""
        long = len(self.buffer) - self.at > MAX_LINE
        if isinstance(error, RecursionError):
            raise self.broken("a row is nested too deeply") from error
        if self.ended or (long and not self._cut_off(error)):
            raise self.broken(self._why(error)) from error
        if long:
            raise TooLong from error

    def _cut_off(self, error: Exception) -> bool:
        """Whether only the window's end keeps the value from being whole."""
        unterminated = str(error).startswith(UNTERMINATED)
        return unterminated or (isinstance(error, json.JSONDecodeError) and error.pos > len(self.buffer) - PIECE)

    def _why(self, error: Exception) -> str:
        if not isinstance(error, json.JSONDecodeError):
            return str(error)
        self._skip_to(error.pos)
        at_end = not self.buffer[error.pos :].strip() or error.msg.startswith(UNTERMINATED)
        return "the file ends in the middle of a row" if at_end else error.msg[0].lower() + error.msg[1:]

    def _more(self, piece: int = PIECE) -> None:
        text = self.text.read(piece)
        self.ended = not text
        self.buffer, self.at = self.buffer[self.at :] + text, 0

    def _skip_to(self, position: int) -> None:
        self.line += self.buffer.count("\n", self.at, position)
        self.at = position
