"""Every verb of the commands of this room: who may, what it says of a dataset, a thing or a word that is not there."""

import json
import subprocess
import sys
from io import StringIO

import pytest
from django.conf import settings
from django.core.management import CommandError, call_command, get_commands, load_command_class

from evalhub.accounts.models import AuditEvent
from evalhub.accounts.permissions import Right
from evalhub.datasets import actions
from evalhub.datasets.management.verbs import VerbCommand
from evalhub.datasets.models import Dataset, Example

HERE = "--dataset=Content copy"
LOOK = {
    "datasets list": [], "datasets show": [HERE], "datasets readiness": [HERE], "datasets thresholds": [HERE],
    "imports list": [HERE], "imports show": ["1", HERE],
    "imports report": ["1", HERE, "--out=problems.csv"], "examples list": [HERE], "examples show": ["1", HERE],
    "examples duplicates": ["1", HERE], "views list": [HERE], "changes list": [HERE], "versions list": [HERE],
    "versions show": [HERE, "--version=1"], "checks list": [HERE], "checks show": ["1", HERE],
    "checks flags": ["1", HERE],
}  # fmt: skip
CHANGE = {
    "datasets create": ["--name=New"], "datasets describe": [HERE, "--description=Own words"],
    "datasets keep-thresholds": [HERE, "--usual"], "imports cancel": ["1", HERE], "imports retry": ["1", HERE],
    "imports preview": ["rows.jsonl"],
    "examples propose": [HERE, "--set=instruction=Why?", "--set=output=Because."],
    "examples edit": ["1", HERE, "--set=output=Other"], "examples approve": ["1", HERE],
    "examples reject": ["1", HERE], "examples approve-instead": ["1", HERE], "examples keep": ["1", HERE],
    "examples comment": ["1", HERE, "--text=Good"], "examples delete": ["1", HERE],
    "views save": [HERE, "--name=All", "--filter=state=proposed"], "views forget": [HERE, "--name=All"],
}  # fmt: skip
VERBS = {**LOOK, **CHANGE}


def tried(verb: str, *arguments: str, project: str = "content-copy") -> str:
    out = StringIO()
    call_command(*verb.split(), *arguments, f"--project={project}", stdout=out, stderr=StringIO())
    return out.getvalue()


def refused(verb: str, *arguments: str) -> str:
    """The sentence with which it declines; with --json the one object says the same."""
    out = StringIO()
    with pytest.raises(CommandError) as refusal:
        call_command(*verb.split(), *arguments, "--project=content-copy", "--json", stdout=out, stderr=StringIO())
    assert json.loads(out.getvalue()) == {"error": str(refusal.value)}
    return str(refusal.value)


def found_verbs() -> dict[str, Right]:
    ours = {name: load_command_class(app, name) for name, app in get_commands().items() if app == "evalhub.datasets"}
    commands = {name: command for name, command in ours.items() if isinstance(command, VerbCommand)}
    return {f"{name} {verb.name}": verb.right for name, command in commands.items() for verb in command.verbs}


def test_every_verb_is_tried_here():
    rights = found_verbs()
    assert set(rights) == set(VERBS)
    assert {verb for verb, right in rights.items() if right == Right.VIEW_DATA} == set(LOOK)
    assert {verb for verb, right in rights.items() if right == Right.CURATE} == set(CHANGE)


@pytest.mark.parametrize("verb", VERBS)
def test_it_refuses_whoever_lacks_the_right_and_changes_nothing(dataset, example, admin, pm, expert, outsider, verb):
    before, noted = list(Example.objects.values()), AuditEvent.objects.count()
    for person in [expert, outsider] if verb in LOOK else [pm, expert, outsider]:
        assert f"{person.username} does not have the right to" in refused(verb, *VERBS[verb], f"--as={person.username}")
    assert (list(Example.objects.values()), AuditEvent.objects.count()) == (before, noted)
    assert list(Dataset.objects.values_list("name", "description")) == [("Content copy", "")]


@pytest.mark.parametrize("verb", [verb for verb in VERBS if HERE in VERBS[verb]])
def test_it_says_that_there_is_no_such_dataset_and_finds_none_of_another_project(dataset, admin, outsider, verb):
    arguments = [word for word in VERBS[verb] if not word.startswith("--dataset")]
    sentence = "The project content-copy has no dataset “Elsewhere”."
    actions.create_dataset(outsider.memberships.get().project, name="Elsewhere", by=outsider)
    assert refused(verb, *arguments, "--dataset=Elsewhere") == sentence


@pytest.mark.parametrize("verb", [verb for verb in VERBS if VERBS[verb][:1] == ["1"]])
@pytest.mark.parametrize("number", ["1", "0", "9" * 40])
def test_it_says_that_there_is_no_such_number(dataset, admin, verb, number):
    what = verb.split()[0].removesuffix("s")
    assert refused(verb, number, *VERBS[verb][1:]) == f"Content copy has no {what} {number}."


def test_it_takes_no_number_of_another_dataset(dataset, example, admin):
    actions.create_dataset(dataset.project, name="Other", by=admin)
    sentence = refused("examples delete", str(example.pk), "--dataset=Other")
    assert sentence == f"Other has no example {example.pk}."
    assert Example.objects.filter(pk=example.pk).exists()


@pytest.mark.parametrize("text", ["\0", "\udcff"])
@pytest.mark.parametrize(
    ("verb", "arguments", "option"),
    [
        ("datasets create", [], "name"),
        ("examples comment", ["1", HERE], "text"),
        ("examples reject", ["1", HERE], "reason"),
        ("views forget", [HERE], "name"),
        ("datasets show", [], "dataset"),
    ],
)
def test_it_refuses_what_no_text_can_hold(dataset, example, admin, verb, arguments, option, text):
    assert refused(verb, *arguments, f"--{option}=a{text}b") == f"--{option} holds characters that cannot be kept."


@pytest.mark.parametrize(
    ("words", "sentence"),
    [
        (["examples", "--json"], "the following arguments are required: VERB"),
        (["examples", "show", "x", "--project=p", "--dataset=d", "--json"], "argument ID: invalid int value: 'x'"),
        (["changes", "list", "--project=p", "--dataset=d", "--limit=0", "--json"],
         "argument --limit: “0” is no whole number from 1 to 500."),
    ],
)  # fmt: skip
def test_a_line_that_cannot_be_understood_is_answered_in_json_too(words, sentence):
    done = subprocess.run(
        [sys.executable, "manage.py", *words], cwd=settings.BASE_DIR, capture_output=True, text=True, check=False
    )
    assert (json.loads(done.stdout), done.returncode) == ({"error": sentence}, 2)
