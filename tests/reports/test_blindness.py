"""Who may not tell the arms apart yet cannot: nothing they can fetch changes when the arms swap their identities.

An identity is a name, the mark of the baseline, the run behind it and the metrics of its answers. Texts, raters'
scores and places stay where they are.
"""

import re

import pytest
from django.urls import reverse
from django.utils import timezone
from django.utils.html import strip_tags

from evalhub.accounts.models import AuditEvent, User
from evalhub.datasets.models import Example
from evalhub.errors import Refused
from evalhub.reports.charts import CHARTS
from evalhub.studies import actions
from evalhub.studies.models import Arm, Assignment, Correction, ItemAnswer, Rater, Rating, Study
from tests.conftest import logged_in
from tests.reports.ground import rated_study
from tests.studies.conftest import rate, take

NAMES = ("Base", "Tuned", "Editors")
PASSING = re.compile(r"[0-9A-Za-z]{64}|[0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12}")  # form tokens and keys
Doors = dict[str, tuple[int, str]]


@pytest.fixture
def closed(project, admin) -> Study:
    return telling(rated_study(project, admin, names=NAMES, items=10, revealed=False, preference=True))


def telling(study: Study) -> Study:
    """The study with words in which its lead names the arms, as leads do."""
    study.description, study.credit = "Does Tuned beat Base?", "Texts of the Editors"
    study.save()
    return study


def reading_doors(study: Study) -> list[str]:
    """Every address where something of a study can be read that is not made for raters."""
    own = [study.project.slug, study.slug]
    named = [reverse(f"reports:{name}", args=own[:1]) for name in ("home", "list")] + [
        reverse("studies:list", args=own[:1]), reverse("studies:detail", args=own),
        *(reverse(f"reports:{name}", args=own) for name in ("report", "numbers", "items")),
        *(reverse("reports:chart", args=[*own, name]) for name in CHARTS),
        reverse("reports:figure", args=[*own, "differences", "svg"]),
        reverse("reports:item", args=[*own, study.items.first().pk]),
        *(reverse("studies:ratings", args=[*own, form]) for form in ("csv", "jsonl")),
    ]  # fmt: skip
    orders = [reverse("reports:items", args=own) + f"?order={order}" for order in ("lead", "behind")]
    api = f"/api/v1/projects/{own[0]}/studies/"
    return [*named, *orders, api, *(f"{api}{own[1]}/{rest}" for rest in ("", "report/", "ratings.csv"))]


def rating_doors(study: Study, token: str) -> list[str]:
    own = [study.project.slug, study.slug]
    pages = [reverse(f"studies:{name}", args=own) for name in ("rate", "guidelines")]
    return [reverse("studies:desk", args=own[:1]), *pages, *(
        reverse(f"studies:{name}", args=[*own, token]) for name in ("rated", "skip", "flag")
    )]  # fmt: skip


def fetched(user: User, doors: list[str]) -> Doors:
    """Address → status and body, without what is new in every answer."""
    client, found = logged_in(user), {}
    for door in doors:
        response = client.get(door)
        found[door] = (response.status_code, PASSING.sub("…", b"".join(response).decode()))
    return found


def swap_identities(study: Study) -> None:
    """Each arm gets the name, the run with its metrics, and the mark of its neighbour; the lead's words tell of it."""
    arms = list(study.arms.order_by("position"))
    told = [(arm.name, arm.generation, arm.is_baseline) for arm in arms]
    for arm in arms:
        Arm.objects.filter(pk=arm.pk).update(name=f"passing {arm.pk}", is_baseline=False)
    for arm, (name, generation, is_baseline) in zip(arms, told[1:] + told[:1], strict=True):
        Arm.objects.filter(pk=arm.pk).update(name=name, generation=generation, is_baseline=is_baseline)
    for item in study.items.all():
        answers = list(ItemAnswer.objects.filter(item=item).order_by("arm__position"))
        runs = [answer.answer for answer in answers]
        for answer, other in zip(answers, runs[1:] + runs[:1], strict=True):
            ItemAnswer.objects.filter(pk=answer.pk).update(answer=other)
    Study.objects.filter(pk=study.pk).update(description="Does Base beat Editors?", credit="Texts of Tuned")


def changed(before: Doors, after: Doors) -> list[str]:
    return [door for door in before if before[door] != after[door]]


