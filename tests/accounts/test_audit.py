"""The audit log speaks to people: every verb that the code writes has a phrase."""

import ast
from collections.abc import Iterator
from pathlib import Path

import pytest
from django.conf import settings
from django.urls import reverse

from evalhub.accounts.actions import record
from evalhub.accounts.audit import PHRASES, told
from evalhub.accounts.models import AuditEvent
from evalhub.datasets import actions as datasets
from evalhub.runs.models import Run
from tests.conftest import logged_in

POSITION = {"record": 0, "noted": 2, "audit": 2, "_log": 1, "_step": 3}  # where a writer of events takes its verb
KINDS = {f"request {kind}" for kind in Run.Kind.values}


def written_verbs() -> dict[str, str]:
    """{verb: where} of every verb that stands in a call that writes an event."""
    found: dict[str, str] = {}
    for path in sorted((Path(settings.BASE_DIR) / "evalhub").rglob("*.py")):
        if "migrations" not in path.parts:
            for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
                if isinstance(node, ast.Call) and (given := verb_of(node)) is not None:
                    found |= dict.fromkeys(spelled(given), f"{path.name}:{node.lineno}")
    return found


def verb_of(call: ast.Call) -> ast.expr | None:
    named = next((word.value for word in call.keywords if word.arg == "verb"), None)
    name = call.func.id if isinstance(call.func, ast.Name) else ""
    at = POSITION.get(name)
    return named if at is None else call.args[at]


def spelled(given: ast.expr) -> Iterator[str]:
    """The texts an expression may be; one that is only passed on was spelled by the caller."""
    if isinstance(given, ast.Constant):
        yield str(given.value)
    elif isinstance(given, ast.IfExp):
        yield from spelled(given.body)
        yield from spelled(given.orelse)
    elif isinstance(given, ast.JoinedStr):
        assert ast.unparse(given) == "f'request {run.kind}'", "Name the verbs of this text in KINDS."
        yield from KINDS
    else:
        assert isinstance(given, ast.Name), ast.unparse(given)


def test_it_has_a_phrase_for_every_verb_the_code_writes_and_no_other() -> None:
    assert {verb: where for verb, where in written_verbs().items() if verb not in PHRASES} == {}
    assert set(PHRASES) - set(written_verbs()) == set()


@pytest.mark.parametrize("verb", sorted(PHRASES))
def test_it_shows_no_stored_spelling(verb: str) -> None:
    sentence = told(AuditEvent(verb=verb, target="run 3"))
    assert "_" not in sentence
    assert "{" not in sentence
    assert sentence[0].isupper()


def test_it_shows_an_old_verb_as_it_was_stored(db: None) -> None:
    assert told(record("hide_item", by=None, target="item 4")) == "Hide item: item 4"


def test_the_members_page_tells_it_in_words(project, admin) -> None:
    dataset = datasets.create_dataset(project, name="Content copy", by=admin)
    values = {"instruction": "Ask", "output": "Answer"}
    example = datasets.propose_example(dataset, by=admin, values=values, origin={})
    datasets.decide_many(dataset, pks=[example.pk], approving=True, by=admin)
    datasets.freeze_version(dataset, by=admin)
    page = logged_in(admin).get(reverse("accounts:members", args=[project.slug])).content.decode()
    assert "Froze version 1" in page
    assert "Approved 1 example of dataset content-copy" in page
    assert "freeze_version" not in page.lower()
