"""Many raters at once: never two on a slot, never more than the overlap, nobody starved. SQLite and PostgreSQL."""

import threading
import time
import uuid
from collections import Counter
from collections.abc import Callable, Sequence
from typing import Any

import pytest
from django.db import connection
from django.db.models import Count

from evalhub.accounts.models import AuditEvent as Event
from evalhub.accounts.models import Project, Role, User
from evalhub.studies import actions
from evalhub.studies.blinding import BlindItem
from evalhub.studies.models import Assignment, Rating, Study
from tests.conftest import member
from tests.studies.conftest import Maker, full, rate

pytestmark = pytest.mark.django_db(transaction=True)


def together(jobs: Sequence[Callable[[], Any]]) -> list[Any]:
    """Run the jobs in threads that start at one moment; their results, or the error of the first that failed."""
    results: list[Any] = [None] * len(jobs)
    gate = threading.Barrier(len(jobs))

    def work(place: int, job: Callable[[], Any]) -> None:
        try:
            gate.wait()
            results[place] = job()
        except Exception as error:
            results[place] = error
        finally:
            connection.close()

    threads = [threading.Thread(target=work, args=pair) for pair in enumerate(jobs)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    for result in results:
        if isinstance(result, Exception):
            raise result
    return results


@pytest.fixture
def crowd(project: Project) -> list[User]:
    return [member(project, f"rater-{n}", Role.EXPERT) for n in range(5)]


def rate_all(study: Study, user: User) -> int:
    done = 0
    while isinstance(item := actions.claim_next(Study.objects.get(pk=study.pk), user=user), BlindItem):
        rate(study, user, item)
        done += 1
    return done


def test_five_raters_at_once_fill_every_slot_once(make_study: Maker, admin: User, crowd: list[User]) -> None:
    study = actions.open_study(make_study(n_items=10, raters=crowd, overlap=3), by=admin)
    done = together([lambda user=user: rate_all(study, user) for user in crowd])
    assert sum(done) == 30
    per_item = Rating.objects.values("assignment__item").annotate(n=Count("assignment__rater", distinct=True))
    assert [row["n"] for row in per_item] == [3] * 10
    assert Assignment.objects.filter(state="submitted").count() == 30
    assert not Assignment.objects.exclude(state="submitted").exists()


def test_two_tabs_of_one_rater_get_one_item(make_study: Maker, admin: User, crowd: list[User]) -> None:
    study = actions.open_study(make_study(raters=crowd, overlap=2), by=admin)
    claim = lambda: actions.claim_next(Study.objects.get(pk=study.pk), user=crowd[0])  # noqa: E731
    items = together([claim, claim, claim])
    assert len({item.token for item in items}) == 1
    assert Assignment.objects.filter(state="leased").count() == 1


def test_a_double_click_on_submit_stores_one_rating(make_study: Maker, admin: User, crowd: list[User]) -> None:
    study = actions.open_study(make_study(raters=crowd, overlap=2), by=admin)
    item = actions.claim_next(study, user=crowd[0])
    assert isinstance(item, BlindItem)
    key = uuid.uuid4()
    submit = lambda: rate(Study.objects.get(pk=study.pk), crowd[0], item, key=key, scores=full(item))  # noqa: E731
    stored = together([submit, submit])
    assert stored[0] == stored[1]
    assert Rating.objects.count() == 1


def test_one_lapsed_lease_goes_to_one_rater_only(make_study: Maker, admin: User, crowd: list[User]) -> None:
    from tests.studies.test_rating import lapse

    study = actions.open_study(make_study(n_items=1, raters=crowd, overlap=1), by=admin)
    actions.claim_next(study, user=crowd[0])
    lapse(study)
    got = together([lambda u=u: actions.claim_next(Study.objects.get(pk=study.pk), user=u) for u in crowd[1:]])
    assert Counter(isinstance(item, BlindItem) for item in got) == {True: 1, False: 3}
    assert Assignment.objects.filter(state="leased").count() == 1


def test_two_opens_at_once_make_the_slots_once(make_study: Maker, admin: User, crowd: list[User]) -> None:
    from evalhub.errors import Refused

    study = make_study(raters=crowd, overlap=2)

    def open_it() -> bool:
        try:
            actions.open_study(Study.objects.get(pk=study.pk), by=admin)
        except Refused:
            return False
        return True

    assert sorted(together([open_it, open_it])) == [False, True]
    assert Assignment.objects.count() == 12


def test_nothing_comes_in_after_a_study_has_closed(
    make_study: Maker, admin: User, crowd: list[User], monkeypatch: pytest.MonkeyPatch
) -> None:
    """A submit that has passed the check is let through before the study closes; one that comes later is refused."""
    from evalhub.errors import Refused
    from evalhub.studies import rating

    study = actions.open_study(make_study(raters=crowd, overlap=2), by=admin)
    item = actions.claim_next(study, user=crowd[0])
    assert isinstance(item, BlindItem)
    checked, store = threading.Event(), rating._store
    closed: list[bool] = []

    def store_slowly(*args: Any, **kwargs: Any) -> Rating:
        checked.set()
        time.sleep(0.5)  # the moment between the check and the commit, long enough for a close to slip in
        closed.append(bool(Event.objects.filter(verb="close study").exists()))
        return store(*args, **kwargs)

    def close() -> None:
        checked.wait(10)
        actions.close_study(Study.objects.get(pk=study.pk), by=admin)

    monkeypatch.setattr(rating, "_store", store_slowly)
    together([lambda: rate(Study.objects.get(pk=study.pk), crowd[0], item), close])
    assert closed == [False]  # the close waited for the submit
    assert Study.objects.get(pk=study.pk).state == Study.State.CLOSED
    assert Rating.objects.count() == 1
    with pytest.raises(Refused, match="has closed"):
        rate(Study.objects.get(pk=study.pk), crowd[0], item, revises=1)
