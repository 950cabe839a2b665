"""Makes the demo, step by step, through the rooms' actions. Every step looks first at what is there already.

`python manage.py make_demo` performs the jobs itself; with `--follow` the workers do, and it waits for them.
"""

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any

from django.conf import settings

from evalhub.accounts import actions as accounts
from evalhub.accounts.models import Membership, Project, User
from evalhub.datasets import actions as datasets
from evalhub.datasets.checking import standing
from evalhub.datasets.models import Dataset, ImportBatch, Version
from evalhub.demo.people import PASSWORD, PEOPLE
from evalhub.demo.texts import test_texts
from evalhub.runs import actions as runs
from evalhub.runs.models import GenerationRun, Model, Run
from evalhub.studies import actions as studies
from evalhub.studies.design import ArmDesign
from evalhub.studies.intake import import_ratings
from evalhub.studies.models import Study
from training.presets import DEFAULT_PRESET

FOLDER = settings.BASE_DIR / "demo"
NAME = "Content copy"
EDITORS, FIRST, BASE, TUNED = "Editors' own texts", "First sentence", "Demo base", "Demo tuned"
READY_STUDY, FULL_STUDY = "Web copy, round 1", "Web copy, round 2"  # raters read the names: no arm may show
RATED_STUDY = "SQuALITY: three summarisers"
SHIPPED_BASE = FOLDER / "base_model"
TRAINING = {"precision": "fp32"}  # over the preset "demo", for the shipped base
SAMPLING = {"temperature": 0.0, "no_repeat_ngram": 3, "max_tokens": 48}
DATA_CREDIT = (
    "GSA/digitalgov.gov and 18F/18f.gsa.gov: public domain in the United States, CC0 1.0 elsewhere. "
    "See demo/content_copy.CREDIT.md."
)
RATINGS_CREDIT = (
    "SQuALITY by Alex Wang, Richard Yuanzhe Pang, Angelica Chen, Jason Phang and Samuel R. Bowman (EMNLP 2022), "
    "github.com/nyu-mll/SQuALITY, CC BY 4.0. Changed: one row per value; see demo/squality.CREDIT.md."
)
GUIDELINES = (
    "You see the lead of an article of a government web site, and texts that could stand above or beside it. Rate each "
    "text for itself, against what the instruction asks for. Judge what is written, not how long it is."
)


class Waiting(Exception):
    """A step cannot go on yet; the message says what it waits for, and how far that is."""


class Broken(Exception):
    """A job of the demo failed or was cancelled; the message says which, and why."""


@dataclass
class House:
    """What the steps share. `in_line`: perform jobs here, instead of leaving them to the workers."""

    in_line: bool = False

    @property
    def admin(self) -> User:
        return User.objects.get(username=PEOPLE[0].username)

    @property
    def project(self) -> Project:
        return Project.objects.get(slug="content-copy")

    @property
    def version(self) -> Version:
        version = Version.objects.filter(dataset__project=self.project, dataset__name=NAME).order_by("number").first()
        if version is None:
            raise Waiting("the frozen dataset")
        return version

    def model(self, name: str) -> Model:
        """The model of that name; the tuned one is whatever adapter the demo's training left."""
        if name != TUNED:
            return self.project.models.get(name=name)
        training = self.finished(self.training()).training
        if training.adapter is None:
            raise Broken(f"{training.run.name} left no adapter.")
        return training.adapter

    def training(self) -> Run:
        found = self.project.runs.filter(kind=Run.Kind.TRAINING, name=f"{TUNED} on {self.version}").order_by("id")
        run = found.first()
        if run is None:
            raise Waiting("the training")
        return run

    def answers_of(self, name: str) -> GenerationRun:
        """The finished answers of the model `name`."""
        generation = self.model(name).generation_runs.select_related("run").order_by("run_id").first()
        if generation is None:
            raise Waiting(f"the answers of {name}")
        return self.finished(generation.run).generation

    @property
    def busy(self) -> bool:
        """Whether any job is still to come or at work."""
        return self.project.runs.filter(state__in=(Run.State.QUEUED, Run.State.RUNNING)).exists()

    def finished(self, run: Run) -> Run:
        """The run, or its latest retry, once it has succeeded."""
        while retry := run.retries.order_by("id").last():
            run = retry
        if self.in_line and run.is_live:
            run = runs.perform(run)
        if run.state == Run.State.SUCCEEDED:
            return run
        if run.is_live:
            raise Waiting(f"{run.name}: {progress(run)}")
        raise Broken(f"{run.name} {run.state}. {run.message} Retry it on its page.")


