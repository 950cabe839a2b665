"""The loop's commands of this room: the same actions, one JSON object out, status 0 only when it was done."""

import errno
import io
import json
import tempfile

import pytest
from django.core.management import CommandError, call_command, load_command_class
from django.urls import reverse

from evalhub.errors import FULL
from evalhub.runs.models import Model, Run
from tests.conftest import logged_in
from training.presets import PRESETS
from training.spec import SETTINGS

pytestmark = pytest.mark.django_db


def told(*arguments, **options):
    out = io.StringIO()
    call_command(*arguments, "--project", "content-copy", "--json", stdout=out, **options)
    return json.loads(out.getvalue())


def test_it_walks_from_a_registered_model_to_scores(project, version, admin, capsys):
    assert told("register_model", "acme/small", "--name", "Small")["model"] == "Small"
    trained = told("train", "--model", "Small", "--version", "1", "--set", "epochs=1", "--name", "Tuned")
    assert (trained["state"], trained["model"]) == ("succeeded", "Tuned")
    assert Run.objects.get(pk=trained["run"]).spec["epochs"] == 1
    made = told("generate", "--model", "Tuned", "--dataset", "Website copy", "--set", "temperature=0")
    assert made["result"]["answers"] == 3
    scored = told("score", "--run", str(made["run"]), "--metric", "rouge1")
    assert scored["result"]["metrics"] == {"rouge1": 0.5}
    assert "20 of 20" in capsys.readouterr().err
    assert Run.objects.filter(requested_by=admin).count() == 3


def test_it_imports_answers_and_names_the_rows_that_fit_nothing(project, version, admin, tmp_path):
    path = tmp_path / "model_outputs.json"
    path.write_text(json.dumps([
        {"instruction": "Write headline 5.\n\nText 5.", "output": "Five", "generator": "x"},
        {"instruction": "Unknown", "output": "?", "generator": "x"},
    ]))  # fmt: skip
    answer = told("import_answers", str(path), "--name", "Editors")
    assert answer["answers"] == 1
    assert answer["left_out"] == ["Row 2 fits no example of this split: “Unknown”."]
    assert Model.objects.get(name="Editors").kind == "external"


def said(capsys, *arguments):
    call_command(*arguments, "--project", "content-copy")
    return capsys.readouterr().out.splitlines()


def test_it_tells_people_in_sentences_what_was_done_and_what_comes_next(project, version, base, admin, capsys):
    lines = said(capsys, "train", "--model", base.name, "--name", "Tuned copy")
    number = Run.objects.get().pk
    assert lines == [
        f"Training run {number} has succeeded: the adapter of step 10 is kept as “Tuned copy”.",
        "Validation loss 1.000, 2.500 before training.",
        "Let it answer: python manage.py generate --project content-copy --model 'Tuned copy'",
    ]
    lines = said(capsys, "generate", "--model", "Tuned copy")
    assert lines == [
        f"Generation run {number + 1} has succeeded: Tuned copy answered all 3 test prompts of Website copy v1.",
        "Max tokens: 256 was applied, 512 was asked for.",
        f"Score the answers: python manage.py score --project content-copy --run {number + 1}",
    ]
    lines = said(capsys, "score", "--run", str(number + 1), "--metric", "rouge1")
    assert lines[0] == f"Scoring run {number + 2} has succeeded: 3 answers of run {number + 1} were scored."
    assert lines[1].split() == ["rouge1", "0.500"]
    [line] = said(capsys, "train", "--model", base.name, "--queue", "--no-wait", "--set", "seed=8")
    assert line.startswith(f"Training run {number + 3} is queued for the next free worker of queue gpu")


def test_it_says_of_a_hub_id_that_nobody_has_looked_for_it_until_a_run_has_loaded_it(
    project, version, admin, capsys, settings
):
    settings.OFFLINE = True
    lines = said(capsys, "register_model", "acme/small", "--name", "Small")
    assert lines[0] == "“Small” is registered: base model acme/small."
    assert lines[1].startswith("Whether the hub has acme/small was not checked")
    assert "Contact with the hub is switched off here" in lines[1]
    told("train", "--model", "Small")
    assert told("register_model", "acme/small", "--name", "Small")["unchecked"] == ""
    assert len(said(capsys, "register_model", "acme/small", "--name", "Small")) == 1


def test_it_ends_with_the_failure_when_a_run_fails(project, version, base, admin, mode):
    mode("refused")
    with pytest.raises(CommandError, match="The base model is not there"):
        told("train", "--model", base.name)
    out = io.StringIO()
    with pytest.raises(CommandError):
        call_command("train", "--model", base.name, "--project", "content-copy", "--json", stdout=out)
    answer = json.loads(out.getvalue())
    assert (answer["state"], answer["error"]) == ("failed", "The base model is not there.")


def test_it_refuses_with_a_sentence_and_starts_nothing(project, version, base, admin):
    with pytest.raises(CommandError, match="Rank must be between 1 and 256"):
        told("train", "--model", base.name, "--set", "rank=0")
    with pytest.raises(CommandError, match="There is no model “Nobody”"):
        told("generate", "--model", "Nobody")
    with pytest.raises(CommandError, match=r"^Unknown training setting: epoch\. Did you mean epochs\? There are: "):
        told("train", "--model", base.name, "--set", "epoch=1")
    with pytest.raises(CommandError, match=r"^Unknown sampling setting: max_token\. Did you mean max_tokens\? There"):
        told("generate", "--model", base.name, "--set", "max_token=1")
    assert not Run.objects.exists()


def test_its_help_names_presets_and_settings(capsys):
    with pytest.raises(SystemExit):
        load_command_class("evalhub.runs", "train").run_from_argv(["manage.py", "train", "--help"])
    said = " ".join(capsys.readouterr().out.split())
    assert all(name in said for name in (*PRESETS, *SETTINGS))
    assert "base_model" not in said


def test_it_only_tells_the_queue_where_nobody_waits(project, version, base, admin):
    answer = told("train", "--model", base.name, "--queue", "--no-wait")
    assert answer["state"] == "queued"


def test_it_begins_no_run_that_is_neither_queued_nor_waited_for(project, version, base, admin):
    with pytest.raises(CommandError, match="--no-wait goes with --queue"):
        told("train", "--model", base.name, "--no-wait")
    assert not Run.objects.exists()


@pytest.mark.parametrize("door", ["runs:import", "api-runs:import-answers"])
def test_a_full_disk_is_a_sentence_where_answers_come_in(door, project, version, admin, monkeypatch):
    def refuse(*arguments, **options):
        raise OSError(errno.ENOSPC, "full")

    monkeypatch.setattr(tempfile, "NamedTemporaryFile", refuse)
    file = io.BytesIO(b"id,output\n5,Five\n")
    file.name = "answers.csv"
    given = {"name": "Editors", "version": version.pk, "split": "test", "file": file}
    answer = logged_in(admin).post(reverse(door, args=["content-copy"]), given)
    assert answer.status_code == 409
    assert FULL in answer.content.decode()
    assert not Run.objects.exists()
