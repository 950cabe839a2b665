"""From rows to checks and back: the examples of a dataset, what must not be repeated, and what was found, kept."""

import re
from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any
from urllib.parse import urlencode

from django.db import transaction
from django.db.models import QuerySet

from evalhub.accounts.models import User
from evalhub.datasets.checks.kinds import KINDS, UNUSABLE
from evalhub.datasets.checks.readiness import credit, waiting
from evalhub.datasets.checks.report import Check, CheckReport, Finding
from evalhub.datasets.checks.text import OtherSet, Text
from evalhub.datasets.counting import Tally, changed_since, count_of
from evalhub.datasets.filters import filter_of
from evalhub.datasets.guarded import prompt_text
from evalhub.datasets.models import CheckRun, Dataset, Example, Flag, Split, Version, VersionExample
from evalhub.datasets.selection import chosen_examples
from evalhub.jobs.actions import request_job
from evalhub.jobs.lifecycle import LIVE
from evalhub.jobs.models import Job
from evalhub.progress import Heard, chunks

VERB = "check_examples"
CHUNK = 2000
READ = ("id", "instruction", "input", "output", "system", "history", "category", "source", "language", "wanted_split")
GUARDED = ("instruction", "input", "system", "history")


# --- what is checked ------------------------------------------------------------------------------
TICKED = re.compile(r"ids=(\d{1,18}(?:,\d{1,18})*)")
Link = tuple[str, str]  # what it says, the query of the table's address


def sound_query(query: str) -> str:
    """Which examples, in the one way that names a run over them: "" for all that are approved, a filter, or ids=3,7.

    Raises Refused for a filter that means nothing.
    """
    if ticked := TICKED.fullmatch(query):
        return ids_query(map(int, ticked[1].split(",")))
    return urlencode(filter_of(query).narrowing)


def ids_query(pks: Iterable[int]) -> str:
    return f"ids={','.join(map(str, sorted(set(pks))))}"


def examples_of(dataset: Dataset, query: str) -> QuerySet[Example]:
    """The examples that a sound query names."""
    if ticked := TICKED.fullmatch(query):
        return dataset.examples.filter(pk__in=ticked[1].split(","))
    if not query:
        return dataset.examples.filter(state=Example.State.APPROVED)
    return chosen_examples(dataset, filter_of(query)).order_by()


def texts_of(dataset: Dataset, examples: QuerySet[Example]) -> Iterator[Text]:
    """The examples as the checks take them, in constant memory. What the last version tested counts as tested."""
    tested = _tested(dataset)
    rows = examples.order_by("id").values_list(*READ)
    for pk, instruction, given, output, system, history, category, source, language, wanted in rows.iterator(CHUNK):
        context = "\n".join([system, *(turn["content"] for turn in history)]).strip("\n")
        side = Split.TEST if pk in tested else wanted
        yield Text(pk, instruction, given, output, context, category, source, language, side)


def _tested(dataset: Dataset) -> set[int]:
    last = dataset.versions.first()
    tested = last.entries.filter(split=Split.TEST) if last else VersionExample.objects.none()
    return set(tested.values_list("example_id", flat=True))


def others_of(dataset: Dataset) -> list[OtherSet]:
    """Every frozen test set and every benchmark of the project, each prompt once."""
    return [*_test_sets(dataset), *_benchmarks(dataset)]


def _test_sets(dataset: Dataset) -> list[OtherSet]:
    tested = VersionExample.objects.filter(version__dataset__project=dataset.project_id, split=Split.TEST)
    prompts: dict[str, set[str]] = defaultdict(set)
    for name, values in tested.values_list("version__dataset__name", "values").iterator(CHUNK):
        prompts[name].add(prompt_text(values))
    return [OtherSet(name, "test set", sorted(texts)) for name, texts in sorted(prompts.items())]


def _benchmarks(dataset: Dataset) -> list[OtherSet]:
    known = Dataset.objects.filter(project=dataset.project_id, is_benchmark=True).exclude(pk=dataset.pk)
    return [OtherSet(one.name, "benchmark", _prompts(one)) for one in known.order_by("name")]


def _prompts(benchmark: Dataset) -> list[str]:
    rows = benchmark.examples.exclude(state=Example.State.REJECTED).values(*GUARDED)
    return sorted({prompt_text(row) for row in rows.iterator(CHUNK)})


def tested_elsewhere(dataset: Dataset) -> dict[str, Any]:
    """A mark of what other datasets of the project test: another one where a test set or benchmark came or changed."""
    others = Version.objects.filter(dataset__project=dataset.project_id).exclude(dataset=dataset)
    newest = max((pk for pk, counts in others.values_list("pk", "counts") if counts.get("test")), default=0)
    known = Dataset.objects.filter(project=dataset.project_id, is_benchmark=True).exclude(pk=dataset.pk)
    return {"version": newest, "benchmarks": {one.slug: _last_change(one) for one in known}}


