"""Curating and freezing: edit_example, approve, reject, propose_example, freeze_version."""

import hashlib
import json

import pytest

from evalhub.accounts.models import AuditEvent
from evalhub.datasets import actions
from evalhub.datasets.entries import FROZEN
from evalhub.datasets.export import PromptShape, prompt_rows, training_rows
from evalhub.datasets.exporting.extracts import of_version
from evalhub.datasets.exporting.lines import jsonl
from evalhub.datasets.models import Example, Revision, Version
from evalhub.errors import Refused
from tests.datasets.conftest import DEMO, row

VALUES = {"instruction": "Ask", "input": "Text", "output": "Answer"}


def fill(dataset, by, file, *rows):
    path = file(*rows)
    actions.import_file(dataset, path=path, file_name=path.name, by=by)


def sides(version: Version, field: str = "key") -> dict[str, set[str]]:
    found: dict[str, set[str]] = {"train": set(), "validation": set(), "test": set()}
    for entry in version.entries.all():
        found[entry.split].add(entry.values[field])
    return found


# --- edit ---------------------------------------------------------------------------------------
def test_it_keeps_the_former_text_as_a_revision(example, admin):
    changed = actions.edit_example(example, by=admin, values={"output": "Better\r\nanswer"}, reason="shorter")
    assert (changed.output, changed.revision_number) == ("Better\nanswer", 2)
    before, after = Revision.objects.filter(example=example)
    assert (before.values["output"], after.values["output"], after.reason) == ("Answer", "Better\nanswer", "shorter")
    assert AuditEvent.objects.filter(verb="edit_example", actor=admin).count() == 1


def test_it_does_nothing_for_an_edit_that_changes_nothing(example, admin):
    assert actions.edit_example(example, by=admin, values={"output": "Answer"}).revision_number == 1
    assert not AuditEvent.objects.filter(verb="edit_example").exists()


def test_it_refuses_an_edit_that_would_double_another_row(dataset, example, admin):
    other = actions.propose_example(dataset, by=admin, values={**VALUES, "output": "Other"}, origin={})
    with pytest.raises(Refused, match="already has exactly these texts") as refusal:
        actions.edit_example(other, by=admin, values={"output": "Answer "})
    assert refusal.value.field == "output"
    other.refresh_from_db()
    assert (other.output, other.revision_number) == ("Other", 1)


@pytest.mark.parametrize(
    ("values", "sentence"),
    [
        ({"output": " "}, "The output is empty."),
        ({"output": "a\0"}, "NUL character"),
        ({"wanted_split": "holdout"}, "known are train"),
        ({"category": "x" * 121}, "at most 120"),
        ({"state": "approved"}, "no field “state”"),
    ],
)
def test_it_refuses_values_that_cannot_be_kept(example, admin, values, sentence):
    with pytest.raises(Refused, match=sentence):
        actions.edit_example(example, by=admin, values=values)
    assert Revision.objects.filter(example=example).count() == 1


def test_it_overwrites_nobody(example, admin):
    actions.edit_example(example, by=admin, values={"output": "One"}, expected_revision=1)
    with pytest.raises(Refused, match="Somebody else changed this example"):
        actions.edit_example(example, by=admin, values={"output": "Two"}, expected_revision=1)


# --- decide -------------------------------------------------------------------------------------
def test_it_approves_and_rejects_once(dataset, admin):
    proposal = actions.propose_example(dataset, by=admin, values=VALUES, origin={"study": 1})
    assert proposal.state == "proposed"
    assert actions.approve(proposal, by=admin).state == "approved"
    with pytest.raises(Refused, match="already approved"):
        actions.approve(proposal, by=admin)
    assert actions.reject(proposal, by=admin, reason="dull").state == "rejected"
    with pytest.raises(Refused, match="already rejected"):
        actions.reject(proposal, by=admin)
    verbs = list(AuditEvent.objects.order_by("id").values_list("verb", flat=True))
    assert verbs == ["create_dataset", "propose_example", "approve", "reject"]


def test_it_proposes_the_same_text_once(dataset, example, admin):
    first = actions.propose_example(dataset, by=admin, values={**VALUES, "output": "New"}, origin={"item": 3})
    again = actions.propose_example(dataset, by=admin, values={**VALUES, "output": " New\n"}, origin={"item": 4})
    assert (again.pk, again.origin) == (first.pk, {"item": 3, "again": [{"item": 4}]})
    assert actions.propose_example(dataset, by=admin, values=VALUES, origin={}).pk == example.pk


