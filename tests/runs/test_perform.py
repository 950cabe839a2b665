"""Runs done in line, with the worker's own code: what goes into the folder, what comes out of it."""

import hashlib
import json
import shutil
from importlib import import_module

import pytest
from django.apps import apps
from django.core.files.storage import default_storage

from evalhub.accounts.models import AuditEvent
from evalhub.runs import actions, artefacts, lifecycle, results, tasks
from evalhub.runs.folders import folder_of, prepared
from evalhub.runs.models import Answer, Model, Run, Score
from runkit.folder import read_json, read_jsonl

pytestmark = pytest.mark.django_db


def test_it_trains_an_adapter_and_registers_it(trained, base, project):
    adapter = trained.training.adapter
    assert trained.state == "succeeded"
    assert (trained.done, trained.total) == (20, 20)
    assert adapter.kind == "adapter"
    assert adapter.base == base
    assert adapter.name == "First adapter"
    assert adapter.template_hash == "t" * 64
    assert default_storage.exists(f"artefacts/{adapter.content_hash}/adapter_model.safetensors")
    assert AuditEvent.objects.filter(project=project, verb="keep adapter").count() == 1


def test_an_adapter_goes_by_one_hash_wherever_it_is_named(trained, project, version, admin):
    adapter = trained.training.adapter
    run = actions.perform(actions.request_generation(project, model=adapter, version=version, by=admin, send=False))
    weights = folder_of(trained) / "adapter" / "adapter_model.safetensors"
    expected = hashlib.sha256(weights.read_bytes()).hexdigest()
    assert adapter.content_hash == adapter.facts["served"]["adapter_hash"] == expected
    assert trained.result["adapter_hash"] == run.result["adapter_hash"] == expected
    assert adapter.reference == f"artefacts/{expected}"
    assert AuditEvent.objects.get(verb="keep adapter").details["hash"] == expected


def test_an_adapter_is_given_no_longer_prompts_than_it_was_trained_on(project, base, version, admin):
    ask = {"version": version, "by": admin, "send": False}
    trained = actions.perform(actions.request_training(project, base=base, settings={"max_length": 64}, **ask))
    tuned = actions.request_generation(project, model=trained.training.adapter, **ask)
    plain = actions.request_generation(project, model=base, **ask)
    assert (tuned.spec["max_prompt_tokens"], plain.spec["max_prompt_tokens"]) == (64, 0)


def test_the_migration_gives_older_adapters_the_hash_that_training_recorded(trained):
    adapter = trained.training.adapter
    Model.objects.filter(pk=adapter.pk).update(content_hash="f" * 64)
    import_module("evalhub.runs.migrations.0003_one_adapter_hash").take_the_recorded_hash(apps, None)
    adapter.refresh_from_db()
    assert adapter.content_hash == trained.result["adapter_hash"]


def test_it_writes_only_training_sides_into_a_training_folder(trained):
    folder = folder_of(trained)
    assert len(list(read_jsonl(folder / "train.jsonl"))) == 4
    assert len(list(read_jsonl(folder / "validation.jsonl"))) == 1
    texts = "".join(path.read_text() for path in folder.glob("*.jsonl"))
    assert "Text 5." not in texts  # the test side


def test_it_answers_only_the_asked_split_and_never_shows_the_reference(generated):
    prompts = list(read_jsonl(folder_of(generated) / "prompts.jsonl"))
    assert len(prompts) == 3
    assert "Headline 5" not in json.dumps(prompts)
    answers = generated.generation.answers.all()
    assert answers[0].text == "Answer to Write headline 5.\n\nText 5."
    assert [answer.latency_seconds for answer in answers] == [0.25, None, None]
    assert "latency_by_id" not in generated.result


def test_it_scores_each_answer_once_per_metric(generated, admin):
    for _ in range(2):  # the second time over the first
        run = actions.perform(
            actions.request_scoring(generated.generation, by=admin, metrics=("rouge1", "rougeL"), send=False)
        )
        assert run.state == "succeeded"
    assert Score.objects.count() == 6
    assert run.result["metrics"] == {"rouge1": 0.5, "rougeL": 0.5}


def test_it_asks_an_adapter_in_the_folder_of_its_artefact(trained, version, project, admin):
    adapter = trained.training.adapter
    run = actions.perform(actions.request_generation(project, model=adapter, version=version, by=admin, send=False))
    spec = read_json(folder_of(run) / "spec.json")
    assert run.state == "succeeded"
    assert spec["base_model"] == "acme/small"
    assert spec["adapter"] == str(artefacts.local_folder(adapter.reference))
    assert spec["adapter_facts"]["template"]["hash"] == "t" * 64
    assert run.generation.template == trained.training.template


