"""What happens to a rater's work: taken, kept, submitted, edited, undone, skipped, flagged."""

import uuid
from collections import Counter
from datetime import timedelta

import pytest
from django.utils import timezone

from evalhub.accounts.models import Role, User
from evalhub.errors import Refused
from evalhub.studies import actions
from evalhub.studies.allocation import hand_back
from evalhub.studies.models import Assignment, Flag, Rating, RatingScore, Study
from evalhub.studies.rating import NotARater, Waiting, item_in_hand, item_of_history, progress_of
from tests.conftest import member
from tests.studies.conftest import Maker, full, rate, take


def lapse(study: Study) -> None:
    Assignment.objects.filter(state="leased").update(leased_until=timezone.now() - timedelta(seconds=1))


def token(item) -> uuid.UUID:
    return uuid.UUID(item.token)


def test_it_gives_the_same_item_back_with_its_draft_after_a_reload(study: Study, expert: User) -> None:
    item = take(study, expert)
    actions.save_draft(study, user=expert, token=token(item), draft={"scores": {"accuracy-A": 8}, "number": 1})
    again = take(study, expert)
    assert again.token == item.token
    assert [a.text for a in again.answers] == [a.text for a in item.answers]
    assert again.draft.scores == {"accuracy-A": 8}
    assert item_in_hand(study, user=expert) == again


def test_the_newer_draft_stays_whatever_the_order_of_arrival(study: Study, expert: User) -> None:
    item = take(study, expert)
    for number, score in ((2, 9), (1, 3)):
        kept = actions.save_draft(
            study, user=expert, token=token(item), draft={"scores": {"accuracy-A": score}, "number": number}
        )
    assert kept.scores == {"accuracy-A": 9}


def test_a_draft_keeps_only_what_makes_sense(study: Study, expert: User) -> None:
    item = take(study, expert)
    nonsense = {
        "scores": {"accuracy-A": 11, "charm-A": 3, "accuracy-Z": 3, "style-B": "9", "style-A": True, "quality-B": 4},
        "preference": "Z", "comment": "x" * 30_000, "number": 1, "seconds": float("inf"),
    }  # fmt: skip
    kept = actions.save_draft(study, user=expert, token=token(item), draft=nonsense)
    assert kept.scores == {"quality-B": 4}
    assert (kept.preference, len(kept.comment), kept.seconds) == ("", 20_000, 0)


def test_what_no_database_can_hold_is_replaced_in_what_a_rater_wrote(study: Study, expert: User) -> None:
    item = take(study, expert)
    odd = {"comment": "a\0b \ud800", "corrections": {"A": "\udfff"}}
    kept = actions.save_draft(study, user=expert, token=token(item), draft=odd | {"number": 1})
    assert (kept.comment, kept.corrections) == ("a␀b ?", {"A": "?"})
    assert rate(study, expert, item, **odd).comment == "a␀b ?"


def test_it_stores_a_submit_once_and_echoes_what_it_stored(study: Study, expert: User) -> None:
    item, key = take(study, expert), uuid.uuid4()
    scores = full(item) | {"accuracy-B": 10}
    first = rate(study, expert, item, key=key, scores=scores, comment=" fine ", seconds=41.5)
    second = rate(study, expert, item, key=key, scores=full(item, 1))
    assert first == second
    assert (dict(first.scores), first.comment, first.revision) == (scores, "fine", 1)
    assert Rating.objects.count() == 1
    assert RatingScore.objects.count() == 8
    stored = Rating.objects.get()
    assert stored.active_seconds == 41.5
    order = stored.assignment.order
    assert stored.scores.get(arm_id=order[1], criterion__key="accuracy").value == 10
    assert {s.position for s in stored.scores.filter(arm_id=order[1])} == {2}


@pytest.mark.parametrize(
    ("change", "sentence"),
    [
        ({"style-B": None}, "Style B must be a whole number from 1 to 10"),
        ({"style-B": 11}, "Style B must be"),
        ({"style-B": 7.5}, "Style B must be"),
        ({"style-B": True}, "Style B must be"),
        ({"charm-B": 5}, "“charm-B” is not a score"),
    ],
)
def test_it_refuses_a_score_off_the_scale(study: Study, expert: User, change: dict, sentence: str) -> None:
    item = take(study, expert)
    with pytest.raises(Refused, match=sentence):
        rate(study, expert, item, scores=full(item) | change)
    assert not Rating.objects.exists()


