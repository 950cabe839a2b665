"""How many examples datasets hold, on their pages: exact up to a bound, beyond it said to be an estimate."""

import pytest
from django.db import connection
from django.urls import reverse

from evalhub.accounts.models import Project, User
from evalhub.datasets import actions, overview
from evalhub.datasets.checking import standing
from evalhub.datasets.counting import Tally, beyond, changed_since, patiently
from evalhub.datasets.models import Dataset, Example
from evalhub.datasets.overview import states_of, together
from tests.conftest import logged_in
from tests.datasets.test_pages import address


@pytest.fixture
def two(project: Project, admin: User) -> tuple[Dataset, Dataset]:
    """All approved but three rejected; all proposed."""
    made = tuple(actions.create_dataset(project, name=name, by=admin, credit="CC0") for name in ("Deck", "Meta"))
    for dataset, state, count in ((made[0], "approved", 60), (made[0], "rejected", 3), (made[1], "proposed", 40)):
        Example.objects.bulk_create(
            Example(dataset=dataset, instruction="Ask", output="x", state=state, fingerprint=f"{state}{number}")
            for number in range(count)
        )
    return made


@pytest.fixture
def large(two: tuple[Dataset, Dataset], monkeypatch: pytest.MonkeyPatch) -> tuple[Dataset, Dataset]:
    """As if each had more than a page counts; PostgreSQL has looked at them."""
    for name in ("evalhub.datasets.overview.WALKED", "evalhub.datasets.overview.COUNTED",
                 "evalhub.datasets.counting.COUNTED"):  # fmt: skip
        monkeypatch.setattr(name, 10)
    with connection.cursor() as cursor:
        cursor.execute("ANALYZE")
    return two


def estimated(number: int) -> str:
    return f"about {number}" if connection.vendor == "postgresql" else "more than 10"


def test_it_counts_every_state_of_every_dataset_in_one_query(two, django_assert_num_queries) -> None:
    deck, meta = two
    if connection.vendor == "sqlite":  # PostgreSQL's limit of time has statements of its own
        with django_assert_num_queries(1):
            states_of(two)
    found = states_of(two)
    assert found[deck.pk] == {"proposed": Tally(0), "approved": Tally(60), "rejected": Tally(3)}
    assert found[meta.pk] == {"proposed": Tally(40), "approved": Tally(0), "rejected": Tally(0)}
    assert together(found[deck.pk].values()) == Tally(63)
    assert states_of([]) == {}


def test_beyond_the_bound_it_estimates_by_what_each_dataset_holds(large) -> None:
    deck, meta = large
    found = states_of(large)
    assert [str(tally) for tally in found[deck.pk].values()] == ["0", estimated(60), "3"]
    assert [str(tally) for tally in found[meta.pk].values()] == [estimated(40), "0", "0"]
    assert str(together(found[deck.pk].values())) == (
        "about 63" if connection.vendor == "postgresql" else "more than 13"
    )


def test_of_many_datasets_each_is_counted_less_far(two, monkeypatch) -> None:
    monkeypatch.setattr(overview, "WALKED", 100)
    monkeypatch.setattr(overview, "COUNTED", 10)
    assert states_of(two[:1])[two[0].pk]["approved"] == Tally(60)
    assert not states_of(two)[two[0].pk]["approved"].exact


@pytest.mark.rows_locked
def test_an_estimate_that_the_count_contradicts_is_not_told(two) -> None:
    with connection.cursor() as cursor:
        cursor.execute("ANALYZE")
    approved = two[0].examples.filter(state="approved")
    assert str(beyond(approved, 1000)) == "more than 1,000"
    assert str(beyond(approved, 10)) == "about 60"


@pytest.mark.rows_locked
def test_what_takes_too_long_is_estimated(two, monkeypatch) -> None:
    def slow() -> None:
        with connection.cursor() as cursor:
            cursor.execute("SELECT pg_sleep(5)")

    assert patiently(slow, 20) is None
    with connection.cursor() as cursor:
        cursor.execute("ANALYZE")
    monkeypatch.setattr(overview, "patiently", lambda count, milliseconds: None)
    assert str(states_of(two)[two[0].pk]["approved"]) == "about 60"


def test_the_pages_say_what_is_exact_and_what_is_not(large, admin) -> None:
    client, deck = logged_in(admin), large[0]
    shown = client.get(address("detail", deck)).content.decode()
    assert f"{together(states_of([deck])[deck.pk].values())} examples." in shown
    assert "Freeze all approved examples" in shown
    assert "60 approved examples." in client.get(address("freeze", deck)).content.decode()
    assert "Freeze 60 examples" in client.get(address("freeze", deck)).content.decode()
    listed = client.get(reverse("datasets:list", args=[deck.project.slug])).content.decode()
    assert estimated(60) in listed
    assert estimated(40) in listed
    assert f'<span class="n">{estimated(40)}</span>' in client.get(address("detail", large[1])).content.decode()


def test_that_nothing_changed_is_never_an_estimate(large, admin) -> None:
    deck = large[0]
    version = actions.freeze_version(deck, by=admin)
    assert changed_since(deck, version.frozen_at) == Tally(0)
    assert "nothing has changed since" in logged_in(admin).get(address("detail", deck)).content.decode()
    actions.check_examples(deck, by=admin)
    deck.examples.filter(state="approved").first().save()
    assert changed_since(deck, version.frozen_at)
    assert standing(deck).changed


# --- the API ------------------------------------------------------------------------------------
BASE = "/api/v1/projects/content-copy/datasets/"


def test_the_api_counts_no_further_than_the_page(large, admin) -> None:
    client = logged_in(admin)
    listed = {each["slug"]: each for each in client.get(BASE).json()["results"]}
    assert (listed["deck"]["rejected"], listed["deck"]["counts_are_exact"]) == (3, False)
    assert listed["deck"]["approved"] == states_of(large)[large[0].pk]["approved"].number
    assert client.get(f"{BASE}deck/").json() == listed["deck"]


def test_the_api_asks_as_little_for_many_datasets_as_for_one(
    two, admin, django_assert_num_queries, django_assert_max_num_queries
) -> None:
    client = logged_in(admin)
    client.get(BASE)
    with django_assert_max_num_queries(14) as before:
        first = client.get(BASE).json()["results"]
    assert [(each["approved"], each["proposed"], each["rejected"], each["counts_are_exact"]) for each in first] == [
        (60, 0, 3, True), (0, 40, 0, True),
    ]  # fmt: skip
    assert not any("LEFT OUTER JOIN" in query["sql"] for query in before.captured_queries)
    for number in range(5):
        actions.create_dataset(two[0].project, name=f"More {number}", by=admin)
    with django_assert_num_queries(len(before)):
        assert client.get(BASE).json()["count"] == 7
