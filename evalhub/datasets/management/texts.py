"""The fields of one example on a command line: --set output='…' --set tags=short,new, or --values FILE with JSON."""

import json
import sys
from argparse import ArgumentParser
from pathlib import Path
from typing import Any

from django.core.management.base import CommandError

from evalhub.accounts.commands import text_of
from evalhub.datasets.inserting import REVISED
from evalhub.datasets.management.verbs import Options, pair


def with_texts(parser: ArgumentParser) -> None:
    parser.add_argument("--set", dest="chosen", action="append", default=[], metavar="FIELD=TEXT",
                        help=f"a field: {', '.join(REVISED)}")  # fmt: skip
    parser.add_argument("--values", type=Path, metavar="FILE",
                        help="a JSON object of fields, for long texts; - reads standard input")  # fmt: skip


def values_of(options: Options) -> dict[str, Any]:
    """Field → value; --set goes before --values. CommandError for none, or for a file that holds no JSON object."""
    values = _read(options["values"]) if options["values"] else {}
    values |= dict(pair("--set", text) for text in options["chosen"])
    if not values:
        raise CommandError("Say what it should hold: --set FIELD=TEXT, or --values FILE.")
    return values


def _read(path: Path) -> dict[str, Any]:
    text = sys.stdin.read() if str(path) == "-" else text_of(path)
    try:
        values = json.loads(text)
    except (ValueError, RecursionError) as error:
        raise CommandError(f"{path} is not JSON: {str(error).partition(';')[0]}.") from error
    if not isinstance(values, dict):
        raise CommandError(f"{path} does not hold a JSON object of fields.")
    return values
