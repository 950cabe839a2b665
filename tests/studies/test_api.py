"""Studies over HTTP: the loop of a study by API, and who is refused where."""

import uuid

import pytest
from django.core.files.uploadedfile import SimpleUploadedFile
from django.urls import reverse
from django.utils import timezone
from rest_framework.test import APIClient

from evalhub.accounts.models import AuditEvent, User
from evalhub.studies import actions
from evalhub.studies.blinding import BlindItem
from evalhub.studies.models import Assignment, Rating, Study
from evalhub.studies.naming import arm_names
from evalhub.studies.progress import open_flags
from tests.conftest import logged_in
from tests.studies.conftest import Maker, rate, take
from tests.studies.test_pages import at


def api_of(user: User) -> APIClient:
    client = APIClient()
    client.force_authenticate(user)
    return client


def address(project, rest: str = "") -> str:
    return f"/api/v1/projects/{project.slug}/studies/{rest}"


def test_it_walks_a_study_from_draft_to_reveal(
    make_study: Maker, project, admin: User, expert: User, second_expert: User
) -> None:
    runs = [arm.generation.run_id for arm in make_study().arms.all()]
    lead, rater = api_of(admin), api_of(expert)
    design = {
        "name": "By API", "arms": [{"name": "One", "run": runs[0]}, {"name": "Two", "run": runs[1], "baseline": True}],
        "raters": ["noor", "olu"], "items": 3,
        "criteria": [{"key": "charm", "name": "Charm", "anchors": {"1": "None", "10": "Much"}}],
        "primary_criterion": "charm",
    }  # fmt: skip
    made = lead.post(address(project), design, format="json")
    assert made.status_code == 201, made.json()
    assert [a["is_baseline"] for a in made.json()["arms"]] == [True, False]
    slug = made.json()["slug"]
    assert lead.post(address(project), design, format="json").status_code == 409
    assert lead.post(address(project, f"{slug}/open/")).json()["state"] == "open"
    got = rater.post(address(project, f"{slug}/next/")).json()
    item = got["item"]
    assert got["waiting"] is None
    draft = {"number": 5, "scores": {"charm-A": 3}}
    assert rater.put(address(project, f"{slug}/items/{item['token']}/draft/"), draft, format="json").json() == {
        "number": 5
    }
    submit = address(project, f"{slug}/items/{item['token']}/submit/")
    entry = {"key": str(uuid.uuid4()), "scores": {"charm-A": 3}}
    refused = rater.post(submit, entry, format="json")
    assert (refused.status_code, refused.json()) == (
        409,
        {"detail": "1 score is missing: Charm B.", "field": "charm-B"},
    )
    assert rater.post(submit, entry | {"scores": {"charm-A": "x"}}, format="json").status_code == 400
    entry["scores"]["charm-B"] = 8
    stored = rater.post(submit, entry, format="json")
    assert (stored.status_code, stored.json()["scores"]) == (201, {"charm-A": 3, "charm-B": 8})
    again = rater.post(address(project, f"{slug}/next/")).json()["item"]["token"]
    assert rater.post(address(project, f"{slug}/items/{again}/flag/"), {"text": "odd"}).status_code == 204
    skipped = rater.post(address(project, f"{slug}/items/{again}/skip/"), {"reason": "cannot-tell"})
    assert skipped.status_code == 204
    assert lead.post(address(project, f"{slug}/reveal/")).status_code == 409
    assert lead.post(address(project, f"{slug}/close/")).json()["state"] == "closed"
    assert lead.post(address(project, f"{slug}/reveal/")).json()["revealed_at"]
    assert lead.get(address(project, f"{slug}/")).json()["progress"]["done"] == 1
    assert rater.post(address(project, f"{slug}/next/")).json()["waiting"]["reason"] == "closed"
    assert Rating.objects.count() == 1


def test_each_door_knows_who_may_enter(
    study: Study, project, admin: User, expert: User, second_expert: User, pm: User, outsider: User
) -> None:
    doors = {
        ("get", ""): (200, 403, 200), ("get", f"{study.slug}/"): (200, 403, 200), ("post", ""): (400, 403, 403),
        ("post", f"{study.slug}/pause/"): (200, 403, 403), ("post", f"{study.slug}/resume/"): (200, 403, 403),
        ("post", f"{study.slug}/raters/"): (400, 403, 403), ("post", f"{study.slug}/next/"): (403, 200, 403),
        ("get", f"{study.slug}/ratings.csv"): (200, 403, 403), ("post", "import/"): (400, 403, 403),
        ("post", f"{study.slug}/corrections/"): (409, 403, 403), ("delete", f"{study.slug}/"): (409, 403, 403),
        ("get", f"{study.slug}/scan/"): (200, 403, 403), ("get", f"{study.slug}/preview/"): (200, 403, 403),
        ("get", f"{study.slug}/flags/"): (200, 403, 403), ("post", f"{study.slug}/flags/9/resolve/"): (409, 403, 403),
    }  # fmt: skip
    for (method, rest), statuses in doors.items():
        for person, status in zip((admin, expert, pm), statuses, strict=True):
            answer = getattr(api_of(person), method)(address(project, rest))
            assert answer.status_code == status, (method, rest, person, answer.status_code)
        assert getattr(api_of(outsider), method)(address(project, rest)).status_code == 404
        assert getattr(APIClient(), method)(address(project, rest)).status_code == 401


