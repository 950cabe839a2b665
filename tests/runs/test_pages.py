"""The pages of runs and models: who may enter, what they show, what a second click does."""

import io
import json

import pytest
from django.urls import reverse

from evalhub.runs import actions, lifecycle, reading
from evalhub.runs.models import Journal, Model, Run
from tests.conftest import logged_in

pytestmark = pytest.mark.django_db


def url(name, *parts):
    return reverse(f"runs:{name}", args=["content-copy", *parts])


READING = ("list", "models")
ASKING = ("train", "generate", "import", "register")


@pytest.mark.parametrize("name", READING + ASKING)
def test_it_knows_who_may_enter_a_page(name, project, admin, pm, expert, outsider, client):
    assert logged_in(admin).get(url(name)).status_code == 200
    assert logged_in(pm).get(url(name)).status_code == (200 if name in READING else 403)
    assert logged_in(expert).get(url(name)).status_code == 403
    assert logged_in(outsider).get(url(name)).status_code == 404
    assert client.get(url(name)).status_code == 302


def test_it_knows_who_may_see_a_run(trained, admin, pm, expert, outsider):
    for name in ("detail", "loss"):
        assert logged_in(admin).get(url(name, trained.pk)).status_code == 200
        assert logged_in(pm).get(url(name, trained.pk)).status_code == 200
        assert logged_in(expert).get(url(name, trained.pk)).status_code == 403
        assert logged_in(outsider).get(url(name, trained.pk)).status_code == 404
        elsewhere = reverse(f"runs:{name}", args=["elsewhere", trained.pk])
        assert logged_in(outsider).get(elsewhere).status_code == 404


@pytest.mark.parametrize("verb", ["cancel", "retry", "resume", "score"])
def test_it_lets_only_admins_act_and_only_by_post(verb, generated, admin, pm, expert, outsider):
    assert logged_in(pm).post(url(verb, generated.pk)).status_code == 403
    assert logged_in(expert).post(url(verb, generated.pk)).status_code == 403
    assert logged_in(outsider).post(url(verb, generated.pk)).status_code == 404
    assert logged_in(admin).get(url(verb, generated.pk)).status_code == 405
    assert Run.objects.count() == 1


def test_it_shows_a_pm_no_button(generated, pm, admin):
    assert b"Score the answers" in logged_in(admin).get(url("detail", generated.pk)).content
    page = logged_in(pm).get(url("detail", generated.pk)).content
    assert b"Score the answers" not in page
    assert b"python" not in page


def test_it_says_what_to_do_where_nothing_is(project, admin):
    client = logged_in(admin)
    assert b"No run yet" in client.get(url("list")).content
    assert b"No model yet" in client.get(url("models")).content
    assert b"No base model yet" in client.get(url("train")).content
    assert b"No frozen version yet" in client.get(url("import")).content


def form_values(page):
    """What a browser would send back unchanged."""
    form = page.context["form"]
    values = {field.html_name: field.value() for field in form}
    return {name: value for name, value in values.items() if value is not None and value is not False}


def test_it_trains_with_what_differs_from_the_preset(project, base, version, admin):
    client = logged_in(admin)
    values = form_values(client.get(url("train") + f"?preset=article&base={base.pk}"))
    answer = client.post(url("train") + "?preset=article", {**values, "epochs": "1"})
    run = Run.objects.get()
    assert answer.url == url("detail", run.pk)
    assert run.spec["epochs"] == 1
    assert run.spec["targets"] == ["q_proj", "v_proj"]
    assert run.training.settings["preset"] == "article"


def test_it_makes_one_run_of_two_clicks(project, base, version, admin):
    client = logged_in(admin)
    values = form_values(client.get(url("train") + f"?base={base.pk}"))
    first, second = client.post(url("train"), values), client.post(url("train"), values)
    assert first.url == second.url
    assert Run.objects.count() == 1


def test_it_links_to_the_same_run_where_one_lives(project, base, version, admin):
    client = logged_in(admin)
    for _ in range(2):  # two tabs: each form has its own token
        answer = client.post(url("train"), form_values(client.get(url("train") + f"?base={base.pk}")))
    assert answer.status_code == 409
    assert f'href="{url("detail", Run.objects.get().pk)}"' in answer.content.decode()


def test_it_says_a_broken_rule_in_the_form_and_starts_nothing(project, base, version, admin):
    client = logged_in(admin)
    values = form_values(client.get(url("train") + f"?base={base.pk}"))
    answer = client.post(url("train"), {**values, "rank": "0"})
    assert answer.status_code == 400
    assert b"greater than or equal to 1" in answer.content
    assert not Run.objects.exists()


def test_it_generates_with_the_chosen_sampling(project, base, version, admin):
    client = logged_in(admin)
    values = form_values(client.get(url("generate") + f"?model={base.pk}"))
    client.post(url("generate"), {**values, "temperature": "0", "max_tokens": "32"})
    assert Run.objects.get().generation.sampling["temperature"] == 0
    assert Run.objects.get().spec["sampling"]["max_tokens"] == 32


def test_it_stores_the_rows_that_fit_and_names_the_others(project, version, admin):
    file = io.BytesIO(b"id,output\nrow-5,Five\nrow-99,Nobody\n")
    file.name = "answers.csv"
    answer = logged_in(admin).post(
        url("import"), {"name": "Editors", "version": version.pk, "split": "test", "file": file}, follow=True
    )
    text = answer.content.decode()
    assert "1 answers are stored" in text
    assert "Row 3 fits no example of this split: “row-99”" in text
    assert "Five" in text


