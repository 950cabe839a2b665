"""The pages of studies: who may enter which, what works without a script, and that a rater learns nothing."""

import json
import re
import uuid

import pytest
from django.test import Client
from django.urls import reverse

from evalhub.accounts.models import User
from evalhub.studies import actions
from evalhub.studies.models import Assignment, Flag, Rating, Study
from tests.conftest import logged_in
from tests.studies.conftest import MODELS, Maker, full, rate, take

FRAGMENT = {"X-Fragment": "1"}


def at(name: str, study: Study, *args: object) -> str:
    return reverse(f"studies:{name}", args=[study.project.slug, study.slug, *args])


def form_of(item, **changes: object) -> dict[str, object]:
    scores = {f"score:{cell}": value for cell, value in full(item).items()}
    return {"key": str(uuid.uuid4()), "revises": item.revision, "comment": "", "seconds": "12.5"} | scores | changes


# --- doors ----------------------------------------------------------------------------------------


def test_an_outsider_learns_of_no_study(study: Study, outsider: User) -> None:
    client, item = logged_in(outsider), uuid.uuid4()
    for address in (
        reverse("studies:desk", args=[study.project.slug]), reverse("studies:list", args=[study.project.slug]),
        at("rate", study), at("guidelines", study), at("rated", study, item), at("detail", study),
        at("preview", study), at("ratings", study, "csv"),
    ):  # fmt: skip
        assert client.get(address).status_code == 404
    for name in ("submit", "draft", "pulse", "undo", "skip", "flag"):
        assert client.post(at(name, study, item)).status_code == 404
    assert client.post(at("act", study, "close")).status_code == 404


def test_an_expert_who_does_not_rate_in_it_does_not_find_it(
    make_study: Maker, admin: User, expert: User, second_expert: User
) -> None:
    study = actions.open_study(make_study(raters=[expert], overlap=1), by=admin)
    client = logged_in(second_expert)
    assert client.get(at("rate", study)).status_code == 404
    assert client.post(at("rate", study)).status_code == 404
    assert study.name not in client.get(reverse("studies:desk", args=[study.project.slug])).content.decode()


def test_a_pm_and_an_admin_cannot_rate(study: Study, admin: User, pm: User) -> None:
    for person in (admin, pm):
        client = logged_in(person)
        assert client.get(reverse("studies:desk", args=[study.project.slug])).status_code == 403
        assert client.post(at("rate", study)).status_code == 403
        assert client.post(at("submit", study, uuid.uuid4())).status_code == 403


def test_an_expert_does_not_see_the_design_of_a_study(study: Study, expert: User) -> None:
    client = logged_in(expert)
    for name in ("detail", "preview"):
        assert client.get(at(name, study)).status_code == 403
    assert client.get(at("ratings", study, "csv")).status_code == 403
    assert client.get(reverse("studies:list", args=[study.project.slug])).status_code == 403
    assert client.post(at("act", study, "close")).status_code == 403


def test_a_pm_follows_a_study_without_names_and_changes_nothing(study: Study, pm: User, expert: User) -> None:
    client = logged_in(pm)
    page = client.get(at("detail", study)).content.decode()
    assert "Rater 1" in page
    assert "noor" not in page
    assert "Close the study" not in page
    assert client.get(at("ratings", study, "csv")).status_code == 403  # not before it closes
    assert client.get(reverse("studies:new", args=[study.project.slug])).status_code == 403
    for verb in ("close", "pause", "reveal"):
        assert client.post(at("act", study, verb)).status_code == 403
    study.refresh_from_db()
    assert study.state == Study.State.OPEN


def test_nobody_is_let_in_without_logging_in(study: Study) -> None:
    assert Client().get(at("rate", study)).status_code == 302


def test_a_draft_study_is_not_shown_to_its_raters(make_study: Maker, expert: User) -> None:
    study = make_study()
    client = logged_in(expert)
    assert client.get(at("rate", study)).status_code == 404
    assert study.name not in client.get(reverse("studies:desk", args=[study.project.slug])).content.decode()


# --- rating with and without a script ---------------------------------------------------------------