def test_it_doubles_nothing_when_a_worker_dies_between_the_result_and_the_row(trained):
    """The process has finished, the row was never told: the next worker keeps the result without starting anything."""
    Run.objects.filter(pk=trained.pk).update(state="queued", result={})
    tasks.work(trained.pk)
    trained.refresh_from_db()
    assert trained.state == "succeeded"
    assert trained.result["best_step"] == 10
    assert Model.objects.filter(kind="adapter").count() == 1
    assert AuditEvent.objects.filter(verb="keep adapter").count() == 1


def test_it_keeps_answers_over_themselves(generated):
    rows = list(read_jsonl(folder_of(generated) / "answers.jsonl"))
    results.keep_answers(generated.generation, rows, results.entry_ids(generated.generation))
    assert Answer.objects.count() == 3


def test_it_fails_with_the_programs_own_sentence(project, base, version, admin, mode):
    mode("refused")
    run = actions.perform(actions.request_training(project, base=base, version=version, by=admin, send=False))
    assert run.state == "failed"
    assert run.message == "The base model is not there."


def test_it_says_so_when_a_process_leaves_no_reason(project, base, version, admin, mode):
    mode("silent-end")
    run = actions.perform(actions.request_training(project, base=base, version=version, by=admin, send=False))
    assert run.message == "The process ended with status 1 and left no reason; its log may tell."


def test_it_goes_on_once_after_a_kill_from_where_the_process_died(project, base, version, admin, mode):
    mode("killed-once")
    run = actions.perform(actions.request_training(project, base=base, version=version, by=admin, send=False))
    assert run.state == "succeeded"
    assert run.attempt == 2
    assert any("Resumed at 4" in line["text"] for line in run.journal.log)


def test_it_fails_after_a_second_kill_and_says_why(project, base, version, admin, mode):
    mode("killed")
    run = actions.perform(actions.request_training(project, base=base, version=version, by=admin, send=False))
    assert run.state == "failed"
    assert run.message.startswith("The training process was killed (signal 9), most often for want of memory")
    assert run.attempt == 2


def test_it_keeps_no_adapter_that_could_run_code(project, base, version, admin, trained):
    folder = folder_of(trained)
    (folder / "adapter" / "pytorch_model.bin").write_bytes(b"pickle")
    Run.objects.filter(pk=trained.pk).update(state="queued")
    tasks.work(trained.pk)
    trained.refresh_from_db()
    assert trained.state == "failed"
    assert trained.message == "Only safetensors are accepted; the folder holds pytorch_model.bin."


def test_it_says_so_where_the_weights_are_missing(project, base, version, admin, trained):
    (folder_of(trained) / "adapter" / "adapter_model.safetensors").unlink()
    Run.objects.filter(pk=trained.pk).update(state="queued")
    tasks.work(trained.pk)
    trained.refresh_from_db()
    assert trained.message == "The run left no adapter: adapter_model.safetensors is missing in its folder."


def test_it_mends_an_artefact_that_a_crash_left_half_written(trained, tmp_path):
    adapter = trained.training.adapter
    stored = artefacts.local_folder(adapter.reference)
    (stored / artefacts.MANIFEST).unlink()
    (stored / "adapter_model.safetensors").write_bytes(b"half")
    key, content = artefacts.keep_folder(folder_of(trained) / "adapter")
    assert (key, content) == (adapter.reference, adapter.content_hash)
    assert (stored / "adapter_model.safetensors").read_bytes() == b"weights of 4"


def test_it_sets_aside_a_folder_of_another_database_with_the_same_number(trained):
    old = folder_of(trained)
    Run.objects.filter(pk=trained.pk).update(created_at="2020-01-01T00:00:00Z")
    trained.refresh_from_db()
    assert not (prepared(trained) / "result.json").exists()
    assert len(list(old.parent.glob(f"{trained.pk}.before-*"))) == 1


def test_it_writes_nothing_for_a_run_that_was_taken_from_it(project, base, version, admin, trained):
    run = actions.request_training(project, base=base, version=version, by=admin, settings={"seed": 8}, send=False)
    claim = lifecycle.claim(run.pk)
    folder = prepared(claim.run())
    lifecycle.release(claim, message="lost", lost=True)
    for name in ("result.json",):
        (folder / name).write_text((folder_of(trained) / name).read_text())
    shutil.copytree(folder_of(trained) / "adapter", folder / "adapter")
    assert not results.keep(claim, claim.run(), folder)
    assert Model.objects.filter(kind="adapter").count() == 1
