"""What the table of examples shows beside the examples: titles, flags, the names that filters offer. Reads only."""

from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass

from django.db import connection

from evalhub.datasets.checks.kinds import KINDS, NO_SOURCE, UNUSABLE
from evalhub.datasets.flagging import MOST_PARTS, flags_now
from evalhub.datasets.models import CheckRun, Dataset, Example, Split
from evalhub.datasets.selection import ORDERS, PROVENANCES, SPLITS, STATES, ExampleFilter, title_of

MOST_NAMES = 200
BEGINS = 240  # characters of an output in a row
SPLIT_LABELS = {str(value): str(label) for value, label in Split.choices}
DISTINCT = """
WITH RECURSIVE names(name) AS (
  SELECT min({field}) FROM {table} WHERE {owner} = %s AND {field} > ''
  UNION ALL
  SELECT (SELECT min({field}) FROM {table} WHERE {owner} = %s AND {field} > names.name)
  FROM names WHERE names.name IS NOT NULL)
SELECT name FROM names WHERE name IS NOT NULL LIMIT %s
"""
WORDS = {
    "q": "Words", "category": "Category", "state": "State", "split": "Split", "flag": "Flag", "source": "Source",
    "language": "Language", "tag": "Tag", "from": "Origin", "min": "At least", "max": "At most",
    "since": "Changed since",
}  # fmt: skip
SHORT = {"leaks": "Leak", "echoes": "Repeats the input", "conflicts": "Other output elsewhere", "copies": "Copy",
         "near": "Near duplicate", "lengths": "Unusual length", "contamination": "Repeats a test",
         UNUSABLE: "Not usable as it is", NO_SOURCE: "No source document"}  # fmt: skip


@dataclass(frozen=True, slots=True)
class Line:
    """One row of the table of examples, ready to be shown: a page has a hundred of them (decisions/curation.md)."""

    example: Example
    title: str
    text: str  # how the output begins
    chips: list[tuple[str, str]]  # (what it says, its tone): flags, category, tags
    split: str
    length: str


def lines_of(dataset: Dataset, examples: Sequence[Example]) -> list[Line]:
    """Rows with what the last check found about them: one query. Examples are light ones (paging.py)."""
    found: dict[int, list[tuple[str, str]]] = defaultdict(list)
    flags = flags_now(dataset).filter(example__in=[example.pk for example in examples])
    for pk, kind in dict.fromkeys(flags.order_by("id").values_list("example", "kind")):
        found[pk].append(flag_name(kind))
    return [_line(example, found[example.pk]) for example in examples]


def _line(example: Example, flags: list[tuple[str, str]]) -> Line:
    chips = [*flags, *([(example.category, "")] if example.category else []), *((tag, "info") for tag in example.tags)]
    split, length = SPLIT_LABELS.get(example.wanted_split, "–"), f"{example.output_length:,}"
    return Line(example, light_title(example), shortened(vars(example)["output_start"], BEGINS), chips, split, length)


def shortened(text: str, most: int) -> str:
    return text if len(text) <= most else f"{text[: most - 1].rstrip()}…"


def light_title(example: Example) -> str:
    """title_of an example of which only the beginnings of its texts were read."""
    starts = vars(example)
    return title_of({"input": starts["input_start"], "instruction": starts["instruction_start"]})


def flag_name(kind: str) -> tuple[str, str]:
    """(what a flag is called in a row, its tone)."""
    known = KINDS.get(kind)
    return SHORT.get(kind, known.label if known else kind.capitalize()), known.tone if known else "warn"


def names_of(dataset: Dataset, field: str) -> list[str]:
    """The different values of an example's `field` (category, language), by name, at most MOST_NAMES of them."""
    return _distinct("datasets_example", "dataset_id", dataset.pk, field)


def flag_choices(dataset: Dataset) -> list[tuple[str, str]]:
    """(value, label) of what the checks flagged: the last one, and those of a part since."""
    runs = CheckRun.objects.filter(dataset=dataset).order_by("-id")
    last = runs.filter(query="").values_list("pk", flat=True).first() or 0
    since = list(runs.filter(pk__gt=last).values_list("pk", flat=True)[:MOST_PARTS])
    kinds = {kind for run in [*since, last] if run for kind in _distinct("datasets_flag", "run_id", run, "kind")}
    labels = [(kind, KINDS[kind].label if kind in KINDS else kind.capitalize()) for kind in sorted(kinds)]
    return [*labels, (UNUSABLE, SHORT[UNUSABLE]), (NO_SOURCE, SHORT[NO_SOURCE])] if last or kinds else []


def _distinct(table: str, owner: str, number: int, field: str) -> list[str]:
    """Jumps from name to name along an index of (owner, field) instead of reading every row: a loose index scan."""
    with connection.cursor() as cursor:
        cursor.execute(DISTINCT.format(table=table, owner=owner, field=field), [number, number, MOST_NAMES])
        return [name for (name,) in cursor.fetchall()]


def chips_of(wanted: ExampleFilter) -> list[tuple[str, str]]:
    """(what it says, the address's query without it) for each filter in use."""
    labels = {"state": dict(STATES), "split": dict(SPLITS), "from": dict(PROVENANCES),
              "flag": {wanted.flag: _flag_words(wanted.flag)}}  # fmt: skip
    units = {"min": " characters", "max": " characters"}
    return [
        (f"{WORDS[name]}: {labels.get(name, {}).get(value, value)}{units.get(name, '')}", wanted.without(name))
        for name, value in wanted.narrowing.items()
    ]


def _flag_words(flag: str) -> str:
    kind, _, number = flag.partition("@")
    return f"{flag_name(kind)[0]}, check {number}" if number else flag_name(kind)[0]


def order_choices() -> list[tuple[str, str]]:
    return [(order, label) for order, (label, _) in ORDERS.items()]