def test_looking_takes_nothing_and_the_button_takes_an_item(study: Study, expert: User) -> None:
    client = logged_in(expert)
    assert "Take the next item" in client.get(at("rate", study)).content.decode()
    assert not Assignment.objects.filter(state="leased").exists()
    answer = client.post(at("rate", study), follow=True)
    assert answer.redirect_chain == [(at("rate", study), 302)]
    assert 'name="score:accuracy-A"' in answer.content.decode()


def test_a_plain_form_post_stores_and_shows_the_next_item(study: Study, expert: User) -> None:
    client, item = logged_in(expert), take(study, expert)
    answer = client.post(at("submit", study, item.token), form_of(item, comment="good"), follow=True)
    page = answer.content.decode()
    assert "The item is stored." in page
    assert item.token not in page.split("Previous rating")[1].split("Next")[0].replace(item.token, "", 1)
    stored = Rating.objects.get()
    assert (stored.comment, stored.active_seconds) == ("good", 12.5)


def test_a_refused_plain_post_keeps_what_was_entered(study: Study, expert: User) -> None:
    client, item = logged_in(expert), take(study, expert)
    form = form_of(item, comment="half")
    del form["score:style-B"]
    page = client.post(at("submit", study, item.token), form, follow=True).content.decode()
    assert "1 score is missing: Style B." in page
    assert 'value="half"' in page
    assert page.count(" checked") >= 7
    assert not Rating.objects.exists()


def test_a_script_gets_the_next_item_as_a_fragment_and_hears_what_was_stored(study: Study, expert: User) -> None:
    client, item = logged_in(expert), take(study, expert)
    answer = client.post(at("submit", study, item.token), form_of(item), headers=FRAGMENT)
    assert json.loads(answer["X-Stored"]) == {"token": item.token, "revision": 1, "scores": full(item)}
    assert "<html" not in answer.content.decode()
    assert answer.content.decode().count("<main") == 1


def test_the_same_form_twice_stores_one_rating_and_goes_on(study: Study, expert: User) -> None:
    client, item = logged_in(expert), take(study, expert)
    form = form_of(item)
    answers = [client.post(at("submit", study, item.token), form, headers=FRAGMENT) for _ in range(2)]
    assert [a.status_code for a in answers] == [200, 200]
    assert Rating.objects.count() == 1
    token = re.compile(r'data-token="([^"]+)"')
    assert token.search(answers[0].content.decode())[1] == token.search(answers[1].content.decode())[1]


def test_a_draft_sent_by_the_page_is_there_after_a_reload(study: Study, expert: User) -> None:
    client, item = logged_in(expert), take(study, expert)
    draft = {"scores": {"accuracy-A": 8}, "comment": "typed <b>", "number": 1_700_000_000_000}
    answer = client.post(at("draft", study, item.token), json.dumps(draft), content_type="application/json")
    assert answer.json() == {"number": 1_700_000_000_000}
    page = client.get(at("rate", study)).content.decode()
    assert "typed &lt;b&gt;" in page
    assert page.count(" checked") == 2  # the score, and answer A of the phone's switch
    for nonsense in ("{", "[1]", '"x"'):
        bad = client.post(at("draft", study, item.token), nonsense, content_type="application/json")
        assert bad.status_code == 400


def test_skip_and_flag_work_with_and_without_a_script(study: Study, expert: User) -> None:
    client, item = logged_in(expert), take(study, expert)
    assert "Something else" in client.get(at("skip", study, item.token)).content.decode()
    assert client.get(at("flag", study, item.token)).status_code == 200
    refused = client.post(at("skip", study, item.token), {"reason": "other", "text": ""})
    assert (refused.status_code, "few words" in refused.content.decode()) == (409, True)
    assert client.post(at("flag", study, item.token), {"text": ""}, headers=FRAGMENT).json()["field"] == "text"
    assert client.post(at("flag", study, item.token), {"text": "cut off"}, headers=FRAGMENT).json() == {"flagged": True}
    assert Flag.objects.get().text == "cut off"
    following = client.post(at("skip", study, item.token), {"reason": "cannot-tell"}, headers=FRAGMENT)
    assert item.token not in following.content.decode()