def test_a_draft_is_looked_at_and_discarded(make_study: Maker, project, admin: User, expert: User, pm: User) -> None:
    runs = [arm.generation.run_id for arm in make_study().arms.all()]
    lead = api_of(admin)
    design = {"name": "By API", "raters": ["noor"], "overlap": 1, "scale": [0, 100],
              "arms": [{"name": "One", "run": runs[0]}, {"name": "Two", "run": runs[1]}]}  # fmt: skip
    wrong = lead.post(address(project), design | {"scale": [100, 0]}, format="json")
    assert (wrong.status_code, wrong.json()["field"]) == (409, "scale")
    assert lead.post(address(project), design | {"scale": [1]}, format="json").status_code == 400
    made = lead.post(address(project), design, format="json").json()
    assert (made["scale_min"], made["scale_max"]) == (0, 100)
    at_study = address(project, f"{made['slug']}/")
    assert lead.get(f"{at_study}preview/").json()["scale_max"] == 100
    assert lead.get(f"{at_study}scan/").json() == []
    Study.objects.filter(slug=made["slug"]).update(description="Does Quokka-Zero win?")
    (found,) = lead.get(f"{at_study}scan/").json()
    assert (found["where"], found["found"]) == ("the study's description", "Quokka")
    for person in (expert, pm):
        for answer in (api_of(person).delete(at_study), *(api_of(person).get(f"{at_study}{d}/") for d in LOOKS)):
            assert answer.status_code == 403
    assert lead.delete(at_study).status_code == 204
    assert lead.delete(at_study).status_code == 404
    opened = actions.open_study(Study.objects.get(), by=admin)
    assert lead.delete(address(project, f"{opened.slug}/")).status_code == 409


LOOKS = ("scan", "preview", "flags")


def test_a_rater_undoes_and_keeps_the_hold_by_api(
    study: Study, project, admin: User, expert: User, second_expert: User
) -> None:
    rater = api_of(expert)
    item = rater.post(address(project, f"{study.slug}/next/")).json()["item"]
    mine = address(project, f"{study.slug}/items/{item['token']}/")
    Assignment.objects.filter(state="leased").update(leased_until=timezone.now())
    assert rater.post(f"{mine}pulse/").json() == {"held": True}
    assert Assignment.objects.get(token=item["token"]).leased_until > timezone.now()
    scores = {f"{c['key']}-{a['letter']}": 7 for c in item["criteria"] for a in item["answers"]}
    assert rater.post(f"{mine}submit/", {"key": str(uuid.uuid4()), "scores": scores}, format="json").status_code == 201
    assert rater.post(f"{mine}pulse/").json() == {"held": False}
    assert rater.post(f"{mine}undo/").json()["item"]["draft"]["scores"] == scores
    assert not Rating.objects.exists()
    assert rater.post(f"{mine}undo/").status_code == 409
    for verb in ("pulse", "undo"):
        assert api_of(admin).post(f"{mine}{verb}/").status_code == 403
    assert api_of(second_expert).post(f"{mine}pulse/").json() == {"held": False}
    assert api_of(second_expert).post(f"{mine}undo/").status_code == 409


def test_a_flag_is_resolved_once_and_is_then_off_the_list(
    study: Study, project, admin: User, expert: User, pm: User
) -> None:
    item, flags = take(study, expert), address(project, f"{study.slug}/flags/")
    actions.flag(study, user=expert, token=uuid.UUID(item.token), text="cut off")
    lead = api_of(admin)
    (told,) = lead.get(flags).json()
    assert (told["rater"], told["text"]) == (study.raters.get(user=expert).pseudonym, "cut off")
    for person in (expert, pm):
        assert api_of(person).post(f"{flags}{told['id']}/resolve/").status_code == 403
        assert logged_in(person).post(at("resolve_flag", study, told["id"])).status_code == 403
    for _ in range(2):
        assert lead.post(f"{flags}{told['id']}/resolve/").status_code == 204
    assert AuditEvent.objects.filter(verb="resolve flag").count() == 1
    assert lead.get(flags).json() == []
    assert lead.get(address(project, f"{study.slug}/")).json()["progress"]["flags"] == 0
    assert lead.post(f"{flags}{told['id'] + 1}/resolve/").status_code == 409
    actions.flag(study, user=expert, token=uuid.UUID(item.token), text="cut off")
    page = logged_in(admin)
    again = lead.get(flags).json()[0]["id"]
    assert at("resolve_flag", study, again) in page.get(at("detail", study)).content.decode()
    assert page.post(at("resolve_flag", study, again)).status_code == 302
    assert not open_flags(study).exists()


