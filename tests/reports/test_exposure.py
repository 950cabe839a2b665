"""What a model had seen in training of what it is tested with is said near the top of every report."""

from datetime import timedelta

import pytest
from django.urls import reverse
from django.utils import timezone

from evalhub.datasets.models import Version
from evalhub.reports.aggregates import build_report, study_report
from evalhub.reports.management.commands.report import lines
from evalhub.reports.report import as_json
from evalhub.runs.models import GenerationRun, TrainingRun
from evalhub.studies.models import Study
from tests.conftest import logged_in
from tests.reports.ground import rated_study
from tests.reports.test_report import QUICK

LEAKS = {"leaks": {"count": 2, "reason": "Two agencies published one notice.", "pairs": []}}
ACCEPTED = (
    "“Tuned” was trained on 2 examples that nearly repeat what is tested. That leak was accepted: Two agencies "
    "published one notice."
)


@pytest.fixture
def study(project, admin) -> Study:
    return rated_study(project, admin, items=6)


def other_version(study: Study, number: int, days: int = 0, **settings: object) -> Version:
    tested = Version.objects.get(number=3)
    return Version.objects.create(
        dataset=tested.dataset, number=number, data_hash="1" * 64, frozen_by=tested.frozen_by, settings=settings,
        counts={"train": 9}, frozen_at=timezone.now() + timedelta(days=days),
    )  # fmt: skip


def trained_on(version: Version) -> None:
    TrainingRun.objects.update(version=version)


def ran_on(version: Version) -> None:
    GenerationRun.objects.update(version=version)


def test_nothing_is_said_where_nothing_was_seen(study):
    report = build_report(study, settings=QUICK)
    assert report.warnings == ()
    assert not any(line.startswith("Warning") for line in lines(report))


@pytest.mark.parametrize("name", ["report", "items", "item", "home"])
def test_an_accepted_leak_stands_near_the_top_of_every_page(study, admin, name):
    trained_on(other_version(study, 4, days=-9, **LEAKS))
    ran_on(other_version(study, 5, days=-10))
    places = {"home": [], "item": [study.slug, study.items.get(position=1).pk]}.get(name, [study.slug])
    page = logged_in(admin).get(reverse(f"reports:{name}", args=[study.project.slug, *places])).content.decode()
    main = page[page.index("<main") :]
    assert ACCEPTED in main
    below = [main.index(mark) for mark in ('class="lede"', "<table", "<article") if mark in main]
    assert below
    assert main.index(ACCEPTED) < min(below)


def test_it_stands_in_the_text_and_the_json_of_the_report(study):
    trained_on(other_version(study, 4, days=-9, **LEAKS))
    ran_on(other_version(study, 5, days=-10))
    report = study_report(study)
    assert as_json(report)["warnings"] == [ACCEPTED]
    told = lines(report)
    assert told.index(f"Warning: {ACCEPTED}") < told.index("Means")


def test_names_stay_hidden_until_they_are_revealed(project, admin):
    study = rated_study(project, admin, items=6, revealed=False)
    trained_on(other_version(study, 4, days=-9, **LEAKS))
    ran_on(other_version(study, 5, days=-10))
    [sentence] = build_report(study, settings=QUICK, blind=True).warnings
    assert sentence.startswith("One of the models was trained on 2 examples")


def test_a_test_set_that_came_after_the_training_says_what_of_it_was_seen(study):
    seen = [{"dataset": "pages", "name": "Pages", "version": number, "examples": number} for number in (2, 4)]
    trained_on(other_version(study, 4, days=-9))
    ran_on(other_version(study, 5, trained_before=seen))
    assert build_report(study, settings=QUICK).warnings == (
        "“Tuned” was trained on 4 examples that nearly repeat what is tested: the test set was frozen after the "
        "training.",
    )


def test_a_test_set_that_repeats_other_versions_says_nothing_here(study):
    trained_on(other_version(study, 4, days=-9))
    ran_on(other_version(study, 5, trained_before=[{"dataset": "pages", "version": 2, "examples": 1}]))
    assert build_report(study, settings=QUICK).warnings == ()


def test_a_test_set_of_before_such_comparisons_says_that_it_was_not_compared(study):
    trained_on(other_version(study, 4, days=-9))
    ran_on(other_version(study, 5))
    [sentence] = build_report(study, settings=QUICK).warnings
    assert "the two were not compared" in sentence