def test_a_skip_is_said_where_the_rater_counts(study: Study, expert: User) -> None:
    client, item = logged_in(expert), take(study, expert)
    client.post(at("skip", study, item.token), {"reason": "cannot-tell"}, headers=FRAGMENT)
    assert "2 of 6 · 1 skipped" in client.get(at("rate", study)).content.decode()
    desk = client.get(reverse("studies:desk", args=[study.project.slug])).content.decode()
    assert "0 of 6 done · 1 skipped" in desk
    assert "Continue with item 2" in desk


def test_undo_brings_the_item_back_and_its_history_can_be_changed(study: Study, expert: User) -> None:
    client, item = logged_in(expert), take(study, expert)
    client.post(at("submit", study, item.token), form_of(item), headers=FRAGMENT)
    back = client.post(at("undo", study, item.token), headers=FRAGMENT).content.decode()
    assert f'data-token="{item.token}"' in back
    client.post(at("submit", study, item.token), form_of(item), headers=FRAGMENT)
    page = client.get(at("rated", study, item.token)).content.decode()
    assert "Store the change" in page
    changed = form_of(item, revises=1) | {"score:accuracy-A": "3"}
    client.post(at("submit", study, item.token), changed, headers=FRAGMENT)
    assert Rating.objects.filter(is_current=True).get().number == 2
    assert client.get(at("rated", study, uuid.uuid4())).status_code == 404


def test_the_desk_says_when_reserved_items_come_back(
    make_study: Maker, admin: User, expert: User, second_expert: User
) -> None:
    study = actions.open_study(make_study(n_items=1, overlap=1), by=admin)
    take(study, expert)
    page = logged_in(second_expert).get(reverse("studies:desk", args=[study.project.slug])).content.decode()
    assert "1 item is with other raters, back in about 20 minutes." in page
    assert "Look again" in page


def test_the_desk_of_an_expert_without_studies_says_what_to_expect(project, expert: User) -> None:
    assert "No study has asked for you yet" in logged_in(expert).get(f"/p/{project.slug}/rate/").content.decode()


def test_other_scales_have_rulers_or_number_fields(make_study: Maker, admin: User, expert: User) -> None:
    for scale, ruler in (((1, 5), True), ((0, 9), True), ((0, 10), False), ((0, 100), False), ((-2, 2), False)):
        study = actions.open_study(make_study(scale=scale, name=f"from {scale[0]} to {scale[1]}"), by=admin)
        take(study, expert)
        page = logged_in(expert).get(at("rate", study)).content.decode()
        assert ('type="number"' in page) is not ruler
        assert page.count(f'name="score:accuracy-A" {"value" if ruler else "min"}=') == (
            scale[1] - scale[0] + 1 if ruler else 1
        )


# --- blindness ------------------------------------------------------------------------------------