def test_a_pm_reads_a_closed_study_blind_until_it_is_revealed(closed, admin, pm):
    doors = reading_doors(closed)
    before = fetched(pm, doors)
    assert {status for status, _ in before.values()} == {200}
    for door, (_, body) in before.items():
        assert not [name for name in NAMES if name in body], door
    swap_identities(closed)
    assert changed(before, fetched(pm, doors)) == []
    actions.reveal(closed, by=admin)
    told = fetched(pm, doors)
    assert changed(before, told)
    assert "Editors" in told[doors[4]][1]
    assert "BERTScore" in told[doors[4]][1]
    assert "Does Base beat Editors?" in told[doors[4]][1]


def test_a_pm_learns_nothing_of_the_arms_of_an_open_study(project, admin, pm):
    study = telling(rated_study(project, admin, names=NAMES, items=6, rated=3, state="open"))
    doors = reading_doors(study)
    before = fetched(pm, doors)
    assert not [name for name in NAMES for _, body in before.values() if name in body]
    swap_identities(study)
    assert changed(before, fetched(pm, doors)) == []


def test_the_blind_reading_of_a_two_armed_study_gives_no_baseline_and_no_verdict(project, admin, pm):
    """With two arms the mark of the baseline would tell everything."""
    study = rated_study(project, admin, names=NAMES[:2], qualities=(5.0, 7.0), items=10, revealed=False)
    doors = reading_doors(study)
    page = fetched(pm, doors)[doors[4]][1]
    assert "comes with the reveal" in page
    assert "superior" not in page.replace("P(superior)", "")
    assert "baseline</span>" not in page
    api = logged_in(pm).get(reverse("api-reports:report", args=[study.project.slug, study.slug])).json()
    assert {arm["is_baseline"] for arm in api["arms"]} == {None}
    assert not any(d["in_family"] or d["verdict"] for d in api["differences"])
    assert "superior" in fetched(admin, doors)[doors[4]][1].replace("P(superior)", "")


def test_home_shows_a_pm_the_latest_result_that_may_be_told(closed, project, admin, pm):
    home = reverse("reports:home", args=[project.slug])
    assert "comes with the reveal" in fetched(pm, [home])[home][1]
    rated_study(project, admin, name="Told", names=NAMES[:2], qualities=(5.0, 7.0), items=10, runs=False)
    Study.objects.filter(pk=closed.pk).update(closed_at=timezone.now())
    page = strip_tags(fetched(pm, [home])[home][1])
    assert "Latest result: Told" in page
    assert "Tuned is superior to Base" in page


def test_an_expert_gets_no_door_of_the_readers_and_learns_nothing_from_their_own(closed, admin, expert):
    study = closed
    Study.objects.filter(pk=study.pk).update(state="open", closed_at=None)
    study.refresh_from_db()
    rater = Rater.objects.create(study=study, user=expert, pseudonym="Rater 9")
    free = study.items.first().assignments.create(slot=3)
    item = take(study, expert)
    assert Assignment.objects.get(pk=free.pk).rater == rater
    rate(study, expert, item, preference="A")
    statuses = fetched(expert, reading_doors(study)).values()
    assert {status for status, _ in statuses} == {302, 403}  # the project's home leads to the desk
    doors = rating_doors(study, item.token)
    before = fetched(expert, doors)
    assert {status for status, _ in before.values()} == {200}
    swap_identities(study)
    assert changed(before, fetched(expert, doors)) == []


def test_what_was_logged_is_read_by_admins_only(closed, admin, expert, pm):
    AuditEvent.objects.create(
        project=closed.project, actor=admin, verb="create study", target="study x", details={"arms": list(NAMES)}
    )
    address = reverse("accounts:members", args=[closed.project.slug])
    for person in (expert, pm):
        assert logged_in(person).get(address).status_code == 403
        assert logged_in(person).get("/admin/accounts/auditevent/").status_code != 200


def test_no_proposal_tells_an_arm_before_the_reveal(closed, admin, pm):
    """A PM reads the data, and a proposed example says where it comes from."""
    rating = Rating.objects.filter(assignment__item__study=closed).first()
    answer = rating.assignment.item.answers.first()
    Correction.objects.create(rating=rating, item_answer=answer, text="A better headline")
    dataset = answer.item.entry.version.dataset
    data = reverse("api-datasets:examples", args=[closed.project.slug, dataset.slug])
    with pytest.raises(Refused, match="once the arms are revealed"):
        actions.propose_corrections(closed, by=admin)
    assert answer.arm.name not in logged_in(pm).get(data).content.decode()
    actions.reveal(closed, by=admin)
    (example,) = actions.propose_corrections(closed, by=admin)
    assert Example.objects.get(pk=example.pk).origin["arm"] == answer.arm.name
