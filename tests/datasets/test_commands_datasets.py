"""manage.py datasets, imports and versions: what the pages say and do about a dataset, at the shell."""

import json
from typing import Any

import pytest
from django.core.management import CommandError

from evalhub.accounts.models import AuditEvent
from evalhub.datasets import actions
from evalhub.datasets.models import Dataset, ImportBatch
from tests.conftest import logged_in
from tests.datasets.conftest import row, worked_off
from tests.datasets.test_commands_verbs import refused, tried

HERE = "--dataset=content-copy"
API = "/api/v1/projects/content-copy/datasets/"


def answer(verb: str, *arguments: object) -> dict[str, Any]:
    return json.loads(tried(verb, *map(str, arguments), HERE, "--json"))


def no(verb: str, *arguments: object) -> str:
    return refused(verb, *map(str, arguments), HERE)


# --- the dataset --------------------------------------------------------------------------------
def test_it_makes_lists_and_shows_datasets_as_the_api_does(project, admin):
    made = json.loads(tried("datasets create", "--name=Web copy", "--credit=CC0", "--json"))["dataset"]
    assert (made["slug"], made["credit"], made["approved"]) == ("web-copy", "CC0", 0)
    assert Dataset.objects.get().created_by == admin
    assert "already has a dataset named" in refused("datasets create", "--name=Web copy")
    assert refused("datasets create", "--name= ") == "A dataset needs a name."
    listed = json.loads(tried("datasets list", "--json"))
    assert listed == {"datasets": logged_in(admin).get(API).json()["results"]}
    assert tried("datasets show", "--dataset=Web copy").startswith("Web copy (web-copy): 0 approved, 0 proposed")


def test_it_describes_what_is_named_and_leaves_the_rest(dataset, admin):
    described = answer("datasets describe", "--description=Headlines", "--benchmark=yes")["dataset"]
    assert (described["description"], described["credit"], described["is_benchmark"]) == ("Headlines", "CC0", True)
    assert answer("datasets describe", "--credit=", "--second-approval=yes")["dataset"]["second_approval"]
    dataset.refresh_from_db()
    assert (dataset.description, dataset.credit, dataset.is_benchmark) == ("Headlines", "", True)
    assert not answer("datasets describe", "--benchmark=no")["dataset"]["is_benchmark"]
    verbs = AuditEvent.objects.order_by("id").values_list("verb", flat=True)
    assert list(verbs)[-4:] == ["describe_dataset", "describe_dataset", "ask_second_approval", "describe_dataset"]


def test_it_refuses_a_description_of_nothing_or_of_too_much(dataset, admin):
    assert no("datasets describe").startswith("Say what to change")
    assert "too long" in no("datasets describe", f"--description={'x' * 10_001}", "--second-approval=yes")
    dataset.refresh_from_db()
    assert (dataset.description, dataset.second_approval) == ("", False)


# --- readiness and thresholds -------------------------------------------------------------------
def test_it_tells_readiness_as_the_api_does(dataset, example, admin):
    assert "has not been checked yet" in tried("datasets readiness", HERE)
    actions.check_examples(dataset, by=admin)
    told = answer("datasets readiness")
    assert told.pop("dataset") == "content-copy"
    assert told == logged_in(admin).get(f"{API}content-copy/readiness/").json()
    assert told["blocking"] >= 1
    assert told["usable"] == 1
    said = tried("datasets readiness", HERE)
    assert all(check["label"] in said for check in told["checks"])
    actions.reject(example, by=admin)
    assert "Examples changed since the last check: 1." in tried("datasets readiness", HERE)


def test_it_keeps_the_thresholds_named_until_the_usual_ones_are_wanted(dataset, admin):
    assert answer("datasets keep-thresholds", "--set=too_few=300")["kept"] == {"too_few": 300}
    kept = answer("datasets keep-thresholds", "--set", "near_duplicate=0.9")
    assert kept["kept"] == {"too_few": 300, "near_duplicate": 0.9}
    assert answer("datasets thresholds") == kept
    assert kept["thresholds"] == logged_in(admin).get(f"{API}content-copy/thresholds/").json()
    assert "* too_few " in tried("datasets thresholds", HERE)
    assert answer("datasets keep-thresholds", "--usual", "--set=enough=2000")["kept"] == {"enough": 2000}
    assert answer("datasets keep-thresholds", "--usual")["kept"] == {}


