"""How a study comes to be, opens, and ends."""

import pytest

from evalhub.accounts.models import AuditEvent, Project, User
from evalhub.datasets.models import Example, Version, VersionExample
from evalhub.errors import Refused
from evalhub.studies import actions
from evalhub.studies.design import ArmDesign, CriterionDesign, default_criteria
from evalhub.studies.identity import identity_warnings
from evalhub.studies.models import Assignment, Study
from evalhub.studies.sampling import interleaved
from tests.studies.conftest import Maker
from tests.studies.ground import arms_of, finished_run


def test_it_copies_what_all_arms_answered_and_names_what_one_lacks(
    project: Project, admin: User, expert: User, version: Version
) -> None:
    whole, gappy = finished_run(version, admin, model="Whole"), finished_run(version, admin, model="Gappy", skip=[1, 4])
    arms = [ArmDesign("Whole", whole), ArmDesign("Gappy", gappy, baseline=True)]
    study = actions.create_study(project, name="Gaps", by=admin, arms=arms, raters=[expert])
    assert study.items.count() == 4
    assert study.facts["left_out"] == {"Gappy": ["page-1", "page-4"]}
    assert list(study.arms.values_list("name", "is_baseline")) == [("Gappy", True), ("Whole", False)]
    assert {a.text for a in study.items.get(key="page-0").answers.all()} == {
        answer.text for run in (whole, gappy) for answer in run.answers.filter(entry__position=0)
    }


def test_it_keeps_its_texts_when_an_answer_changes_later(make_study: Maker) -> None:
    study = make_study()
    kept = study.items.get(key="page-0").answers.first()
    kept.answer.text = "something else"
    kept.answer.save()
    kept.refresh_from_db()
    assert kept.text.startswith("Text 0")


def test_it_samples_in_proportion_to_the_categories_and_the_same_again(make_study: Maker) -> None:
    first = make_study(n_items=30, items=9, name="one")
    again = make_study(n_items=30, items=9, name="two")
    categories = list(first.items.values_list("category", flat=True))
    assert sorted(categories.count(c) for c in set(categories)) == [3, 3, 3]
    assert list(first.items.values_list("key", flat=True)) == list(again.items.values_list("key", flat=True))


def test_every_beginning_of_the_order_holds_each_category_in_proportion() -> None:
    things = list(range(100))
    strata = ["a" if n < 60 else "b" if n < 90 else "c" for n in things]
    order = interleaved(things, strata, seed=3)
    assert sorted(order) == things
    for length in range(1, 101):
        for name, share in (("a", 0.6), ("b", 0.3), ("c", 0.1)):
            assert abs(sum(strata[t] == name for t in order[:length]) - share * length) <= 2


@pytest.mark.parametrize(
    ("design", "sentence"),
    [
        ({"overlap": 0}, "At least one rating"),
        ({"margin": -1}, "margin cannot be negative"),
        ({"primary_criterion": "charm"}, "“charm” is not a criterion"),
        ({"items": 7}, "7 items were asked for, but 6"),
        ({"criteria": []}, "at least one criterion"),
        ({"criteria": [CriterionDesign("overall", "Overall", "?")]}, "key of its own"),
        ({"scale": (5, 5)}, "highest point must lie above"),
        ({"name": "  "}, "needs a name"),
        ({"name": "a\0b"}, "character that cannot be stored"),
        ({"guidelines": "half a pair: \ud800"}, "guidelines holds a character"),
        ({"criteria": [CriterionDesign("charm", "c" * 81, "?")]}, "has 81 characters, and at most 80"),
        ({"criteria": [CriterionDesign("charm", "Charm", "q" * 256)]}, "question .* has 256 characters"),
        ({"criteria": [CriterionDesign("c" * 41, "Charm", "?")]}, "key .* has 41 characters"),
        ({"criteria": [CriterionDesign("charm", "Charm", "?", {1: "\ud800"})]}, "anchor .* holds a character"),
        ({"criteria": [CriterionDesign("charm", "Charm", "?", weight=float("nan"))]}, "must be a number above 0"),
        ({"overlap": 51}, "At most 50 ratings"),
        ({"margin": float("nan")}, "must be a number"),
        ({"scale": (1, 10**12)}, "points lie within"),
    ],
)
def test_it_refuses_a_design_that_cannot_work(make_study: Maker, design: dict, sentence: str) -> None:
    with pytest.raises(Refused, match=sentence):
        make_study(**design)
    assert not Study.objects.exists()


@pytest.mark.parametrize(("name", "reason"), [("x" * 121, "has 121 characters"), ("a\0b", "cannot be stored")])
def test_it_refuses_the_name_of_an_arm_that_cannot_be_kept(
    project: Project, admin: User, version: Version, name: str, reason: str
) -> None:
    with pytest.raises(Refused, match=reason):
        actions.create_study(
            project, name="Arms", by=admin, arms=[ArmDesign(name, finished_run(version, admin, model="One"))]
        )