def test_an_expert_of_the_project_who_is_no_rater_finds_no_study(
    make_study: Maker, project, admin: User, expert: User, second_expert: User
) -> None:
    study = actions.open_study(make_study(raters=[expert], overlap=1), by=admin)
    assert api_of(second_expert).post(address(project, f"{study.slug}/next/")).status_code == 404


def test_an_import_answers_with_every_problem(project, admin: User) -> None:
    bad = SimpleUploadedFile("r.csv", b"item,arm,rater,criterion,value\nq,a,r,s,x\nq,b,r,s,11\n")
    answer = api_of(admin).post(address(project, "import/"), {"file": bad, "name": "Elsewhere"})
    assert answer.status_code == 409
    assert [p["line"] for p in answer.json()["problems"]] == [2, 3]
    good = SimpleUploadedFile("r.csv", b"item,arm,rater,criterion,value\nq,a,r,s,3\nq,b,r,s,4\n")
    made = api_of(admin).post(address(project, "import/"), {"file": good, "name": "Elsewhere"})
    assert (made.status_code, made.json()["raters"]) == (201, ["r"])


WORDS = (
    "studies_list", "studies/{study_slug}/next/", "NumberedDraftIn", "/items/{token}/pulse/", "/items/{token}/undo/",
    "/scan/", "studies/{study_slug}/preview/", "/flags/{id}/resolve/", "FlagOut", "studies_destroy", "scale:",
)  # fmt: skip


@pytest.mark.parametrize("word", WORDS)
def test_the_schema_describes_it(client, admin: User, word: str) -> None:
    client.force_login(admin)
    schema = client.get("/api/schema/").content.decode()
    assert word.lower() in schema.lower()


def test_no_door_names_a_hidden_arm(make_study: Maker, admin: User, pm: User, expert: User) -> None:
    study = actions.open_study(make_study(n_arms=3, n_items=3), by=admin)
    study.facts["left_out"] = {arm.name: ["page 9"] for arm in study.arms.all()}
    study.save()
    while isinstance(item := actions.claim_next(study, user=expert), BlindItem):
        rate(study, expert, item)
    study = actions.close_study(study, by=admin)
    names = list(study.arms.values_list("name", flat=True))
    doors = [at("ratings", study, "csv"), at("ratings", study, "jsonl")]
    doors += [reverse(f"reports:{name}", args=[study.project.slug, study.slug]) for name in ("report", "numbers")]
    api = f"/api/v1/projects/{study.project.slug}/studies/"
    doors += [api, f"{api}{study.slug}/", f"{api}{study.slug}/ratings.csv", f"{api}{study.slug}/ratings.jsonl"]
    for person, seen in ((pm, [*doors, at("detail", study)]), (admin, doors)):
        for door in seen:
            assert_names(person, door, names, shown=False)
    actions.reveal(study, by=admin)
    for door in (*doors[:4], *doors[5:], at("detail", study)):
        assert_names(pm, door, names, shown=True)


def assert_names(person: User, door: str, names: list[str], *, shown: bool) -> None:
    response = logged_in(person).get(door)
    assert response.status_code == 200, door
    text = b"".join(response).decode()
    assert all((name in text) is shown for name in names), (person, door)
    if not shown and "studies/" in door and not door.endswith("/studies/"):
        assert "Arm 3" in text, door


def test_the_order_of_hidden_arms_is_drawn_from_the_seed_and_the_same_everywhere(
    make_study: Maker, admin: User, pm: User
) -> None:
    orders = {tuple(arm_names(make_study(n_arms=3, seed=n, name=f"Study {n}"))) for n in range(8)}
    assert len({tuple(pk - min(order) for pk in order) for order in orders}) > 1
    study = Study.objects.first()
    assert study is not None
    assert arm_names(study) == arm_names(Study.objects.get(pk=study.pk))
    assert list(arm_names(study).values()) == ["Arm 1", "Arm 2", "Arm 3"]
    api = logged_in(pm).get(f"/api/v1/projects/{study.project.slug}/studies/{study.slug}/").json()
    assert [(arm["name"], arm["position"], arm["run"]) for arm in api["arms"]] == [
        (f"Arm {n}", n, None) for n in (1, 2, 3)
    ]
    assert {arm["is_baseline"] for arm in api["arms"]} == {None}  # of two arms it would tell both
    lead = logged_in(admin).get(f"/api/v1/projects/{study.project.slug}/studies/{study.slug}/").json()
    assert [arm["is_baseline"] for arm in lead["arms"]] == [True, False, False]