def test_it_says_why_a_file_of_answers_is_refused(project, version, admin):
    file = io.BytesIO(b"\xff\xfe\x00")
    file.name = "answers.jsonl"
    answer = logged_in(admin).post(
        url("import"), {"name": "Editors", "version": version.pk, "split": "test", "file": file}
    )
    assert answer.status_code == 409
    assert b"not UTF-8 text" in answer.content
    assert not Model.objects.exists()


def test_it_registers_a_model_and_refuses_pickles(project, admin, tmp_path):
    client = logged_in(admin)
    (tmp_path / "config.json").write_text("{}")
    (tmp_path / "pytorch_model.bin").write_bytes(b"pickle")
    values = {"kind": "base", "name": "Local", "reference": str(tmp_path)}
    answer = client.post(url("register"), values)
    assert answer.status_code == 409
    assert b"pytorch_model.bin, which can run code" in answer.content
    (tmp_path / "model.safetensors").write_bytes(b"weights")
    assert client.post(url("register"), values).status_code == 302
    assert Model.objects.get().content_hash


def test_it_says_of_a_hub_id_that_it_is_unchecked_until_a_run_has_loaded_it(project, version, admin):
    client = logged_in(admin)
    values = {"kind": "base", "name": "Hub", "reference": "acme/small"}
    said = client.post(url("register"), values, follow=True).content.decode()
    assert "Whether the hub has acme/small was not checked" in said
    assert "not checked yet: a run has to load it first" in client.get(url("models")).content.decode()
    answer = client.post("/api/v1/projects/content-copy/models/", values | {"name": "Other"})
    assert answer.json()["loaded"] is False
    hub = Model.objects.get(name="Hub")
    actions.perform(actions.request_training(project, base=hub, version=version, by=admin, send=False))
    Model.objects.filter(name="Other").delete()
    assert "not checked yet" not in client.get(url("models")).content.decode()
    assert client.get(f"/api/v1/projects/content-copy/models/{hub.pk}/").json()["loaded"] is True


def test_it_shows_progress_and_asks_again_only_while_a_run_lives(project, base, version, admin):
    client = logged_in(admin)
    run = actions.request_training(project, base=base, version=version, by=admin, send=False)
    claim = lifecycle.claim(run.pk)
    lifecycle.beat(claim, done=5, total=20, eta_seconds=90.0)
    page = client.get(url("detail", run.pk)).content.decode()
    assert "5 of 20 steps" in page
    assert "about 2 min left" in page
    assert f'hx-get="{url("live", run.pk)}"' in page
    assert client.get(url("live", run.pk)).status_code == 200
    lifecycle.finish(claim, "failed", message="The disk is full.")
    assert client.get(url("live", run.pk)).headers["HX-Refresh"] == "true"
    page = client.get(url("detail", run.pk)).content.decode()
    assert "The disk is full." in page
    assert "hx-get" not in page
    assert "Step 5 of 20 was reached. Resume goes on from its last checkpoint." in page


def test_it_draws_the_loss_with_token_colours_only(trained, admin):
    answer = logged_in(admin).get(url("loss", trained.pk))
    spec = answer.json()
    assert "lowest at step 10, 1.000, and has risen since" in spec["description"]
    assert "#" not in json.dumps(spec["layer"])
    assert "usermeta" not in spec  # a finished run is not fetched again
    page = logged_in(admin).get(url("detail", trained.pk)).content.decode()
    assert "Show the numbers" in page
    assert "An answer after 20 steps" in page


def test_it_shows_no_markup_that_a_model_wrote(generated, admin):
    generated.generation.answers.update(text="<script>alert(1)</script>")
    Journal.objects.update_or_create(run=generated, defaults={"warnings": ["<b>bold</b>"]})
    page = logged_in(admin).get(url("detail", generated.pk)).content.decode()
    assert "<script>alert(1)" not in page
    assert "<b>bold" not in page


def test_it_keeps_its_number_of_queries(
    trained, generated, project, version, base, admin, django_assert_max_num_queries
):
    client = logged_in(admin)
    pages = [url("list"), url("models"), url("detail", trained.pk), url("detail", generated.pk)]
    for page in pages:
        client.get(page)
        with django_assert_max_num_queries(13):
            client.get(page)
    for seed in range(5):
        actions.request_training(
            project, base=base, version=version, by=admin, settings={"seed": seed + 50}, send=False
        )
    with django_assert_max_num_queries(13):
        client.get(url("list"))


def test_it_shows_the_sampling_that_was_applied_and_what_was_asked_for_instead(project, generated, trained, admin):
    facts = dict(reading.facts_of(generated))
    assert (facts["Max tokens"], facts["Longest prompt"]) == ("256 (asked for 512)", "256 tokens")
    page = logged_in(admin).get(reverse("runs:detail", args=["content-copy", generated.pk])).content.decode()
    assert "256 (asked for 512)" in page
    waiting = actions.request_generation(
        project, model=generated.generation.model, version=generated.generation.version, by=admin, send=False
    )
    assert dict(reading.facts_of(waiting))["Max tokens"] == "512"


def test_it_filters_by_kind_and_state(trained, generated, admin):
    client = logged_in(admin)
    assert b"First adapter" in client.get(url("list") + "?kind=training&state=succeeded").content
    page = client.get(url("list") + "?kind=generation").content
    assert b"First adapter" not in page
    assert b"No run matches" in client.get(url("list") + "?state=failed").content


def test_it_answers_htmx_with_the_table_alone(trained, admin):
    page = logged_in(admin).get(url("list"), headers={"HX-Request": "true", "HX-Target": "rows"}).content
    assert b"<html" not in page
    assert b"First adapter" in page