def test_it_names_the_missing_scores(study: Study, expert: User) -> None:
    item = take(study, expert)
    scores = {k: v for k, v in full(item).items() if k not in ("quality-B", "style-A", "style-B")}
    with pytest.raises(Refused, match="3 scores are missing: Quality B, Style A and Style B"):
        rate(study, expert, item, scores=scores)


def test_it_asks_for_the_preference_where_the_study_does(make_study: Maker, admin: User, expert: User) -> None:
    study = actions.open_study(make_study(ask_preference=True), by=admin)
    item = take(study, expert)
    with pytest.raises(Refused, match="Choose which answer"):
        rate(study, expert, item)
    assert rate(study, expert, item, preference="B").preference == "B"
    stored = Rating.objects.get()
    assert stored.preference == str(stored.assignment.order[1])


def test_an_edit_is_appended_and_the_blind_value_kept(study: Study, expert: User) -> None:
    item = take(study, expert)
    rate(study, expert, item, value=4)
    shown = item_of_history(study, user=expert, token=token(item))
    assert shown is not None
    assert (shown.revision, shown.draft.scores) == (1, full(item, 4))
    edited = rate(study, expert, shown, value=6, revises=1)
    assert edited.revision == 2
    assert list(Rating.objects.order_by("number").values_list("number", "is_current")) == [(1, False), (2, True)]
    assert set(RatingScore.objects.filter(rating__number=1).values_list("value", flat=True)) == {4.0}


def test_a_second_tab_cannot_overwrite_what_the_first_submitted(study: Study, expert: User) -> None:
    item = take(study, expert)
    rate(study, expert, item, value=4)
    with pytest.raises(Refused, match="already submitted in another window"):
        rate(study, expert, item, value=9)
    assert Rating.objects.count() == 1


def test_undo_within_ten_seconds_makes_the_values_a_draft_again(study: Study, expert: User) -> None:
    item = take(study, expert)
    rate(study, expert, item, value=4, comment="hasty")
    following = take(study, expert)
    actions.save_draft(study, user=expert, token=token(following), draft={"comment": "begun", "number": 5})
    back = actions.undo(study, user=expert, token=token(item))
    assert (back.token, back.draft.scores, back.draft.comment) == (item.token, full(item, 4), "hasty")
    assert not Rating.objects.exists()
    rate(study, expert, back, value=5)
    assert take(study, expert).token == following.token
    assert take(study, expert).draft.comment == "begun"


def test_undo_comes_too_late_after_that(study: Study, expert: User) -> None:
    item = take(study, expert)
    rate(study, expert, item)
    Rating.objects.update(submitted_at=timezone.now() - timedelta(seconds=30))
    with pytest.raises(Refused, match="undone for 10 seconds"):
        actions.undo(study, user=expert, token=token(item))
    assert Rating.objects.count() == 1


def test_undo_of_an_edit_brings_the_revision_before_back(study: Study, expert: User) -> None:
    item = take(study, expert)
    rate(study, expert, item, value=4)
    rate(study, expert, item, value=6, revises=1)
    back = actions.undo(study, user=expert, token=token(item))
    assert (back.revision, back.draft.scores) == (1, full(item, 4))
    assert Rating.objects.get().is_current


def test_a_lapsed_lease_that_nobody_took_is_still_accepted(study: Study, expert: User) -> None:
    item = take(study, expert)
    lapse(study)
    assert rate(study, expert, item).revision == 1


def test_a_lapsed_lease_goes_to_another_and_the_draft_is_kept(
    make_study: Maker, admin: User, expert: User, second_expert: User
) -> None:
    study = actions.open_study(make_study(n_items=1, overlap=1), by=admin)
    item = take(study, expert)
    actions.save_draft(study, user=expert, token=token(item), draft={"comment": "half done", "number": 1})
    lapse(study)
    theirs = take(study, second_expert)
    assert theirs.draft.comment == ""
    with pytest.raises(Refused, match="another rater has it now; your scores are kept as a draft"):
        rate(study, expert, item)
    late = actions.save_draft(study, user=expert, token=token(item), draft={"comment": "more", "number": 2})
    assert late.comment == "more"
    actions.skip(study, user=second_expert, token=token(theirs), reason="cannot-tell")
    back = take(study, expert)
    assert (back.token, back.draft.comment) == (item.token, "more")
    assert rate(study, expert, back).revision == 1