def progress(run: Run) -> str:
    if run.state == Run.State.QUEUED:
        return "queued"
    left = "" if run.eta_seconds is None else f", about {max(1, round(run.eta_seconds / 60))} min left"
    return f"{run.done:,} of {run.total:,} {run.unit}{left}" if run.total else "starting"


def check(house: House) -> None:
    """The import has asked a worker to check; where there is none, it is done here: once, whatever people change."""
    version, dataset = house.version, house.version.dataset
    known = standing(dataset)
    if known.run and known.run.read_at >= version.frozen_at:
        return
    if not house.in_line and known.job:
        raise Waiting(f"the checks of {dataset}: {known.job.get_state_display().lower()}")
    datasets.check_examples(dataset, by=house.admin)


def make_people(house: House) -> None:
    for person in PEOPLE:
        if not User.objects.filter(username=person.username).exists():
            accounts.create_user(
                username=person.username, email=person.email, password=PASSWORD, display_name=person.name,
                superuser=person.superuser,
            )  # fmt: skip


def make_project(house: House) -> None:
    if not Project.objects.filter(slug="content-copy").exists():
        description = "Headlines, meta descriptions and decks for articles of two public web sites."
        accounts.create_project(name=NAME, by=house.admin, slug="content-copy", description=description)
    for person in PEOPLE:
        user = User.objects.get(username=person.username)
        if not Membership.objects.filter(project=house.project, user=user).exists():
            accounts.add_member(house.project, user=user, role=person.role, by=house.admin)


def import_examples(house: House) -> None:
    dataset = Dataset.objects.filter(project=house.project, name=NAME).first() or datasets.create_dataset(
        house.project, name=NAME, by=house.admin, credit=DATA_CREDIT,
        description="1,540 instructions with the text an editor wrote: headlines, meta descriptions, decks.",
    )  # fmt: skip
    if not dataset.imports.filter(state=ImportBatch.State.SUCCEEDED).exists():
        path = FOLDER / "content_copy.jsonl"
        datasets.import_file(dataset, path=path, file_name=path.name, by=house.admin)


def freeze(house: House) -> None:
    dataset = Dataset.objects.get(project=house.project, name=NAME)
    if not dataset.versions.exists():
        reject_leaks(dataset, house.admin)
        datasets.freeze_version(dataset, by=house.admin, note="As published; split by document")


def reject_leaks(dataset: Dataset, by: User) -> None:
    """Two pages of the corpus say nearly the same, one in the training set and one in the test set."""
    for leak in datasets.leaks_of(dataset):
        example = dataset.examples.get(pk=leak.train)
        datasets.reject(example, by=by, reason=f"Nearly repeats “{leak.test_title}”, which is tested.")


def store_texts(house: House) -> None:
    texts = dict(zip((EDITORS, FIRST), test_texts(house.version), strict=True))
    for name, answers in texts.items():
        if not GenerationRun.objects.filter(model__project=house.project, model__name=name).exists():
            runs.store_answers(house.version, name=name, answers=answers, by=house.admin)


def open_ready_study(house: House) -> None:
    _study(house, READY_STUDY, (FIRST, EDITORS), items=40)


def open_full_study(house: House) -> None:
    _study(house, FULL_STUDY, (BASE, TUNED, FIRST, EDITORS), items=30)


def _study(house: House, name: str, arms: tuple[str, ...], *, items: int) -> None:
    """A study of these arms, the first one the baseline, open to the demo's experts."""
    designs = [ArmDesign(arm, house.answers_of(arm), baseline=arm == arms[0]) for arm in arms]
    study = house.project.studies.filter(name=name).first() or studies.create_study(
        house.project, name=name, by=house.admin, arms=designs, raters=_experts(), overlap=2, items=items,
        guidelines=GUIDELINES, ask_preference=True, credit=DATA_CREDIT, description=f"Compares {', '.join(arms)}.",
    )  # fmt: skip
    if study.state == Study.State.DRAFT:
        studies.open_study(study, by=house.admin, accept_warnings=True)