def test_a_rater_finds_no_trace_of_an_arm_in_anything_they_can_fetch(
    make_study: Maker, admin: User, expert: User, second_expert: User
) -> None:
    study = actions.open_study(make_study(n_arms=4, n_items=3, ask_preference=True, show_reference=True), by=admin)
    secrets = [m.split("-")[0].lower() for m in MODELS] + ["arm quokka", "hub/", "is_baseline", "latency", "generation"]
    client, seen = logged_in(expert), []
    api = f"/api/v1/projects/{study.project.slug}/studies/{study.slug}/"

    def look(answer) -> str:
        headers = "\n".join(f"{k}: {v}" for k, v in answer.items())
        seen.append(f"{headers}\n{answer.content.decode()}")
        return seen[-1]

    item = take(study, expert)
    look(client.get(f"/p/{study.project.slug}/rate/"))
    for name in ("rate", "guidelines"):
        look(client.get(at(name, study)))
    look(client.get(at("rate", study), headers=FRAGMENT))
    look(client.post(at("draft", study, item.token), json.dumps({"number": 3}), content_type="application/json"))
    look(client.post(at("pulse", study, item.token)))
    look(client.post(at("flag", study, item.token), {"text": "look"}, headers=FRAGMENT))
    look(client.get(at("skip", study, item.token)))
    look(client.post(at("submit", study, item.token), form_of(item), headers=FRAGMENT))  # refused: no preference
    look(client.post(at("submit", study, item.token), form_of(item, preference="B"), headers=FRAGMENT))
    look(client.post(at("undo", study, item.token), headers=FRAGMENT))
    look(client.post(at("submit", study, item.token), form_of(item, preference="B"), headers=FRAGMENT))
    look(client.get(at("rated", study, item.token)))
    second = json.loads(look(client.post(f"{api}next/")).split("\n", 1)[1].split("\n")[-1])["item"]
    scores = {f"{c['key']}-{a['letter']}": 5 for c in second["criteria"] for a in second["answers"]}
    body = {"key": str(uuid.uuid4()), "scores": scores, "preference": "tie"}
    look(client.post(f"{api}items/{second['token']}/submit/", json.dumps(body), content_type="application/json"))
    third = take(study, expert)
    look(client.post(at("skip", study, third.token), {"reason": "cannot-tell"}, headers=FRAGMENT))
    look(client.post(at("rate", study), headers=FRAGMENT))
    look(client.get(f"/p/{study.project.slug}/rate/"))
    for page in seen:
        for secret in secrets:
            assert secret not in page.lower(), (secret, page[:400])


def test_nothing_on_the_wire_is_the_same_for_two_raters_but_the_texts(
    study: Study, expert: User, second_expert: User
) -> None:
    """An arm's row ids, an item's key and place, or a seed would let raters compare notes, or a script count."""
    tokens = []
    for person in (expert, second_expert):
        take(study, person)
        page = logged_in(person).get(at("rate", study)).content.decode()
        tokens.append(set(re.findall(r'(?:id|value|name|data-[a-z]+)="([^"]{2,})"', page)))
        item = Assignment.objects.get(rater__user=person, state="leased").item
        assert f'"{item.key}"' not in page
        for arm in study.arms.all():
            assert f'"{arm.pk}"' not in re.sub(r'value="(\d+)"', "", page)
    shared = {t for t in tokens[0] & tokens[1] if re.search(r"\d{3,}|[0-9a-f]{8}-", t)}
    assert not shared


def test_an_item_has_no_field_where_an_identity_could_sit(study: Study, expert: User) -> None:
    item = take(study, expert)
    assert set(item.as_json()) == {
        "token", "number", "instruction", "input", "reference", "kind", "answers", "criteria", "scale_min", "scale_max",
        "ask_preference", "draft", "progress", "revision", "previous", "next", "guidelines_version",
    }  # fmt: skip
    assert {key for answer in item.as_json()["answers"] for key in answer} == {"letter", "text"}


# --- the admin's pages --------------------------------------------------------------------------------


def test_an_admin_makes_previews_opens_and_closes_a_study(
    make_study: Maker, admin: User, expert: User, second_expert: User
) -> None:
    ground = make_study()
    client = logged_in(admin)
    runs = [arm.generation_id for arm in ground.arms.all()]
    address = reverse("studies:new", args=[ground.project.slug])
    assert client.get(address).status_code == 200
    form = {
        "name": "Second round", "arm": runs, f"arm-name-{runs[0]}": "One", f"arm-name-{runs[1]}": "Two",
        "baseline": runs[1], "criterion-name-0": "Charm", "criterion-question-0": "Is it charming?",
        "criterion-anchors-0": "1: Not at all\n10: Wholly", "overlap": 2, "scale_min": 1, "scale_max": 10,
        "margin": "0.5", "primary_criterion": "charm", "raters": [expert.pk, second_expert.pk], "seed": 3,
    }  # fmt: skip
    broken = client.post(address, form | {"criterion-anchors-0": "charming"})
    assert (broken.status_code, "is no anchor of Charm" in broken.content.decode()) == (400, True)
    assert client.post(address, form).status_code == 302
    study = Study.objects.get(name="Second round")
    assert [c.key for c in study.criteria.all()] == ["charm"]
    assert study.criteria.get().anchors == {"1": "Not at all", "10": "Wholly"}
    assert study.arms.get(is_baseline=True).name == "Two"
    preview = client.get(at("preview", study)).content.decode()
    assert "Is it charming?" in preview
    assert "nothing is stored" in preview
    assert not Assignment.objects.filter(item__study=study).exists()
    assert "open" in client.get(at("detail", study) + "?confirm=open").content.decode()
    for verb, state in (("open", "open"), ("pause", "paused"), ("resume", "open"), ("close", "closed")):
        client.post(at("act", study, verb))
        study.refresh_from_db()
        assert study.state == state
    client.post(at("act", study, "reveal"))
    study.refresh_from_db()
    assert study.revealed_by == admin


