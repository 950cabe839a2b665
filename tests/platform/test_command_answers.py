"""What every command of the loop answers where it declines: one JSON object for scripts, one sentence, a status."""

import json
import subprocess
import sys
from io import StringIO

import pytest
from django.conf import settings
from django.core.management import CommandError, call_command

from tests.platform.test_command_rights import COMMANDS


def declined(name: str, *arguments: str) -> tuple[dict, str]:
    """(the object on standard output, the sentence for standard error) of a command that declines."""
    out = StringIO()
    with pytest.raises(CommandError) as refusal:
        call_command(name, *arguments, "--json", stdout=out, stderr=StringIO())
    assert refusal.value.returncode == 1
    assert out.getvalue().count("\n") == 1
    return json.loads(out.getvalue()), str(refusal.value)


@pytest.mark.parametrize("name", COMMANDS)
def test_it_answers_in_json_that_the_project_is_not_there(name, admin):
    answer, sentence = declined(name, *COMMANDS[name], "--project=nowhere")
    assert answer == {"error": sentence}
    assert sentence.startswith("There is no project “nowhere”")


@pytest.mark.parametrize("name", COMMANDS)
def test_it_answers_in_json_that_somebody_may_not(name, admin, pm, expert):
    answer, sentence = declined(name, *COMMANDS[name], "--project=content-copy", "--as=noor")
    assert answer == {"error": sentence}
    assert "does not have the right" in sentence


@pytest.mark.parametrize("name", [name for name in COMMANDS if name not in ("register_model", "add_member")])
def test_it_answers_in_json_what_is_missing(name, admin):
    answer, sentence = declined(name, *COMMANDS[name], "--project=content-copy")
    assert answer == {"error": sentence}
    assert sentence.endswith(".")


def test_it_names_the_rows_that_are_to_blame(admin, tmp_path):
    (tmp_path / "r.csv").write_text("item,arm,rater,criterion,value\nq,a,r,s,x\n")
    answer, sentence = declined("import_ratings", str(tmp_path / "r.csv"), "--project=content-copy", "--study=S")
    problem = {"line": 2, "field": "value", "reason": "“x” is not a number"}
    assert answer == {"error": sentence, "problems": [problem]}


def test_it_answers_in_json_where_no_superuser_is_there(db):
    answer, sentence = declined("create_project", "Copy")
    assert answer == {"error": sentence}


@pytest.mark.parametrize("name", COMMANDS)
def test_people_get_the_sentence_alone(name, admin):
    out = StringIO()
    with pytest.raises(CommandError):
        call_command(name, *COMMANDS[name], "--project=nowhere", stdout=out, stderr=StringIO())
    assert out.getvalue() == ""


@pytest.mark.parametrize(
    ("words", "sentence"),
    [
        (["train", "--json"], "the following arguments are required: --project, --model"),
        (["score", "--project=p", "--run=x", "--json"], "argument --run: invalid int value: 'x'"),
    ],
)
def test_a_line_that_cannot_be_understood_is_answered_in_json_too(words, sentence):
    done = subprocess.run(
        [sys.executable, "manage.py", *words], cwd=settings.BASE_DIR, capture_output=True, text=True, check=False
    )
    assert json.loads(done.stdout) == {"error": sentence}
    assert done.returncode == 2
    assert sentence in done.stderr