@pytest.mark.parametrize(
    ("arguments", "part"),
    [
        ([], "Say which"),
        (["--set=too_few"], "no equals sign"),
        (["--set=nonsense=1"], "There is no threshold “nonsense”."),
        (["--set=near_duplicate=7"], "must lie between"),
        (["--set=enough=many"], "must be a number"),
    ],
)
def test_it_keeps_no_threshold_that_means_nothing(dataset, admin, arguments, part):
    assert part in no("datasets keep-thresholds", *arguments)
    dataset.refresh_from_db()
    assert dataset.thresholds == {}


# --- checks -------------------------------------------------------------------------------------
def test_it_lists_and_shows_the_runs_of_the_checks_with_their_flags(dataset, example, admin):
    assert "has not been checked yet" in tried("checks list", HERE)
    actions.edit_example(example, by=admin, values={"output": "Write to ada@lovelace-engines.net"})
    run = actions.check_examples(dataset, by=admin)
    part = actions.check_examples(dataset, by=admin, query="state=approved")
    assert [(one["check"], one["filter"]) for one in answer("checks list")["checks"]] == [
        (part.pk, "state=approved"), (run.pk, ""),
    ]  # fmt: skip
    shown = answer("checks show", run.pk)
    assert (shown["examples"], shown["settings"]["too_few"], shown["by"]) == (1, 500, "ines")
    found = answer("checks flags", run.pk)
    served = logged_in(admin).get(f"{API}content-copy/checks/{run.pk}/flags/").json()["results"]
    assert found == {"check": run.pk, "count": len(served), "flags": served}
    assert {flag["kind"] for flag in answer("checks flags", run.pk, "--kind=personal")["flags"]} == {"personal"}
    assert len(answer("checks flags", run.pk, "--limit=1")["flags"]) == 1
    assert "personal" in tried("checks flags", str(run.pk), HERE)
    assert "No flags." in tried("checks flags", str(part.pk), HERE, "--kind=leaks")
    with pytest.raises(CommandError, match="invalid choice"):
        tried("checks flags", str(run.pk), HERE, "--kind=nonsense")


# --- imports ------------------------------------------------------------------------------------
def test_it_lists_imports_without_and_shows_one_with_its_problems(dataset, admin, file):
    first = actions.import_file(dataset, path=file(row(1), "{"), file_name="a.jsonl", by=admin)
    second = actions.import_file(dataset, path=file(row(2)), file_name="b.jsonl", by=admin)
    found = answer("imports list")
    assert [(one["import"], one["file_name"], one["by"]) for one in found["imports"]] == [
        (second.pk, "b.jsonl", "ines"), (first.pk, "a.jsonl", "ines"),
    ]  # fmt: skip
    assert found["count"] == 2
    assert "problems" not in found["imports"][1]
    assert len(answer("imports list", "--limit=1")["imports"]) == 1
    shown = answer("imports show", first.pk)
    assert (shown["imported"], shown["set_aside"], shown["total"]) == (1, 1, 2)
    assert shown["problems"][0]["line"] == 2
    said = tried("imports show", str(first.pk), HERE)
    assert "a.jsonl, succeeded: 1 stored, 1 set aside, 0 unchanged." in said
    assert "line 2: Not JSON" in said


def test_it_stops_an_import_and_tries_it_again(dataset, admin, file):
    batch = actions.request_import(dataset, path=file(row(1)), file_name="a.jsonl", by=admin)
    stopped = answer("imports cancel", batch.pk)
    assert (stopped["state"], stopped["message"]) == ("cancelled", "Stopped by ines. Nothing was stored.")
    assert answer("imports cancel", batch.pk)["state"] == "cancelled"
    assert not worked_off()
    assert answer("imports retry", batch.pk)["state"] == "queued"
    assert worked_off()[0].state == "succeeded"
    assert no("imports cancel", batch.pk) == "This import has already succeeded."
    assert no("imports retry", batch.pk) == "This import has already succeeded."
    assert ImportBatch.objects.get().imported == 1