def test_a_button_that_comes_too_late_says_so(study: Study, admin: User) -> None:
    client = logged_in(admin)
    page = client.post(at("act", study, "resume"), follow=True).content.decode()
    assert "This study is open, not paused." in page
    assert client.post(at("act", study, "explode")).status_code == 404
    assert client.get(at("act", study, "close")).status_code == 405


def test_the_list_and_the_page_of_a_study_take_few_queries(
    make_study: Maker, admin: User, expert: User, django_assert_max_num_queries
) -> None:
    client = logged_in(admin)
    studies = [actions.open_study(make_study(name=f"study {n}", n_items=4 + 4 * n), by=admin) for n in range(3)]
    rate(studies[2], expert, take(studies[2], expert))
    with django_assert_max_num_queries(10):
        client.get(reverse("studies:list", args=[studies[0].project.slug]))
    with django_assert_max_num_queries(22):
        client.get(at("detail", studies[2]))


def test_an_import_says_what_is_wrong_line_by_line(project, admin: User) -> None:
    from django.core.files.uploadedfile import SimpleUploadedFile

    client, address = logged_in(admin), reverse("studies:import", args=[project.slug])
    head = "item,arm,rater,criterion,value\n"
    form = {"name": "Elsewhere", "scale_min": 1, "scale_max": 10}
    bad = SimpleUploadedFile("r.csv", f"{head}q,one,r,style,x\n".encode())
    page = client.post(address, form | {"file": bad})
    assert page.status_code == 400
    assert "“x” is not a number" in page.content.decode()
    good = SimpleUploadedFile("r.csv", f"{head}q,one,r,style,3\nq,two,r,style,4\n".encode())
    assert client.post(address, form | {"file": good}).status_code == 302
    assert Study.objects.get().origin == "imported"
    assert "Elsewhere" in client.get(reverse("studies:list", args=[project.slug])).content.decode()


@pytest.mark.parametrize("form", ["csv", "jsonl"])
def test_the_ratings_are_downloaded_once_closed(study: Study, admin: User, pm: User, expert: User, form: str) -> None:
    rate(study, expert, take(study, expert))
    actions.close_study(study, by=admin)
    answer = logged_in(pm).get(at("ratings", study, form))
    text = b"".join(answer.streaming_content).decode()
    assert len(text.splitlines()) == (9 if form == "csv" else 8)
    assert "noor" not in text
    assert logged_in(pm).get(at("ratings", study, "xlsx")).status_code == 404


def test_a_fragment_after_the_session_ended_is_refused_not_led_to_the_log_in(study: Study, expert: User) -> None:
    item, client = take(study, expert), Client()
    drafted = client.post(at("draft", study, item.token), "{}", content_type="application/json", headers=FRAGMENT)
    submitted = client.post(at("submit", study, item.token), form_of(item), headers=FRAGMENT)
    shown = client.get(at("rate", study), headers=FRAGMENT)
    assert {(a.status_code, a.headers.get("Location")) for a in (drafted, submitted, shown)} == {(401, None)}
    assert client.get(at("rate", study)).status_code == 302  # a whole page is still led to the log-in
    assert client.get(at("rate", study), headers={"HX-Request": "true"}).headers["HX-Redirect"]
    assert not Rating.objects.exists()
