"""JSONL: one object per line; a line that is none is a problem of its own."""

import io
from collections.abc import Iterator

from evalhub.datasets.formats.decoding import DECODER, json_problem
from evalhub.datasets.formats.encodings import text_of
from evalhub.datasets.formats.limits import MAX_LINE
from evalhub.datasets.formats.records import Problem, Record, Source, as_record

BLANK = "\ufeff \t\r\n"


def json_lines(source: Source) -> Iterator[Record | Problem]:
    with text_of(source) as text:
        text.reconfigure(newline="\n")
        for number, line in _lines(text):
            bare = line.strip(BLANK)
            if not bare:
                continue
            if len(line) == MAX_LINE:
                yield Problem(number, "", f"The line is longer than {MAX_LINE // 10**6} MB.", line)
                continue
            try:
                yield as_record(number, DECODER.decode(bare), line.rstrip("\r\n"))
            except (ValueError, RecursionError) as error:
                yield json_problem(number, line.rstrip("\r\n"), error)


def _lines(text: io.TextIOWrapper) -> Iterator[tuple[int, str]]:
    """Lines split at line feeds alone, as JSONL wants; one that is too long comes cut, marked by its length."""
    number, line = 0, text.readline(MAX_LINE)
    while line:
        number += 1
        yield number, line
        while len(line) == MAX_LINE and not line.endswith("\n"):
            line = text.readline(MAX_LINE)
        line = text.readline(MAX_LINE)