def test_it_refuses_a_category_that_cannot_be_kept(project: Project, admin: User, version: Version) -> None:
    entry = version.entries.get(position=2)
    example = Example.objects.create(dataset=version.dataset, instruction="Ask", output="Answer", fingerprint="f" * 64)
    values = entry.values | {"key": "page-6", "category": "c" * 121}
    VersionExample.objects.create(
        version=version, example=example, split="test", position=6, revision_number=1, values=values
    )
    with pytest.raises(Refused, match="category of the item page-6 has 121 characters"):
        actions.create_study(project, name="Long", by=admin, arms=arms_of(version, admin, "One"))
    assert not Study.objects.exists()


def test_it_refuses_arms_over_different_versions(project: Project, admin: User, version: Version) -> None:
    from tests.studies.ground import frozen_version

    arms = arms_of(version, admin, "One") + arms_of(frozen_version(project, admin, name="Other"), admin, "Two")
    with pytest.raises(Refused, match="different versions"):
        actions.create_study(project, name="Apart", by=admin, arms=arms)


def test_it_refuses_a_rater_who_is_no_expert_of_the_project(make_study: Maker, pm: User, outsider: User) -> None:
    for person in (pm, outsider):
        with pytest.raises(Refused, match="not an expert"):
            make_study(raters=[person])


def test_it_refuses_to_open_without_enough_raters_or_arms(make_study: Maker, admin: User, expert: User) -> None:
    with pytest.raises(Refused, match="no raters"):
        actions.open_study(make_study(raters=[], name="nobody"), by=admin)
    with pytest.raises(Refused, match="1 rater"):
        actions.open_study(make_study(raters=[expert], name="alone"), by=admin)
    with pytest.raises(Refused, match="two arms"):
        actions.open_study(make_study(n_arms=1, name="single"), by=admin)
    assert not Assignment.objects.exists()


def test_it_makes_each_slot_once_however_often_open_is_clicked(make_study: Maker, admin: User) -> None:
    study = actions.open_study(make_study(), by=admin)
    assert Assignment.objects.count() == 12
    stale = Study.objects.get(pk=study.pk)
    stale.state = Study.State.DRAFT  # a second tab still shows the draft
    for late in (study, stale):
        with pytest.raises(Refused):
            actions.open_study(late, by=admin)
    assert Assignment.objects.count() == 12


def test_it_scans_for_names_and_opens_only_when_they_are_accepted(
    project: Project, admin: User, expert: User, second_expert: User, version: Version
) -> None:
    giveaway = {2: "As a Wombat model, I would say: libraries stay open.", 3: "As an AI language model I cannot."}
    arms = [
        ArmDesign("Base", finished_run(version, admin, model="Wombat-7B-chat", texts=giveaway)),
        ArmDesign("Tuned", finished_run(version, admin, model="Tuned model")),
    ]
    study = actions.create_study(project, name="Names", by=admin, arms=arms, raters=[expert, second_expert])
    found = {(w.where, w.arm, w.found) for w in identity_warnings(study)}
    assert found == {("page-2", "Base", "Wombat"), ("page-3", "Base", "As an AI language model")}
    with pytest.raises(Refused, match="2 texts give away"):
        actions.open_study(study, by=admin)
    assert actions.open_study(study, by=admin, accept_warnings=True).state == Study.State.OPEN
    assert AuditEvent.objects.get(verb="open study").details["warnings_accepted"] == 2


def test_it_pauses_resumes_closes_and_reveals_in_that_order(study: Study, admin: User) -> None:
    with pytest.raises(Refused, match="only after the study has closed"):
        actions.reveal(study, by=admin)
    with pytest.raises(Refused, match="open, not paused"):
        actions.resume_study(study, by=admin)
    actions.pause_study(study, by=admin)
    actions.resume_study(study, by=admin)
    actions.close_study(study, by=admin)
    revealed = actions.reveal(study, by=admin).revealed_at
    assert actions.reveal(study, by=admin).revealed_at == revealed
    verbs = list(AuditEvent.objects.order_by("id").values_list("verb", flat=True))
    assert verbs == ["create study", "open study", "pause study", "resume study", "close study", "reveal study"]


def test_it_takes_a_rater_late_but_not_twice(study: Study, admin: User, expert: User, project: Project) -> None:
    from evalhub.accounts.models import Role
    from tests.conftest import member

    late = member(project, "zoe", Role.EXPERT)
    assert actions.add_rater(study, user=late, by=admin).pseudonym == "Rater 3"
    with pytest.raises(Refused, match="already a rater"):
        actions.add_rater(study, user=expert, by=admin)


def test_it_discards_a_draft_and_never_an_opened_study(make_study: Maker, admin: User) -> None:
    actions.discard_study(make_study(), by=admin)
    assert not Study.objects.exists()
    opened = actions.open_study(make_study(), by=admin)
    with pytest.raises(Refused, match="Only a draft"):
        actions.discard_study(opened, by=admin)


def test_the_default_criteria_carry_anchors_on_any_scale() -> None:
    assert [c.key for c in default_criteria()] == ["accuracy", "relevance", "quality", "style"]
    assert list(default_criteria((1, 5))[0].anchors) == [1, 2, 4, 5]
    assert list(default_criteria((0, 100))[0].anchors) == [0, 33, 67, 100]
