"""import_examples and freeze_version: for scripts one JSON object and an exit status, for people a sentence."""

import json

import pytest
from django.core.management import CommandError, call_command

from evalhub.datasets import actions
from evalhub.datasets.models import Dataset, ImportBatch, Version
from evalhub.jobs import actions as waiting
from tests.datasets.conftest import row, worked_off

INTO = {"project": "content-copy", "dataset": "Content copy", "json": True}


def run(capsys, command: str, *arguments: object, **options: object) -> dict:
    call_command(command, *map(str, arguments), **options)
    return json.loads(capsys.readouterr().out)


def test_it_imports_into_a_dataset_that_it_makes_and_freezes_it(capsys, admin, file):
    path = file(*map(row, range(10)), row(10, output=None))
    found = run(capsys, "import_examples", path, **INTO, credit="CC0")
    problem = {"line": 11, "field": "output", "reason": "The output is empty."}
    assert found == {
        "dataset": "content-copy", "imported": 10, "set_aside": 1, "unchanged": 0, "problems": [problem],
        "import": ImportBatch.objects.get().pk, "state": "succeeded", "message": "10 of 11 rows were stored.",
    }  # fmt: skip
    assert Dataset.objects.get().credit == "CC0"
    assert run(capsys, "import_examples", path, **INTO)["unchanged"] == 10
    frozen = run(capsys, "freeze_version", **INTO, note="first")
    assert frozen["version"] == 1
    assert frozen["counts"]["total"] == 10
    assert frozen["data_hash"] == Version.objects.get().data_hash
    assert Version.objects.get().frozen_by == admin
    with pytest.raises(CommandError, match="already holds exactly these"):
        call_command("freeze_version", **INTO)


def test_it_exits_with_an_error_and_stores_nothing_where_all_or_nothing_was_asked(capsys, admin, file):
    with pytest.raises(CommandError, match="nothing was stored"):
        call_command("import_examples", str(file(row(1), "{")), **INTO, policy="all-or-nothing")
    told = json.loads(capsys.readouterr().out)
    assert (told["imported"], told["problems"][0]["line"]) == (0, 2)
    assert "nothing was stored" in told["error"]
    assert not Dataset.objects.exists()
    assert not ImportBatch.objects.exists()


@pytest.fixture
def a_worker(monkeypatch):
    """Whoever waits for an import finds that a worker has come by."""
    monkeypatch.setattr(waiting.time, "sleep", lambda seconds: worked_off())


def test_it_lets_a_worker_store_the_rows_and_waits(capsys, a_worker, admin, file):
    path = file(row(1), row(2), row(3, output=""))
    found = run(capsys, "import_examples", path, **INTO, queue=True)
    assert (found["state"], found["imported"], found["set_aside"]) == ("succeeded", 2, 1)
    assert found["import"] == ImportBatch.objects.get().pk
    with pytest.raises(CommandError, match="nothing was stored"):
        call_command("import_examples", str(path), **{**INTO, "dataset": "B"}, queue=True, policy="all-or-nothing")
    assert json.loads(capsys.readouterr().out)["state"] == "failed"
    assert [dataset.name for dataset in Dataset.objects.all()] == ["Content copy"]
    with pytest.raises(CommandError, match="nowhere"):
        call_command("import_examples", "nowhere.jsonl", **INTO, queue=True)


def test_it_need_not_wait_for_the_worker(capsys, admin, file):
    found = run(capsys, "import_examples", file(row(1)), **INTO, queue=True, no_wait=True)
    assert (found["state"], found["imported"], found["import"]) == ("queued", 0, ImportBatch.objects.get().pk)
    worked_off()
    assert ImportBatch.objects.get().imported == 1


@pytest.mark.parametrize(("content", "why"), [
    ("", "empty"), ("question,answer\na,b\n", "--map instruction=COLUMN"), ("instruction,output\na,\n", "1 of 1"),
    ("instruction,output\na,b\na,\n", "1 of 2 rows have problems, and all or nothing was asked for"),
])  # fmt: skip
def test_it_leaves_no_dataset_behind_a_file_that_a_worker_would_refuse(capsys, admin, tmp_path, content, why):
    path = tmp_path / "a.csv"
    path.write_text(content)
    with pytest.raises(CommandError, match=why):
        call_command("import_examples", str(path), **INTO, queue=True, no_wait=True, policy="all-or-nothing")
    assert not Dataset.objects.exists()
    assert not ImportBatch.objects.exists()