def test_a_handed_on_item_is_accepted_when_its_slot_is_free_again(
    make_study: Maker, admin: User, expert: User, second_expert: User
) -> None:
    study = actions.open_study(make_study(n_items=1, overlap=1), by=admin)
    item = take(study, expert)
    lapse(study)
    theirs = take(study, second_expert)
    hand_back(Assignment.objects.get(token=theirs.token), state=Assignment.State.LAPSED)
    assert rate(study, expert, item).revision == 1
    assert Assignment.objects.filter(state__in=Assignment.LIVE).count() == 1


def test_a_skip_frees_the_slot_for_another_and_never_comes_back(
    make_study: Maker, admin: User, expert: User, second_expert: User
) -> None:
    study = actions.open_study(make_study(n_items=1, overlap=1), by=admin)
    item = take(study, expert)
    with pytest.raises(Refused, match="few words"):
        actions.skip(study, user=expert, token=token(item), reason="other", text=" ")
    with pytest.raises(Refused, match="Choose a reason"):
        actions.skip(study, user=expert, token=token(item), reason="bored")
    for _ in range(2):
        actions.skip(study, user=expert, token=token(item), reason="not-my-domain")
    assert Assignment.objects.get(token=item.token).skip_reason == "not-my-domain"
    nothing = actions.claim_next(study, user=expert)
    assert isinstance(nothing, Waiting)
    assert nothing.reason == "done"
    rate(study, second_expert, take(study, second_expert))
    assert Assignment.objects.filter(state__in=Assignment.LIVE).count() == 1


def test_a_skip_keeps_the_total_and_is_counted(make_study: Maker, admin: User, expert: User) -> None:
    study = actions.open_study(make_study(n_items=4), by=admin)
    rate(study, expert, take(study, expert))
    assert (take(study, expert).number, take(study, expert).progress.total) == (2, 4)
    actions.skip(study, user=expert, token=token(take(study, expert)), reason="cannot-tell")
    following = take(study, expert)
    assert (following.number, following.progress.total, following.progress.skipped) == (3, 4, 1)
    for _ in range(2):
        rate(study, expert, take(study, expert))
    assert actions.claim_next(study, user=expert).sentence.endswith(
        "everything that this study has for you: 3 items; 1 skipped."
    )


def test_one_item_is_one_item_in_words(make_study: Maker, admin: User, expert: User) -> None:
    study = actions.open_study(make_study(n_items=1), by=admin)
    rate(study, expert, take(study, expert))
    assert actions.claim_next(study, user=expert).sentence.endswith("for you: 1 item.")


def test_a_flag_is_stored_once(study: Study, expert: User) -> None:
    item = take(study, expert)
    for _ in range(2):
        actions.flag(study, user=expert, token=token(item), text="The input is cut off.")
    assert Flag.objects.get().text == "The input is cut off."
    with pytest.raises(Refused):
        actions.flag(study, user=expert, token=token(item), text="  ")


def test_it_tells_done_from_reserved_paused_and_closed(
    make_study: Maker, admin: User, expert: User, second_expert: User
) -> None:
    study = actions.open_study(make_study(n_items=1, overlap=1), by=admin)
    item = take(study, expert)
    reserved = actions.claim_next(study, user=second_expert)
    assert isinstance(reserved, Waiting)
    assert reserved.sentence == "1 item is with other raters, back in about 20 minutes."
    actions.pause_study(study, by=admin)
    assert actions.claim_next(study, user=expert).reason == "paused"
    rate(study, expert, item)
    actions.resume_study(study, by=admin)
    assert actions.claim_next(study, user=second_expert).reason == "done"
    actions.close_study(study, by=admin)
    assert actions.claim_next(study, user=expert).reason == "closed"


def test_a_submit_after_closing_is_refused_and_the_draft_stays(study: Study, admin: User, expert: User) -> None:
    item = take(study, expert)
    actions.save_draft(study, user=expert, token=token(item), draft={"comment": "nearly", "number": 1})
    actions.close_study(study, by=admin)
    with pytest.raises(Refused, match="has closed"):
        rate(study, expert, item)
    assert Assignment.objects.get(token=item.token).draft["comment"] == "nearly"


