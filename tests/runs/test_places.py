"""Where a model may lie, the same by page, API and command; and what of a folder's path is shown to whom."""

import json
from pathlib import Path
from urllib.parse import urlsplit

import pytest
from django.core.management import CommandError, call_command
from django.urls import reverse

from evalhub.accounts.models import User
from evalhub.errors import Refused
from evalhub.runs import actions, places
from evalhub.runs.models import Model
from tests.conftest import logged_in

pytestmark = pytest.mark.django_db
MODELS = "/api/v1/projects/content-copy/models/"
OUTSIDE = "EVALHUB_MODEL_ROOTS"
METADATA = "link-local or metadata"


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """A folder with weights, in a place that the settings allow."""
    made = tmp_path / "models" / "small"
    made.mkdir(parents=True)
    (made / "config.json").write_text('{"model_type": "llama"}')
    (made / "model.safetensors").write_bytes(b"weights")
    return made


def refusal_by_page(user, **given: str) -> str:
    answer = logged_in(user).post(reverse("runs:register", args=["content-copy"]), {"name": "M", **given})
    assert answer.status_code in (200, 400, 409)
    return answer.content.decode()


def refusal_by_api(user, **given: str) -> str:
    answer = logged_in(user).post(MODELS, json.dumps({"name": "M", **given}), content_type="application/json")
    assert answer.status_code == 409
    return answer.json()["detail"]


def refusal_by_command(reference: str, kind: str) -> str:
    with pytest.raises(CommandError) as told:
        call_command("register_model", reference, project="content-copy", name="M", kind=kind)
    return str(told.value)


@pytest.mark.parametrize(
    ("kind", "reference", "words"),
    [
        ("base", "/etc", OUTSIDE),
        ("base", "/nowhere/at/all", OUTSIDE),
        ("base", "evalhub/accounts", OUTSIDE),
        ("endpoint", "http://169.254.169.254/v1", METADATA),
        ("endpoint", "file:///etc/passwd", "begins with http"),
    ],
)
def test_it_refuses_the_same_by_every_door(project, admin, kind, reference, words) -> None:
    told = [
        refusal_by_page(admin, kind=kind, reference=reference),
        refusal_by_api(admin, kind=kind, reference=reference),
        refusal_by_command(reference, kind),
    ]
    assert all(words in sentence for sentence in told)
    assert not Model.objects.exists()


def test_it_takes_a_folder_under_an_allowed_root(project, admin, folder) -> None:
    made = actions.register_model(project, name="Small", reference=str(folder), by=admin)
    assert made.reference == str(folder)


def test_it_follows_a_link_to_where_it_leads(project, admin, folder, tmp_path_factory) -> None:
    elsewhere = tmp_path_factory.mktemp("elsewhere")
    (folder.parent / "link").symlink_to(elsewhere)
    for reference in (folder.parent / "link", folder / ".." / ".." / ".." / elsewhere.name):
        with pytest.raises(Refused, match=OUTSIDE):
            actions.register_model(project, name="Link", reference=str(reference), by=admin)


@pytest.mark.parametrize(
    "host",
    ["169.254.169.254", "2852039166", "0xa9fea9fe", "169.254.43518", "[fe80::1]", "[::ffff:169.254.169.254]",
     "[fd00:ec2::254]", "100.100.100.200", "metadata.google.internal", "METADATA.google.internal.", "0.0.0.0"],
)  # fmt: skip
def test_it_knows_metadata_addresses_in_every_spelling(host: str) -> None:
    with pytest.raises(Refused, match=METADATA):
        places.allowed_host(urlsplit(f"http://{host}/v1"))


@pytest.mark.parametrize("host", ["localhost:8000", "127.0.0.1:8000", "10.1.2.3", "vllm", "api.openai.com", "[::1]"])
def test_it_lets_the_servers_of_people_be(host: str) -> None:
    places.allowed_host(urlsplit(f"https://{host}/v1"))


def test_it_takes_only_the_hosts_that_are_named(project, admin, settings) -> None:
    settings.ENDPOINT_HOSTS = ["vllm"]
    actions.register_model(project, name="Ours", reference="http://VLLM:8000/v1", by=admin, kind="endpoint")
    with pytest.raises(Refused, match="EVALHUB_ENDPOINT_HOSTS names"):
        actions.register_model(project, name="Theirs", reference="https://api.openai.com/v1", by=admin, kind="endpoint")


def test_it_shows_a_folders_name_and_to_superusers_its_path(project, admin, pm, folder) -> None:
    made = actions.register_model(project, name="Small", reference=str(folder), by=admin)
    chief = User.objects.create_superuser("chief", "chief@example.org", "correct horse battery")
    page, one = reverse("runs:models", args=["content-copy"]), f"{MODELS}{made.pk}/"
    for user in (admin, pm):
        client = logged_in(user)
        assert "local folder small" in client.get(page).content.decode()
        assert client.get(one).json()["reference"] == "local folder small"
        assert not [door for door in (page, MODELS, one) if str(folder.parent) in client.get(door).content.decode()]
    assert str(folder) in logged_in(chief).get(page).content.decode()
    assert logged_in(chief).get(one).json()["reference"] == str(folder)


def test_a_runs_specification_names_the_folder_alone(project, admin, pm, version, folder) -> None:
    base = actions.register_model(project, name="Small", reference=str(folder), by=admin)
    run = actions.request_training(project, base=base, version=version, by=admin, send=False)
    told = logged_in(pm).get(f"/api/v1/projects/content-copy/runs/{run.pk}/")
    assert told.json()["spec"]["base_model"] == "local folder small"
    assert str(folder) not in told.content.decode()
    assert run.spec["base_model"] == str(folder)
