"""The demo: made by the rooms' own actions, twice without a difference, ready to rate before any job has run."""

import json
from io import StringIO
from typing import Any

import pytest
from django.core.management import call_command
from django.urls import reverse

from evalhub.accounts.models import AuditEvent, Project, Role, User
from evalhub.datasets import actions
from evalhub.datasets.models import CheckRun, Example, Version
from evalhub.demo.create import (
    BASE,
    EDITORS,
    FIRST,
    RATED_STUDY,
    READY_STUDY,
    STEPS,
    TRAINING,
    Broken,
    House,
    Waiting,
    attempt,
    check,
    score,
    train,
)
from evalhub.demo.people import PASSWORD, PEOPLE
from evalhub.demo.texts import first_sentence
from evalhub.reports.aggregates import build_report
from evalhub.reports.management.commands.make_demo import follow
from evalhub.reports.statistics.result import Settings
from evalhub.runs.models import Run
from evalhub.studies.models import Study
from tests.conftest import logged_in

READY = [step for _, step in STEPS[:8]]


@pytest.mark.parametrize(
    ("text", "sentence"),
    [
        ("Title: A bridge\n\nIt opens today. It is long.", "It opens today."),
        ("The U.S. Digital Service began. Then more.", "The U.S. Digital Service began."),
        ("Dr. Smith wrote it. And so on.", "Dr. Smith wrote it."),
        ("“Why now?” she asked. Nobody knew.", "“Why now?” she asked."),
        ("Version 2.0 is out! Get it.", "Version 2.0 is out!"),
        ("No end here", "No end here"),
    ],
)
def test_it_finds_the_first_sentence(text: str, sentence: str) -> None:
    assert first_sentence(text) == sentence


@pytest.fixture
def ready(db: None) -> House:
    """The demo up to where the first job would run."""
    house = House()
    assert [attempt(house, step) for step in READY] == [None] * len(READY)
    return house


def counts() -> dict[str, int]:
    models = (User, Project, Example, Version, Study, Run, AuditEvent)
    return {model.__name__: model.objects.count() for model in models}


@pytest.mark.slow
def test_it_can_be_rated_before_any_job_has_run_and_is_made_only_once(ready: House) -> None:
    first = counts()
    assert [attempt(House(), step) for step in READY] == [None] * len(READY)
    assert counts() == first
    assert first["Example"] == 1540
    version = Version.objects.get()
    assert version.entries.filter(split="test").count() == 137
    study = Study.objects.get(name=READY_STUDY)
    assert (study.state, study.raters.count()) == ("open", 2)
    expert = User.objects.get(username="expert.demo")
    address = reverse("studies:rate", args=[ready.project.slug, study.slug])
    page = logged_in(expert).get(address, follow=True)
    assert page.status_code == 200
    for arm in (EDITORS, FIRST):
        assert arm.encode() not in page.content


@pytest.mark.slow
def test_it_checks_the_examples_once_and_not_again_after_a_persons_change(ready: House) -> None:
    house = House(in_line=True)
    assert [attempt(house, check), attempt(house, check)] == [None, None]
    first = CheckRun.objects.get()
    assert first.created_by == house.admin
    actions.reject(house.version.dataset.examples.filter(state="approved").first(), by=house.admin)
    assert attempt(House(), check) is None
    assert CheckRun.objects.get() == first


@pytest.mark.slow
def test_it_imports_the_real_ratings_with_their_credit(ready: House) -> None:
    study = Study.objects.get(name=RATED_STUDY)
    assert (study.state, study.origin, study.scale_max) == ("closed", "imported", 100)
    assert "CC BY 4.0" in study.credit
    assert study.items.count() == 100
    assert study.arms.count() == 3
    report = build_report(study, settings=Settings(resamples=200, seed=7))
    [primary] = [criterion for criterion in report.criteria if criterion.is_primary]
    assert (primary.key, primary.name, primary.computed) == ("overall-rating", "Overall", False)
    assert {difference.criterion for difference in report.family} == {"overall-rating"}