def test_after_closing_nothing_is_skipped_or_flagged(study: Study, admin: User, expert: User) -> None:
    """A skip would change the progress of a final report, and leave a free slot that nobody may take."""
    item = take(study, expert)
    before = list(Assignment.objects.order_by("pk").values_list("pk", "state"))
    closed = progress_of(study.raters.get(user=expert))
    actions.close_study(Study.objects.get(pk=study.pk), by=admin)
    with pytest.raises(Refused, match="has closed, so nothing is passed on"):
        actions.skip(study, user=expert, token=token(item), reason="cannot-tell")
    with pytest.raises(Refused, match="has closed, so the flag was not stored"):
        actions.flag(study, user=expert, token=token(item), text="odd")
    assert list(Assignment.objects.order_by("pk").values_list("pk", "state")) == before
    assert progress_of(study.raters.get(user=expert)) == closed
    assert not Flag.objects.exists()


def test_nobody_but_a_rater_of_the_study_gets_an_item(
    make_study: Maker, admin: User, expert: User, second_expert: User, pm: User, outsider: User
) -> None:
    study = actions.open_study(make_study(raters=[expert], overlap=1), by=admin)
    for person in (admin, second_expert, pm, outsider):
        with pytest.raises(NotARater):
            actions.claim_next(study, user=person)


def test_a_rater_cannot_touch_the_item_of_another(study: Study, expert: User, second_expert: User) -> None:
    item = take(study, expert)
    with pytest.raises(Refused, match="not in your hands"):
        rate(study, second_expert, item)
    with pytest.raises(Refused, match="not in your hands"):
        actions.save_draft(study, user=second_expert, token=token(item), draft={"comment": "mine", "number": 9})
    assert item_of_history(study, user=second_expert, token=token(item)) is None


@pytest.mark.parametrize("n_arms", [2, 3, 4])
def test_each_arm_stands_equally_often_in_each_place_for_each_rater(
    make_study: Maker, admin: User, expert: User, second_expert: User, n_arms: int
) -> None:
    study = actions.open_study(make_study(n_arms=n_arms, n_items=10), by=admin)
    for _ in range(10):
        for person in (expert, second_expert):
            rate(study, person, take(study, person))
            for rater in study.raters.all():
                seen = Counter(
                    seat for order in rater.assignments.values_list("order", flat=True) for seat in enumerate(order)
                )
                counts = [seen[place, arm.pk] for place in range(n_arms) for arm in study.arms.all()]
                assert max(counts) - min(counts) <= 1
    overall = Counter(RatingScore.objects.filter(criterion__key="style").values_list("arm", "position"))
    assert max(overall.values()) - min(overall.values()) <= 1


def test_two_raters_of_one_item_see_opposite_orders_where_they_can(
    study: Study, expert: User, second_expert: User
) -> None:
    for _ in range(6):
        items = [take(study, person) for person in (expert, second_expert)]
        assert [a.text for a in items[0].answers] == [a.text for a in items[1].answers][::-1]
        for person, item in zip((expert, second_expert), items, strict=True):
            rate(study, person, item)


def test_a_study_that_stops_early_leaves_whole_items(
    make_study: Maker, admin: User, project, expert: User, second_expert: User
) -> None:
    people = [expert, second_expert, member(project, "zoe", Role.EXPERT), member(project, "ari", Role.EXPERT)]
    study = actions.open_study(make_study(n_items=12, raters=people, overlap=2), by=admin)
    for turn in range(12):
        person = people[turn % 4]
        rate(study, person, take(study, person))
    per_item = Counter(Rating.objects.values_list("assignment__item__position", flat=True))
    assert per_item == dict.fromkeys(range(1, 7), 2)


def test_showing_an_item_takes_a_constant_number_of_queries(
    make_study: Maker, admin: User, expert: User, django_assert_max_num_queries
) -> None:
    for n_items, name in ((3, "small"), (12, "large")):
        study = actions.open_study(make_study(n_items=n_items, n_arms=4, name=name), by=admin)
        with django_assert_max_num_queries(24):
            take(study, expert)