def _last_change(dataset: Dataset) -> str:
    moment = dataset.examples.order_by("-updated_at").values_list("updated_at", flat=True).first()
    return moment.isoformat() if moment else ""


# --- what was found -------------------------------------------------------------------------------
@dataclass(frozen=True)
class Made:
    """One run of the checks: of which examples ("" = all that are approved), how, when, and what it found."""

    query: str
    settings: Mapping[str, Any]
    read_at: datetime
    seconds: float
    report: CheckReport


def keep(dataset: Dataset, made: Made, *, by: User, heard: Heard | None = None) -> CheckRun:
    """The run with its flags; those of the run before over the same examples go."""
    with transaction.atomic():
        run = CheckRun.objects.create(
            dataset=dataset, query=made.query, settings=dict(made.settings), report=made.report.as_json(),
            examples=made.report.total, read_at=made.read_at, seconds=made.seconds, created_by=by,
        )  # fmt: skip
        for part in chunks(made.report.findings, CHUNK, heard):
            _flag(run, part)
        Flag.objects.filter(run__dataset=dataset, run__query=made.query, run__lt=run).delete()
    return run


def _flag(run: CheckRun, findings: Any) -> None:
    """Flags of those examples that are still there."""
    there = set(Example.objects.filter(pk__in=[item.id for item in findings]).values_list("pk", flat=True))
    Flag.objects.bulk_create(_as_flag(run, item) for item in findings if item.id in there)


def _as_flag(run: CheckRun, item: Finding) -> Flag:
    return Flag(run=run, example_id=item.id, kind=item.kind, reason=item.reason, group=item.group)


# --- what is known --------------------------------------------------------------------------------
@dataclass(frozen=True)
class Standing:
    """What the page says of a dataset's readiness: the last run over all of it, and what happened since."""

    run: CheckRun | None
    report: CheckReport | None
    checks: tuple[Check, ...]
    changed: Tally  # examples that were changed, added or decided since
    overtaken: bool  # what other datasets test is not what it was then
    job: Job | None  # a run that waits or works just now

    @property
    def stale(self) -> bool:
        """Whether a version might be refused now although nothing blocked then."""
        return bool(self.changed) or self.overtaken

    @property
    def lines(self) -> list[tuple[Check, list[Link]]]:
        """The checks, each with its links to the examples concerned."""
        return [(check, links(check, self.run)) for check in self.checks]

    @property
    def blocking(self) -> int:
        return sum(check.tone == "bad" for check in self.checks)

    @property
    def warnings(self) -> int:
        return sum(check.tone == "warn" for check in self.checks)


def standing(dataset: Dataset) -> Standing:
    """What is known of the dataset; nothing is computed, and no more counted than a page waits for (counting.py)."""
    run = last_run(dataset)
    report = CheckReport.from_json(run.report) if run else None
    proposed = count_of(dataset.examples.filter(state=Example.State.PROPOSED))
    more = (waiting(proposed.number, told=str(proposed)), credit(bool(dataset.credit.strip())))
    changed = changed_since(dataset, run.read_at) if run else Tally(0)
    overtaken = run is not None and run.settings.get("tested_elsewhere") != tested_elsewhere(dataset)
    return Standing(run, report, (*(report.checks if report else ()), *more), changed, overtaken, live_job(dataset))


def links(check: Check, run: CheckRun | None) -> list[Link]:
    """To the examples of a line: those that this very run flagged, or of all that are approved."""
    found = []
    for words, query in check.where:
        if run and query.removeprefix("flag=") in (*KINDS, UNUSABLE):
            found.append((words, f"{query}@{run.pk}"))
        elif not (run and run.query):
            found.append((words, query))
    return found


def made_by(dataset: Dataset, request_key: str | None) -> CheckRun | None:
    """The run that this request made already."""
    return dataset.checks.filter(settings__request=request_key).first() if request_key else None


def last_run(dataset: Dataset) -> CheckRun | None:
    """The last run over all approved examples."""
    return dataset.checks.filter(query="").select_related("created_by").first()


def live_job(dataset: Dataset) -> Job | None:
    asked = Job.objects.filter(project=dataset.project_id, command=VERB, state__in=LIVE)
    return asked.filter(options__dataset=dataset.slug, options__filter="").first()


def ask_for_check(dataset: Dataset, by: User, *, query: str = "", model: str = "") -> Job:
    """Let a worker check. While a run over the whole dataset waits for its worker, asking again is that run."""
    waiting = live_job(dataset) if not query and not model else None
    if waiting and waiting.state == Job.State.QUEUED:
        return waiting
    options = {"dataset": dataset.slug, "filter": query, "model": model}
    title = f"Check {'a part of ' if query else ''}{dataset}"
    return request_job(dataset.project, command=VERB, title=title, options=options, by=by)