def test_it_refuses_a_proposal_without_an_answer(dataset, admin):
    with pytest.raises(Refused, match="needs an output"):
        actions.propose_example(dataset, by=admin, values={"instruction": "Ask"}, origin={})


def test_it_approves_a_correction_instead_of_what_it_corrects(dataset, example, admin):
    better = actions.propose_example(dataset, by=admin, values={**VALUES, "output": "Better"}, origin={})
    assert actions.approve_instead(better, by=admin) == [example]
    assert dict(dataset.examples.values_list("output", "state")) == {"Answer": "rejected", "Better": "approved"}


def test_it_decides_many_and_leaves_the_decided_alone(dataset, example, admin):
    other = actions.propose_example(dataset, by=admin, values={**VALUES, "output": "Other"}, origin={})
    assert actions.decide_many(dataset, pks=[example.pk, other.pk, 10**9], approving=True, by=admin).count == 1
    assert dataset.examples.filter(state="approved").count() == 2


# --- freeze -------------------------------------------------------------------------------------
def test_it_freezes_the_shipped_examples_with_their_own_split(dataset, admin):
    actions.import_file(dataset, path=DEMO, file_name=DEMO.name, by=admin)
    [leak] = actions.leaks_of(dataset)  # two pages of the corpus that say nearly the same
    assert (leak.train_title, leak.test_title) == ("Data.gov", "Resources.Data.gov")
    actions.reject(dataset.examples.get(pk=leak.train), by=admin)
    version = actions.freeze_version(dataset, by=admin, note="first")
    assert version.counts == {"train": 1250, "validation": 152, "test": 137, "total": 1539}
    assert (version.number, version.settings["torn_documents"]) == (1, 0)


def test_it_keeps_each_document_on_one_side(dataset, admin, file):
    rows = [row(number, document=f"doc{number // 3}", task=["a", "b"][number % 2]) for number in range(300)]
    fill(dataset, admin, file, *rows)
    version = actions.freeze_version(dataset, by=admin, shares=(0.8, 0.1, 0.1))
    found = sides(version, "source")
    assert not found["train"] & found["test"]
    assert not found["train"] & found["validation"]
    assert not found["validation"] & found["test"]
    assert 220 <= version.counts["train"] <= 260
    assert version.counts["test"] >= 20
    assert version.counts["validation"] >= 20


def test_it_splits_the_same_way_for_the_same_seed_only(dataset, admin, file):
    fill(dataset, admin, file, *map(row, range(60)))
    first = actions.freeze_version(dataset, by=admin, seed=1)
    with pytest.raises(Refused, match="Version 1 already holds exactly these"):
        actions.freeze_version(dataset, by=admin, seed=1)
    other = actions.freeze_version(dataset, by=admin, seed=2)
    back = actions.freeze_version(dataset, by=admin, seed=1)
    assert first.data_hash == back.data_hash != other.data_hash
    assert [first.number, other.number, back.number] == [1, 2, 3]


def test_it_lets_kin_follow_the_wish_of_a_document(dataset, admin, file):
    rows = [row(1, document="d", split="test"), row(2, document="d"), *(row(number) for number in range(3, 9))]
    fill(dataset, admin, file, *rows)
    assert {"r1", "r2"} <= sides(actions.freeze_version(dataset, by=admin))["test"]


def test_it_keeps_rows_with_one_prompt_on_one_side(dataset, admin, file):
    fill(dataset, admin, file, *(row(number, input=f"Text {number // 4}") for number in range(80)))
    found = sides(actions.freeze_version(dataset, by=admin), "input")
    assert not found["train"] & (found["test"] | found["validation"])


def test_it_fills_every_side_of_a_small_dataset(dataset, admin, file):
    fill(dataset, admin, file, *map(row, range(3)))
    version = actions.freeze_version(dataset, by=admin, shares=(0.8, 0.1, 0.1))
    assert version.counts == {"train": 1, "validation": 1, "test": 1, "total": 3}


