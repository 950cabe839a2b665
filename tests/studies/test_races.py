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
from evalhub.errors import Refused
from evalhub.studies import actions
from evalhub.studies.allocation import hand_back
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


def test_nothing_is_taken_back_after_a_study_has_closed(
    make_study: Maker, admin: User, crowd: list[User], monkeypatch: pytest.MonkeyPatch
) -> None:
    """An undo that has passed the check is let through before the study closes; one that comes later is refused."""
    from evalhub.studies import rating

    study = actions.open_study(make_study(raters=crowd, overlap=2), by=admin)
    items = [actions.claim_next(study, user=user) for user in crowd[:2]]
    for user, item in zip(crowd, items, strict=False):
        rate(study, user, item)
    checked, read = threading.Event(), rating.draft_of
    closed: list[bool] = []

    def read_slowly(*args: Any) -> Any:
        checked.set()
        time.sleep(0.5)  # between the check and the commit
        closed.append(Event.objects.filter(verb="close study").exists())
        return read(*args)

    def undo(place: int) -> None:
        actions.undo(Study.objects.get(pk=study.pk), user=crowd[place], token=uuid.UUID(items[place].token))

    def close() -> None:
        checked.wait(10)
        actions.close_study(Study.objects.get(pk=study.pk), by=admin)

    monkeypatch.setattr(rating, "draft_of", read_slowly)
    together([lambda: undo(0), close])
    assert closed == [False]  # the close waited for the undo
    with pytest.raises(Refused, match="not open any more"):
        undo(1)
    assert Rating.objects.get().assignment.rater.user == crowd[1]


def test_two_tabs_take_one_item_back_and_no_slot_goes_missing(
    make_study: Maker, admin: User, crowd: list[User]
) -> None:
    study = actions.open_study(make_study(n_items=1, raters=crowd, overlap=3), by=admin)
    claim = lambda: actions.claim_next(Study.objects.get(pk=study.pk), user=crowd[0])  # noqa: E731
    for _ in range(10):
        item = claim()
        hand_back(Assignment.objects.get(token=item.token), state=Assignment.State.LAPSED)
        assert {back.token for back in together([claim, claim, claim])} == {item.token}
        assert Assignment.objects.filter(state__in=Assignment.LIVE).count() == 3


ROUNDS = 12


def test_two_windows_that_do_everything_at_once_to_one_item_leave_it_whole(
    make_study: Maker, admin: User, crowd: list[User]
) -> None:
    """Drafts, heartbeats, submits, undos and claims of one rater, while another works on; nobody waits in a circle."""
    study = actions.open_study(make_study(n_items=8, raters=crowd, overlap=2), by=admin)
    mine = actions.claim_next(study, user=crowd[0])
    assert isinstance(mine, BlindItem)
    token = uuid.UUID(mine.token)
    own: dict[str, Any] = {"user": crowd[0], "token": token}
    done: list[str] = []
    submitted = threading.Event()

    def often(name: str, act: Callable[[Study, int], Any]) -> Callable[[], None]:
        def work() -> None:
            for turn in range(ROUNDS):
                try:
                    act(Study.objects.get(pk=study.pk), turn)
                    done.append(name)
                except Refused:  # a sentence for a person; anything else is a fault
                    continue

        return work

    def draft(study: Study, turn: int) -> None:
        values = {"scores": {"accuracy-A": 1 + turn % 10}, "number": time.time_ns() // 1000}
        actions.save_draft(study, draft=values, **own)

    def submit(study: Study, turn: int) -> None:
        rate(study, crowd[0], mine)
        submitted.set()

    def undo(study: Study, turn: int) -> None:
        submitted.wait(10)
        actions.undo(study, **own)

    def go_on(study: Study, turn: int) -> None:
        item = actions.claim_next(study, user=crowd[1])
        if isinstance(item, BlindItem):
            rate(study, crowd[1], item)

    together([
        often("draft", draft), often("draft", draft),
        often("pulse", lambda study, _: actions.extend_lease(study, **own)),
        often("submit", submit), often("submit", submit), often("undo", undo), often("undo", undo),
        often("claim", lambda study, _: actions.claim_next(study, user=crowd[0])),
        often("other", go_on),
    ])  # fmt: skip
    assert done.count("draft") == 2 * ROUNDS
    assert done.count("submit") >= done.count("undo") >= 1
    assert whole(study)


def whole(study: Study) -> bool:
    """Each item has its slots, and a submitted row, and no other, has one current rating, the first of its line."""
    rows = Assignment.objects.filter(item__study=study)
    live = rows.filter(state__in=Assignment.LIVE).values("item").annotate(n=Count("pk"))
    assert [row["n"] for row in live] == [study.overlap] * study.items.count()
    assert not Rating.objects.exclude(assignment__state="submitted").exists()
    current = Rating.objects.filter(is_current=True).values_list("assignment", flat=True)
    assert sorted(current) == sorted(rows.filter(state="submitted").values_list("pk", flat=True))
    return not Rating.objects.filter(number__gt=1).exists()
