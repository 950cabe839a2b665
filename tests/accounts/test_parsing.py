"""JSON that no answer could say again is refused everywhere, with a sentence; what no database keeps is, too."""

import json
from typing import Any

import pytest

from evalhub.accounts.models import AuditEvent, User
from evalhub.runs.models import Model
from tests.conftest import logged_in

PROJECT = "/api/v1/projects/content-copy/"
HALF = "\ud800"
PLACES = [
    ("datasets/", {"name": HALF}),
    ("datasets/", {"name": "Copy", HALF: 1}),
    ("models/", {"name": "A", "reference": "acme/a", "facts": {HALF: 1}}),
    ("models/", {"name": "A", "reference": "acme/a", "kind": HALF}),
    ("studies/", {"name": "A", "arms": [], "criteria": [{"key": "a", "name": "A", "anchors": {"1": [HALF]}}]}),
]


@pytest.mark.parametrize(("path", "data"), PLACES)
def test_half_a_character_is_refused_wherever_it_stands(admin: User, path: str, data: dict[str, Any]) -> None:
    client = logged_in(admin)
    refused = client.post(PROJECT + path, json.dumps(data), content_type="application/json")
    assert (refused.status_code, "surrogate" in refused.json()["detail"]) == (400, True)
    assert client.get(PROJECT + path).status_code == 200
    assert not AuditEvent.objects.exists()


def test_a_whole_pair_is_a_character(admin: User) -> None:
    made = logged_in(admin).post(
        f"{PROJECT}datasets/", '{"name": "\\ud83d\\ude00 Copy"}', content_type="application/json"
    )
    assert (made.status_code, made.json()["name"]) == (201, "😀 Copy")


def test_json_that_is_nested_too_deeply_is_refused(admin: User) -> None:
    deep = '{"name": ' + "[" * 200_000 + "]" * 200_000 + "}"
    refused = logged_in(admin).post(f"{PROJECT}datasets/", deep, content_type="application/json")
    assert (refused.status_code, "too deeply" in refused.json()["detail"]) == (400, True)


def test_a_model_s_facts_are_what_a_database_can_keep(admin: User) -> None:
    client = logged_in(admin)
    for facts in ({"note": "a\0b"}, {"a\0": 1}, {"deep": [{"x": "\0"}]}):
        given = {"name": "Small", "kind": "endpoint", "reference": "http://127.0.0.1:9/v1", "facts": facts}
        refused = client.post(f"{PROJECT}models/", json.dumps(given), content_type="application/json")
        assert (refused.status_code, refused.json()["field"]) == (409, "facts")
    assert not Model.objects.exists()
    assert client.get(f"{PROJECT}models/").status_code == 200