def test_it_refuses_a_leak_and_names_the_rows(dataset, admin, file):
    same = {"instruction": "Write", "input": "The  Text"}
    fill(dataset, admin, file, row(1, **same, split="train"), row(2, **{**same, "input": "the text"}, split="test"))
    with pytest.raises(Refused, match="1 text stands on two sides of the split, first r1 and r2"):
        actions.freeze_version(dataset, by=admin)
    assert not Version.objects.exists()
    actions.reject(dataset.examples.get(key="r2"), by=admin)
    assert actions.freeze_version(dataset, by=admin).counts["total"] == 1


def test_it_refuses_to_freeze_nothing(dataset, admin):
    with pytest.raises(Refused, match="There is nothing to freeze"):
        actions.freeze_version(dataset, by=admin)
    proposal = actions.propose_example(dataset, by=admin, values=VALUES, origin={})
    with pytest.raises(Refused, match="no approved examples"):
        actions.freeze_version(dataset, by=admin)
    actions.approve(proposal, by=admin)
    assert actions.freeze_version(dataset, by=admin).counts["total"] == 1


@pytest.mark.parametrize("shares", [(0.5, 0.1, 0.1), (1.2, -0.1, -0.1), (0, 0.5, 0.5), (0.5, 0.5)])
def test_it_refuses_shares_that_are_none(dataset, example, admin, shares):
    with pytest.raises(Refused, match="share"):
        actions.freeze_version(dataset, by=admin, shares=shares)


def test_it_honours_a_share_of_nothing(dataset, admin, file):
    fill(dataset, admin, file, *map(row, range(20)))
    counts = actions.freeze_version(dataset, by=admin, shares=(0.5, 0, 0.5)).counts
    assert (counts["validation"], counts["train"], counts["test"]) == (0, 10, 10)


def test_it_freezes_texts_that_later_edits_do_not_touch(dataset, example, admin):
    version = actions.freeze_version(dataset, by=admin)
    actions.edit_example(example, by=admin, values={"output": "Later"})
    (entry,) = version.entries.all()
    assert (entry.values["output"], entry.revision_number) == ("Answer", 1)
    assert actions.freeze_version(dataset, by=admin).entries.get().values["output"] == "Later"


def test_it_hashes_what_the_download_holds(dataset, admin, file):
    fill(dataset, admin, file, *map(row, range(12)))
    version = actions.freeze_version(dataset, by=admin)
    lines = [json.loads(line) for line in jsonl(of_version(version), "alpaca")]
    texts = [{name: line[name] for name in (*FROZEN, "split")} for line in lines]
    canonical = (json.dumps(line, ensure_ascii=False, sort_keys=True, separators=(",", ":")) for line in texts)
    digests = sorted(hashlib.sha256(text.encode()).hexdigest() for text in canonical)
    assert hashlib.sha256("\n".join(digests).encode()).hexdigest() == version.data_hash


# --- export -------------------------------------------------------------------------------------
def test_it_renders_prompts_and_answers(dataset, admin):
    history = [{"role": "user", "content": "A?"}, {"role": "assistant", "content": "B"}]
    values = {**VALUES, "input": "Keep {instruction} and {input}.", "history": history}
    actions.approve(actions.propose_example(dataset, by=admin, values=values, origin={}), by=admin)
    version = actions.freeze_version(dataset, by=admin)
    shape = PromptShape(system="Be brief.", user="Task: {instruction}\n\n{input}")
    (taught,), (asked,) = training_rows(version, "train", shape), prompt_rows(version, "train", shape)
    assert taught["messages"] == [
        {"role": "system", "content": "Be brief."},
        *history,
        {"role": "user", "content": "Task: Ask\n\nKeep {instruction} and {input}."},
        {"role": "assistant", "content": "Answer"},
    ]
    assert asked == {"id": str(version.entries.get().pk), "messages": taught["messages"][:-1]}
    assert list(prompt_rows(version, "test", shape)) == []


def test_it_imports_its_own_download_as_the_same_version(project, dataset, admin, file, tmp_path):
    fill(dataset, admin, file, *(row(number, task="headline", document=f"d{number // 2}") for number in range(30)))
    version = actions.freeze_version(dataset, by=admin)
    path = tmp_path / "v1.jsonl"
    path.write_text("".join(jsonl(of_version(version), "alpaca")))
    copy = actions.create_dataset(project, name="Copy", by=admin)
    actions.import_file(copy, path=path, file_name=path.name, by=admin)
    assert actions.freeze_version(copy, by=admin).data_hash == version.data_hash
    assert Example.objects.filter(dataset=copy).count() == 30