def _experts() -> list[User]:
    return [User.objects.get(username=person.username) for person in PEOPLE if person.role == "expert"]


def import_real_ratings(house: House) -> None:
    if not house.project.studies.filter(name=RATED_STUDY).exists():
        path = FOLDER / "squality_ratings.csv"
        import_ratings(
            house.project, name=RATED_STUDY, path=path, file_name=path.name, by=house.admin, scale=(0, 100),
            baseline="bart", margin=5.0, credit=RATINGS_CREDIT, primary_criterion="overall-rating",
            description="Real ratings by real people: 300 summaries by three systems, three raters each, 0 to 100.",
        )  # fmt: skip


def register_base(house: House) -> None:
    if not house.project.models.filter(name=BASE).exists():
        runs.register_model(house.project, name=BASE, reference=str(settings.DEMO_BASE_MODEL), by=house.admin)


def generate_base(house: House) -> None:
    _generate(house, house.model(BASE))


def train(house: House) -> None:
    name = f"{TUNED} on {house.version}"
    if not house.project.runs.filter(kind=Run.Kind.TRAINING, name=name).exists():
        runs.request_training(
            house.project, base=house.model(BASE), version=house.version, by=house.admin, name=name,
            send=not house.in_line, **training_settings(house.model(BASE)),
        )  # fmt: skip
    house.finished(house.training())


def training_settings(base: Model) -> dict[str, Any]:
    """Preset and settings: those of the demo spoil any base but the tiny one that is shipped."""
    if base.reference == str(SHIPPED_BASE.resolve()):
        return {"preset": "demo", "settings": TRAINING}
    return {"preset": DEFAULT_PRESET}


def generate_tuned(house: House) -> None:
    _generate(house, house.model(TUNED))


def _generate(house: House, model: Model) -> None:
    generation = model.generation_runs.select_related("run").order_by("run_id").first()
    run = generation.run if generation else runs.request_generation(
        house.project, model=model, version=house.version, by=house.admin, sampling=SAMPLING, send=not house.in_line
    )  # fmt: skip
    house.finished(run)


def score(house: House) -> None:
    """Asks for each arm's scores as soon as its answers are there; done when every arm has them."""
    waits: list[str] = []
    for name in (EDITORS, FIRST, BASE, TUNED):
        try:
            generation = house.answers_of(name)
            scoring = generation.scoring_runs.select_related("run").order_by("run_id").first()
            run = scoring.run if scoring else runs.request_scoring(generation, by=house.admin, send=not house.in_line)
            house.finished(run)
        except Waiting as waiting:
            waits.append(str(waiting))
    if waits:
        raise Waiting(waits[0])


Step = Callable[[House], None]
STEPS: tuple[tuple[str, Step], ...] = (
    ("people", make_people),
    ("project", make_project),
    ("examples imported", import_examples),
    ("version frozen", freeze),
    ("texts that need no model stored", store_texts),
    (f"study “{READY_STUDY}” open: experts can rate now", open_ready_study),
    (f"closed study “{RATED_STUDY}” with real ratings imported", import_real_ratings),
    ("base model registered", register_base),
    ("examples checked", check),
    ("base model has answered", generate_base),
    ("LoRA adapter trained", train),
    ("tuned model has answered", generate_tuned),
    (f"study “{FULL_STUDY}” open", open_full_study),
    ("all answers scored", score),
)


def attempt(house: House, step: Step) -> Any:
    """None when the step is done, else the Waiting or Broken that says why not."""
    try:
        step(house)
    except (Waiting, Broken) as reason:
        return reason
    return None


def one_round(house: House) -> Iterator[tuple[str, Waiting | Broken | None]]:
    """Try every step once, in order. The steps up to the registered base need no job, and must succeed."""
    for name, step in STEPS:
        yield name, attempt(house, step)