def test_it_writes_the_rows_that_were_set_aside(dataset, admin, file, tmp_path):
    rows = [row(1), row(2, output=""), '{"instruction": "=1+1"']
    batch = actions.import_file(dataset, path=file(*rows), file_name="a.jsonl", by=admin)
    told = answer("imports report", batch.pk, f"--out={tmp_path}/p.jsonl")
    assert told == {"import": batch.pk, "set_aside": 2, "file": f"{tmp_path}/p.jsonl"}
    found = [json.loads(line) for line in (tmp_path / "p.jsonl").read_text().splitlines()]
    assert [(item["line"], item["raw"]) for item in found] == [(2, json.dumps(row(2, output=""))), (3, rows[2])]
    answer("imports report", batch.pk, f"--out={tmp_path}/p.csv")
    assert (tmp_path / "p.csv").read_text("utf-8-sig").startswith("file,line,field,reason,row")
    assert (
        no("imports report", batch.pk, f"--out={tmp_path}/p.txt") == "--out wants a name that ends in .csv or .jsonl."
    )
    assert "cannot be written: No such file" in no("imports report", batch.pk, f"--out={tmp_path}/none/p.csv")
    assert {path.name for path in tmp_path.iterdir()} == {"rows.jsonl", "p.jsonl", "p.csv"}


def test_it_looks_at_a_file_and_stores_nothing(dataset, admin, file, tmp_path):
    path = file(row(1), row(2), "{")
    found = json.loads(tried("imports preview", str(path), "--json"))
    assert (found["counts"], found["lacking"]) == ({"rows": 2, "problems": 1}, "")
    assert [item["output"] for item in found["rows"]] == ["Headline 1", "Headline 2"]
    assert found["mapping"]["output"] == "output"
    assert found["problems"][0]["line"] == 3
    assert "3 rows, of which 1 would be set aside." in tried("imports preview", str(path))
    assert not ImportBatch.objects.exists()


def test_it_looks_at_a_file_whose_columns_have_other_names(admin, tmp_path):
    path = tmp_path / "faq.csv"
    path.write_text("question,answer\nWhy?,Because.\n")
    lacking = json.loads(tried("imports preview", str(path), "--json"))
    assert (lacking["columns"], lacking["counts"]) == (["question", "answer"], None)
    assert lacking["lacking"] in tried("imports preview", str(path))
    mapped = ["--map=instruction=question", "--map=output=answer"]
    found = json.loads(tried("imports preview", str(path), *mapped, "--json"))
    assert (found["lacking"], found["rows"][0]["instruction"]) == ("", "Why?")
    assert "question → instruction" in tried("imports preview", str(path), *mapped)
    assert "no equals sign" in refused("imports preview", str(path), "--map=instruction")


@pytest.mark.parametrize(("text", "part"), [(None, "cannot be opened: No such file"), ("", "empty"), ('[{"a"', "")])
def test_it_says_why_a_file_cannot_be_looked_at(admin, tmp_path, text, part):
    path = tmp_path / "rows.json"
    if text is not None:
        path.write_text(text)
    assert part in refused("imports preview", str(path))


# --- versions -----------------------------------------------------------------------------------
def test_it_lists_and_shows_versions_as_the_api_does(dataset, example, admin):
    assert tried("versions list", HERE) == "Content copy has no version yet.\n"
    version = actions.freeze_version(dataset, by=admin, note="First")
    served = logged_in(admin).get(f"{API}content-copy/versions/").json()["results"]
    assert answer("versions list") == {"dataset": "content-copy", "versions": served}
    assert answer("versions show", "--version=1") == {"dataset": "content-copy", "version": served[0]}
    assert "v1" in tried("versions list", HERE)
    assert f"hash: {version.data_hash}" in tried("versions show", HERE, "--version=1")
    assert no("versions show", "--version=2") == "Content copy has no version 2."
