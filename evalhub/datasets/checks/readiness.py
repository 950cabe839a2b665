"""The readiness list: are there enough usable examples, what is wrong with the others, what to fix first."""

from collections import Counter, defaultdict
from collections.abc import Iterable, Sequence

from evalhub.datasets.checks.kinds import ALL, KINDS, UNUSABLE, Kind
from evalhub.datasets.checks.report import Check, Finding
from evalhub.datasets.checks.thresholds import Thresholds


def readiness(total: int, findings: Sequence[Finding], settings: Thresholds) -> tuple[int, list[Check]]:
    """How many examples are usable, and the lines for size and for each kind, the gravest first."""
    counts = Counter(finding.kind for finding in findings)
    usable = total - len(spoiled(findings))
    return usable, [size(usable, total, settings), *(line(kind, counts[kind.key]) for kind in ALL)]


def spoiled(findings: Iterable[Finding]) -> set[int]:
    """Ids of examples that a model should not learn from as they are; of copies all but the first."""
    ids: set[int] = set()
    copies: dict[int | None, list[int]] = defaultdict(list)
    for finding in findings:
        if KINDS[finding.kind].spoils:
            ids.add(finding.id)
        elif finding.kind == "copies":
            copies[finding.group].append(finding.id)
    return ids.union(*(group[1:] for group in copies.values()))


def size(usable: int, total: int, settings: Thresholds) -> Check:
    """Whether there is enough to tune on."""
    value = f"{usable:,}" if usable == total else f"{usable:,} of {total:,}"
    where = (("Show those that are not", f"flag={UNUSABLE}"),) if usable < total else ()
    if usable < settings.too_few:
        note = (
            f"Fewer than {settings.too_few:,} usable: tuning is advised against. A model learns their wording rather "
            "than the task; a good prompt is likely to do better."
        )
        return Check("size", "Enough examples", value, "bad", note, usable, where)
    if usable < settings.enough:
        note = f"Tuning may help; from {settings.enough:,} usable ones on it is a go."
        return Check("size", "Enough examples", value, "warn", note, usable, where)
    return Check("size", "Enough examples", value, "good", count=usable, where=where)


def line(kind: Kind, count: int) -> Check:
    """The line of a kind: good at 0, and otherwise says what it means."""
    if not count:
        return Check(kind.key, kind.label, "0", "good")
    return Check(kind.key, kind.label, f"{count:,}", kind.tone, kind.note, count, (("Show them", f"flag={kind.key}"),))


def waiting(count: int, *, told: str = "") -> Check:
    """Proposals that nobody has decided; `told`: their number in words, where it was not counted to its end."""
    note = "Proposals stay out of the next version until approved." if count else ""
    where = (("Review them", "state=proposed"),) if count else ()
    return Check("waiting", "Waiting for review", told or f"{count:,}", "warn" if count else "good", note, count, where)


def credit(named: bool) -> Check:
    """Whether the dataset says where it comes from."""
    note = "" if named else "Say where the data comes from and under which licence."
    return Check("credit", "Source and licence noted", "yes" if named else "no", "good" if named else "warn", note)
