"""What the checks say of examples now, and the filter `flag` of the table: near, near@12, unusable, sources.

Known now is what the last check of the whole dataset found, and what checks of a part found since. `near@12` is what
check 12 found. Two go by no single kind: `unusable`, what a model should not learn from as it is (of copies all but the
first, as readiness counts), and `sources`, what is approved and names no document.
"""

from django.db.models import Exists, OuterRef, Q, QuerySet

from evalhub.datasets.checks.kinds import ALL, KINDS, NO_SOURCE, UNUSABLE
from evalhub.datasets.models import CheckRun, Dataset, Example, Flag

SPOILING = [kind.key for kind in ALL if kind.spoils]
MOST_PARTS = 50  # checks of a part that are looked at, the newest ones
LONGEST_NUMBER = 9  # digits


def flags_now(dataset: Dataset) -> QuerySet[Flag]:
    """Flags of the last check of the whole dataset, and of those of a part since."""
    runs = dataset.checks.order_by("-id")
    last = runs.filter(query="").values_list("pk", flat=True).first()
    parts = runs.exclude(query="").filter(pk__gt=last or 0).values_list("pk", flat=True)[:MOST_PARTS]
    return Flag.objects.filter(run__in=[*parts, *([last] if last else [])])


def having(dataset: Dataset, flag: str) -> Q:
    """Examples of the dataset with this flag, as in the table's address."""
    kind, _, number = flag.partition("@")
    if kind == NO_SOURCE:
        return Q(source="", state=Example.State.APPROVED)
    flags = flags_now(dataset)
    if number:
        runs = CheckRun.objects.filter(dataset=dataset, pk=int(number) if _is_number(number) else 0)
        flags = Flag.objects.filter(run__in=runs)
    return Q(pk__in=(_unusable(flags) if kind == UNUSABLE else flags.filter(kind=kind)).values("example"))


def is_flag(flag: str) -> bool:
    """Whether the address can mean something by it."""
    kind, at, number = flag.partition("@")
    if kind == NO_SOURCE:
        return not at
    return kind in (*KINDS, UNUSABLE) and (not at or _is_number(number))


def _is_number(text: str) -> bool:
    return text.isdecimal() and len(text) <= LONGEST_NUMBER


def _unusable(flags: QuerySet[Flag]) -> QuerySet[Flag]:
    same = Flag.objects.filter(run=OuterRef("run"), kind="copies", group=OuterRef("group"))
    return flags.filter(
        Q(kind__in=SPOILING) | (Q(kind="copies") & Exists(same.filter(example__lt=OuterRef("example"))))
    )