@pytest.mark.slow
def test_it_lets_everybody_of_the_demo_in_with_the_password_it_prints(ready: House, client: Any) -> None:
    for person in PEOPLE:
        form = {"username": person.username, "password": PASSWORD}
        assert client.post(reverse("accounts:login"), form).status_code == 302
        user = User.objects.get(username=person.username)
        assert (user.memberships.get().role, user.is_superuser) == (person.role, person.superuser)
    assert {person.role for person in PEOPLE} == set(Role)


@pytest.mark.slow
def test_it_waits_for_a_live_job_and_names_a_broken_one(ready: House) -> None:
    run = Run.objects.create(
        project=ready.project, kind=Run.Kind.TRAINING, name="A training", requested_by=ready.admin, done=88, total=612,
        state=Run.State.RUNNING, eta_seconds=130,
    )  # fmt: skip
    with pytest.raises(Waiting, match=r"A training: 88 of 612 steps, about 2 min left"):
        ready.finished(run)
    run.state, run.message = Run.State.FAILED, "The disk is full."
    with pytest.raises(Broken, match=r"A training failed. The disk is full. Retry it on its page."):
        ready.finished(run)


@pytest.mark.slow
def test_it_calls_the_answers_scored_only_when_those_of_every_arm_are(ready: House) -> None:
    scored = Run.objects.filter(kind=Run.Kind.SCORING)
    with pytest.raises(Waiting, match=f"Scores of {EDITORS}: test of .*: queued"):
        score(ready)
    assert scored.count() == 2
    scored.update(state=Run.State.SUCCEEDED)
    with pytest.raises(Waiting, match="the answers of Demo base"):
        score(ready)
    assert scored.count() == 2


class Silent:
    def done(self, name: str) -> None: ...

    def waiting(self, sentence: str) -> None: ...


def test_it_stops_once_something_broke_and_nothing_is_at_work(project: Project, monkeypatch: Any) -> None:
    def broken(house: House) -> None:
        raise Broken("The training failed.")

    def waiting(house: House) -> None:
        raise Waiting("the training")

    monkeypatch.setattr("evalhub.demo.create.STEPS", (("a", broken), ("b", waiting)))
    assert follow(House(), Silent()) == ["The training failed."]  # type: ignore[arg-type]


@pytest.mark.slow
@pytest.mark.timeout(900)
def test_it_walks_the_whole_loop_in_line_and_says_so_in_json(db: None, monkeypatch: Any) -> None:
    """Real training, generation and scoring; shortened to a few steps."""
    monkeypatch.setattr("evalhub.demo.create.TRAINING", {**TRAINING, "epochs": 0.1, "evaluations": 1})
    monkeypatch.setattr("evalhub.demo.create.SAMPLING", {"temperature": 0.0, "max_tokens": 4})
    out = StringIO()
    call_command("make_demo", json=True, stdout=out, stderr=StringIO())
    assert json.loads(out.getvalue())["steps"] == [name for name, _ in STEPS]
    assert set(Run.objects.values_list("state", flat=True)) == {Run.State.SUCCEEDED}
    assert Study.objects.filter(state="open").count() == 2


@pytest.mark.parametrize(
    ("reference", "preset", "rate", "length"),
    [("", "demo", 5e-3, 288), ("Qwen/Qwen3-0.6B", "recommended", 2e-4, 1024)],
)
def test_it_trains_another_base_with_settings_that_suit_it(
    ready: House, settings: Any, reference: str, preset: str, rate: float, length: int
) -> None:
    if reference:
        ready.project.models.filter(name=BASE).update(reference=reference)
    assert isinstance(attempt(ready, train), Waiting)
    run = ready.training()
    assert run.training.settings["preset"] == preset
    assert (run.spec["learning_rate"], run.spec["max_length"]) == (rate, length)
