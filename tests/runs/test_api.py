"""Models, runs and answers over HTTP: the same doors as the pages, the same refusals."""

import io

import pytest

from evalhub.runs.models import Model, Run
from tests.conftest import logged_in

pytestmark = pytest.mark.django_db
API = "/api/v1/projects/content-copy"


def post(user, path, values):
    return logged_in(user).post(f"{API}/{path}/", values, content_type="application/json")


@pytest.mark.parametrize("path", ["models", "runs"])
def test_it_knows_who_may_read(path, project, admin, pm, expert, outsider, client):
    codes = {user: logged_in(user).get(f"{API}/{path}/").status_code for user in (admin, pm, expert, outsider)}
    assert codes == {admin: 200, pm: 200, expert: 403, outsider: 404}
    assert client.get(f"{API}/{path}/").status_code == 401


def test_it_knows_who_may_ask(project, base, version, admin, pm, expert, outsider):
    wanted = {"base": base.pk, "version": version.pk}
    codes = {user: post(user, "trainings", wanted).status_code for user in (pm, expert, outsider, admin)}
    assert codes == {pm: 403, expert: 403, outsider: 404, admin: 201}
    assert Run.objects.count() == 1


def test_it_asks_for_a_training_with_settings_over_a_preset(project, base, version, admin):
    answer = post(admin, "trainings", {
        "base": base.pk, "version": version.pk, "preset": "article", "settings": {"epochs": 1}, "request_key": "mine",
    })  # fmt: skip
    told = answer.json()
    assert told["state"] == "queued"
    assert told["spec"]["epochs"] == 1
    assert told["spec"]["targets"] == ["q_proj", "v_proj"]
    again = post(admin, "trainings", {"base": base.pk, "version": version.pk, "request_key": "mine"})
    assert again.json()["id"] == told["id"]


def test_it_says_a_refusal_with_409_and_bad_input_with_400(project, base, version, admin):
    broken = post(admin, "trainings", {"base": base.pk, "version": version.pk, "settings": {"rank": 0}})
    assert (broken.status_code, broken.json()["detail"]) == (409, "Rank must be between 1 and 256.")
    odd = post(admin, "trainings", {"base": base.pk, "version": version.pk, "settings": {"rank": "many"}})
    assert odd.status_code == 409
    assert odd.json() == {"detail": "Rank must be a whole number, not 'many'.", "field": "rank"}
    assert post(admin, "trainings", {"base": "x"}).status_code == 400
    assert post(admin, "trainings", {"base": 999, "version": version.pk}).status_code == 404
    assert post(admin, "generations", {"model": base.pk, "version": version.pk, "split": "none"}).status_code == 400
    assert not Run.objects.exists()


def test_it_shows_a_run_its_log_events_and_answers(trained, generated, pm):
    client = logged_in(pm)
    told = client.get(f"{API}/runs/{trained.pk}/").json()
    assert told["state"] == "succeeded"
    assert told["model"] == trained.training.adapter_id
    assert told["result"]["best_step"] == 10
    assert client.get(f"{API}/runs/{trained.pk}/log/").json()["lines"]
    assert len(client.get(f"{API}/runs/{trained.pk}/events/").json()["metrics"]) == 24
    answers = client.get(f"{API}/runs/{generated.pk}/answers/").json()
    assert [answer["key"] for answer in answers["results"]] == ["row-5", "row-6", "row-7"]
    assert client.get(f"{API}/runs/?kind=training").json()["count"] == 1


def test_it_hides_a_run_from_other_projects(trained, outsider):
    client = logged_in(outsider)
    for path in ("", "log/", "events/"):
        assert client.get(f"/api/v1/projects/elsewhere/runs/{trained.pk}/{path}").status_code == 404


def test_it_cancels_retries_and_scores(project, base, version, admin, generated):
    run = post(admin, "trainings", {"base": base.pk, "version": version.pk}).json()["id"]
    assert post(admin, f"runs/{run}/cancel", {}).json()["state"] == "cancelled"
    again = post(admin, f"runs/{run}/retry", {})
    assert (again.status_code, again.json()["retry_of"]) == (201, run)
    scoring = post(admin, "scorings", {"run": generated.pk, "metrics": ["rouge1"]})
    assert scoring.status_code == 201
    wrong = post(admin, "scorings", {"run": generated.pk, "metrics": ["bleu"]})
    assert wrong.json()["detail"].startswith("Unknown metric: bleu.")


def test_it_registers_models_and_imports_answers(project, version, admin):
    made = post(admin, "models", {"name": "Small", "reference": "acme/small"})
    assert (made.status_code, made.json()["kind"]) == (201, "base")
    assert post(admin, "models", {"name": "Small", "reference": "acme/other"}).status_code == 409
    file = io.BytesIO(b'{"key": "row-5", "answer": "Five"}\n{"key": "nobody", "answer": "?"}\n')
    file.name = "answers.jsonl"
    stored = logged_in(admin).post(f"{API}/answers/", {"name": "Editors", "version": version.pk, "file": file})
    assert stored.status_code == 201
    assert stored.json()["answers"] == 1
    assert stored.json()["left_out"] == ["Row 2 fits no example of this split: “nobody”."]
    assert Model.objects.count() == 2
