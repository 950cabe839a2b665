"""What a project's home and its list of reports show: the latest result, studies, runs under way, what is there yet."""

from dataclasses import dataclass, replace

from django.db.models import Count, QuerySet

from evalhub.accounts.models import Project, User
from evalhub.accounts.permissions import Right, may
from evalhub.datasets.models import Dataset, Example, ImportBatch, Version
from evalhub.reports.aggregates import brief_reports
from evalhub.reports.reading import report_for
from evalhub.reports.report import StudyReport
from evalhub.reports.words import result_line
from evalhub.runs.models import Model, Run
from evalhub.runs.reading import models_of
from evalhub.studies.models import Study
from evalhub.studies.naming import is_blind
from evalhub.studies.progress import StudyRow, study_rows

State = ImportBatch.State


@dataclass(frozen=True)
class StudyLine:
    """A study with its progress and, once it is closed, its result in words, with the `names` of arms in it."""

    row: StudyRow
    result: str
    names: tuple[str, ...]
    has_report: bool


@dataclass(frozen=True)
class Stock:
    """What a project holds."""

    datasets: int
    examples: int
    versions: int
    models: int
    adapters: int
    runs: int
    studies: int


@dataclass(frozen=True)
class Step:
    """One step of the loop, and whether it has been taken."""

    name: str
    help: str
    route: str
    done: bool
    next: bool = False


def study_lines(project: Project, *, designs: bool) -> list[StudyLine]:
    """Every study, the newest first, for readers who design studies or do not."""
    rows = study_rows(project, designs=designs)
    for row in rows:
        row.study.project = project  # known already: no question for each line
    closed = [row.study for row in rows if row.study.state == Study.State.CLOSED]
    briefs = brief_reports(closed, designs=designs)
    return [_line(row, briefs.get(row.study.pk)) for row in rows]


def _line(row: StudyRow, brief: StudyReport | None) -> StudyLine:
    if brief is None:
        hidden = "not opened yet" if row.study.state == Study.State.DRAFT else "hidden until it closes"
        return StudyLine(row, hidden, (), has_report=False)
    return StudyLine(row, result_line(brief), tuple(arm.name for arm in brief.arms), has_report=True)


def latest_report(project: Project, user: User) -> StudyReport | None:
    """Of the study with ratings that closed last, as `user` reads it; imported and blind ones come last."""
    designs = may(user, project, Right.DESIGN)
    closed = project.studies.filter(state=Study.State.CLOSED, items__assignments__state="submitted").distinct()
    newest = sorted(
        closed,
        key=lambda s: (not is_blind(s, designs=designs), s.origin != Study.Origin.IMPORTED, s.closed_at, s.pk),
    )
    if not newest:
        return None
    newest[-1].project = project
    return report_for(user, newest[-1])


def runs_under_way(project: Project) -> QuerySet[Run]:
    return project.runs.filter(state__in=[Run.State.QUEUED, Run.State.RUNNING]).order_by("pk")


def imports_under_way(project: Project) -> QuerySet[ImportBatch]:
    live = ImportBatch.objects.filter(dataset__project=project, state__in=[State.QUEUED, State.RUNNING])
    return live.select_related("dataset").defer("problems").order_by("pk")


def stock(project: Project) -> Stock:
    models = models_of(project)
    return Stock(
        datasets=Dataset.objects.filter(project=project).count(),
        examples=Example.objects.filter(dataset__project=project, state=Example.State.APPROVED).count(),
        versions=Version.objects.filter(dataset__project=project).count(),
        models=models.count(),
        adapters=models.filter(kind=Model.Kind.ADAPTER).count(),
        runs=project.runs.count(),
        studies=project.studies.count(),
    )


def datasets(project: Project) -> QuerySet[Dataset]:
    """With `n_examples` and `n_versions`."""
    return project.datasets.annotate(
        n_examples=Count("examples", distinct=True), n_versions=Count("versions", distinct=True)
    )


def first_steps(project: Project, held: Stock) -> list[Step]:
    """The loop as a list, until the first study stands."""
    kinds = set(project.runs.filter(state=Run.State.SUCCEEDED).values_list("kind", flat=True))
    steps = [
        Step("Bring in examples", "Instruction, input and the output you want, as JSONL, CSV, XLSX or Parquet.",
             "datasets:list", held.examples > 0),
        Step("Freeze a version", "What is trained on is fixed, split by document, and proven by its hash.",
             "datasets:list", held.versions > 0),
        Step("Train an adapter", "LoRA on a base model, with the recommended settings or your own.",
             "runs:list", Run.Kind.TRAINING in kinds),
        Step("Generate and score", "Base and tuned model answer the test split; ROUGE and BERTScore follow.",
             "runs:list", Run.Kind.GENERATION in kinds),
        Step("Ask experts", "A blind study of the answers, side by side, on criteria of your own.",
             "studies:list", held.studies > 0),
    ]  # fmt: skip
    first = next((step for step in steps if not step.done), None)
    return [replace(step, next=step is first and not held.runs) for step in steps]
