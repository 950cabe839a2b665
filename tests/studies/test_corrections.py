"""What raters wrote instead of an answer goes back to curation, once, with where it comes from."""

import pytest

from evalhub.accounts.models import User
from evalhub.datasets.models import Example
from evalhub.errors import Refused
from evalhub.studies import actions
from evalhub.studies.models import Correction, Study
from tests.conftest import logged_in
from tests.studies.conftest import rate, take
from tests.studies.test_pages import at


def test_a_corrected_answer_becomes_a_proposed_example_once_the_arms_are_revealed(
    study: Study, admin: User, expert: User, second_expert: User
) -> None:
    item = take(study, expert)
    untouched = item.answers[1].text
    rate(study, expert, item, value=3, corrections={"A": " A better headline ", "B": untouched})
    assert Correction.objects.get().text == "A better headline"  # an unchanged text is no correction
    actions.close_study(study, by=admin)
    with pytest.raises(Refused, match="once the arms are revealed"):
        actions.propose_corrections(study, by=admin)
    page = logged_in(admin).get(at("detail", study)).content.decode()
    assert "the arms must be revealed first" in page
    actions.reveal(study, by=admin)
    assert "Propose it" in logged_in(admin).get(at("detail", study)).content.decode()
    study.refresh_from_db()
    example = actions.propose_corrections(study, by=admin)[0]
    correction = Correction.objects.get()
    arm = correction.item_answer.arm
    assert (example.state, example.output) == (Example.State.PROPOSED, "A better headline")
    assert example.instruction == item.instruction
    assert example.dataset == correction.item_answer.item.entry.version.dataset
    assert (example.origin["study"], example.origin["arm"], example.origin["score"]) == (study.slug, arm.name, 3.0)
    assert "noor" not in str(example.origin)
    assert actions.propose_corrections(study, by=admin) == []
    assert correction.proposed_at


def test_a_correction_that_an_edit_took_back_is_not_proposed(study: Study, admin: User, expert: User) -> None:
    item = take(study, expert)
    rate(study, expert, item, corrections={"A": "Hasty"})
    rate(study, expert, item, revises=1)
    actions.close_study(study, by=admin)
    actions.reveal(study, by=admin)
    assert actions.propose_corrections(study, by=admin) == []