def test_not_to_wait_goes_with_a_worker_alone(admin, file):
    with pytest.raises(CommandError, match="--no-wait goes with --queue"):
        call_command("import_examples", str(file(row(1))), **INTO, no_wait=True)
    assert not Dataset.objects.exists()


def test_who_stops_waiting_stops_no_import(admin, file, monkeypatch):
    def interrupted(seconds):
        raise KeyboardInterrupt

    monkeypatch.setattr(waiting.time, "sleep", interrupted)
    with pytest.raises(CommandError, match="goes on without you"):
        call_command("import_examples", str(file(row(1))), **INTO, queue=True)
    assert worked_off()[0].state == "succeeded"


def test_an_import_that_was_stopped_is_no_success(capsys, admin, file, monkeypatch):
    def stop(seconds):
        actions.cancel_import(ImportBatch.objects.get(), by=admin)

    monkeypatch.setattr(waiting.time, "sleep", stop)
    with pytest.raises(CommandError, match=r"Stopped by ines\. Nothing was stored\."):
        call_command("import_examples", str(file(row(1))), **INTO, queue=True)
    assert json.loads(capsys.readouterr().out)["state"] == "cancelled"


@pytest.mark.parametrize("content", ["", "question,answer\na,b\n", '[{"instruction": "a"'])
def test_it_leaves_no_empty_dataset_behind_a_file_that_cannot_be_read(capsys, admin, tmp_path, content):
    path = tmp_path / "a.csv"
    path.write_text(content)
    with pytest.raises(CommandError, match=r"^(?!.*\n).*\.$") as refusal:
        call_command("import_examples", str(path), **INTO)
    assert json.loads(capsys.readouterr().out) == {"error": str(refusal.value)}
    assert not Dataset.objects.exists()


def test_it_maps_columns(capsys, admin, tmp_path):
    path = tmp_path / "faq.csv"
    path.write_text("question,answer\nWhy?,Because.\n")
    found = run(capsys, "import_examples", path, **INTO, map=["instruction=question", "output=answer"])
    assert found["imported"] == 1
    with pytest.raises(CommandError, match="no equals sign"):
        call_command("import_examples", str(path), **INTO, map=["instruction"])


def test_it_says_once_which_columns_are_missing_and_how_to_map_them(admin, tmp_path):
    path = tmp_path / "faq.jsonl"
    path.write_text('{"question": "Why?", "answer": "Because."}\n' * 50)
    with pytest.raises(CommandError) as refusal:
        call_command("import_examples", str(path), **INTO)
    assert str(refusal.value).count("question, answer") == 1
    assert str(refusal.value).endswith("say which column is which: --map instruction=COLUMN --map output=COLUMN.")


def test_it_says_one_problem_once_with_its_lines(capsys, admin, file):
    path = file(row(1), *({"instruction": "Why?", "answer": "Because."} for _ in range(5)), "{")
    call_command("import_examples", str(path), project="content-copy", dataset="Content copy")
    said = capsys.readouterr().out.splitlines()
    assert said[1] == "  lines 2, 3, 4 and 2 more: No column “output”. The row has: instruction, answer."
    assert said[2].startswith("  line 7: Not JSON")
    assert len(said) == 3


def test_it_talks_to_people_in_sentences(capsys, admin, file):
    call_command("import_examples", str(file(row(1), "{")), project="content-copy", dataset="Content copy")
    assert "1 of 2 rows were stored." in capsys.readouterr().out
    call_command("freeze_version", project="content-copy", dataset="content-copy")
    assert capsys.readouterr().out.startswith("Content copy v1: 1 train, 0 validation, 0 test. Hash ")


def test_it_acts_only_for_people_with_the_right(admin, pm, outsider, file):
    for name, sentence in (("mara", "right to curate"), ("rex", "right to curate"), ("nobody", "no user “nobody”")):
        with pytest.raises(CommandError, match=sentence):
            call_command("import_examples", str(file(row(1))), **INTO, username=name)
    assert not Dataset.objects.exists()


def test_it_names_what_is_missing(admin, file):
    with pytest.raises(CommandError, match=r"There is no project “nowhere”\. There are: content-copy"):
        call_command("import_examples", str(file(row(1))), **{**INTO, "project": "nowhere"})
    with pytest.raises(CommandError, match="cannot be opened: No such file"):
        call_command("import_examples", "nowhere.jsonl", **INTO)
    with pytest.raises(CommandError, match="has no dataset “Content copy”"):
        call_command("freeze_version", **INTO)
    call_command("import_examples", str(file(row(1))), **INTO)
    with pytest.raises(CommandError, match="wants three numbers"):
        call_command("freeze_version", **INTO, shares="most")
