"""The server's keys for endpoints: who may send them where, and which of them a run's process sees."""

import json

import pytest
from django.core.management import CommandError, call_command
from django.urls import reverse

from evalhub.errors import Refused
from evalhub.runs import actions, follow, tasks
from evalhub.runs.models import Model, Run
from tests.conftest import logged_in

pytestmark = pytest.mark.django_db
KEY = "EVALHUB_KEY_OPENAI"
OWN_HOST = "https://llm.example.net/v1"
WORDS = "is sent only to hosts that EVALHUB_ENDPOINT_HOSTS names"


def register(project, user, reference, key=KEY):
    facts = {"key_variable": key, "model": "small"}
    return actions.register_model(project, name="M", reference=reference, by=user, kind="endpoint", facts=facts)


def test_it_sends_no_key_to_a_host_of_an_admins_choice_by_any_door(project, admin) -> None:
    given = {"name": "M", "kind": "endpoint", "reference": OWN_HOST}
    page = logged_in(admin).post(reverse("runs:register", args=["content-copy"]), {**given, "key_variable": KEY})
    body = json.dumps({**given, "facts": {"key_variable": KEY}})
    door = "/api/v1/projects/content-copy/models/"
    api = logged_in(admin).post(door, body, content_type="application/json")
    with pytest.raises(CommandError, match=WORDS):
        call_command("register_model", OWN_HOST, project="content-copy", name="M", kind="endpoint",
                     set=[f"key_variable={KEY}"])  # fmt: skip
    assert WORDS in page.content.decode()
    assert WORDS in api.json()["detail"]
    assert not Model.objects.exists()


@pytest.mark.parametrize("reference", ["http://api.openai.com/v1", "https://api.openai.com.example.net/v1"])
def test_it_knows_openais_own_address_alone(project, admin, reference) -> None:
    with pytest.raises(Refused, match=WORDS):
        register(project, admin, reference)
    assert register(project, admin, "https://api.openai.com/v1").pk


def test_it_sends_a_key_where_the_operator_allows(project, admin, settings) -> None:
    settings.ENDPOINT_HOSTS = ["vllm"]
    assert register(project, admin, "http://vllm:8000/v1", "EVALHUB_KEY_OURS").pk


@pytest.fixture
def asked(project, version, admin) -> Run:
    """A run at an endpoint that was registered before its host needed a name."""
    model = Model.objects.create(
        project=project, name="M", kind="endpoint", reference=OWN_HOST, facts={"key_variable": KEY, "model": "small"}
    )
    return actions.request_generation(project, model=model, version=version, by=admin, send=False)


def test_the_worker_checks_again_before_it_hands_a_key_over(asked) -> None:
    tasks.work(asked.pk)
    asked.refresh_from_db()
    assert asked.state == "failed"
    assert WORDS in asked.message


def test_a_process_sees_the_one_key_that_its_run_needs(asked, settings, monkeypatch) -> None:
    settings.ENDPOINT_HOSTS = ["llm.example.net"]
    for name in (KEY, "EVALHUB_KEY_OTHER", "EVALHUB_CACHE_URL"):
        monkeypatch.setenv(name, "secret")
    assert [name for name, value in follow.environment(asked).items() if value == "secret"] == [KEY]
    asked.spec["endpoint_key_variable"] = ""
    assert "secret" not in follow.environment(asked).values()
