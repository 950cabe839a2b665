"""What a version holds: the test set it carries on, its minimum, what it replays, the request that made it."""

import hashlib
import json
import tracemalloc

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from evalhub.datasets import actions, freezing, leakage, looking
from evalhub.datasets.actions import versions
from evalhub.datasets.entries import FROZEN, data_hash, row_digest
from evalhub.datasets.freezing import Plan
from evalhub.datasets.leakage import Leaking
from evalhub.datasets.models import Dataset, Version
from evalhub.datasets.replaying import Replay
from evalhub.errors import Refused
from tests.datasets.conftest import row
from tests.datasets.test_leakage import THREE, filled, page

ODD = st.text(st.characters(codec="utf-8", exclude_characters="\0"), min_size=1, max_size=30).filter(str.strip)
ROWS = st.lists(st.tuples(ODD, ODD, ODD, st.lists(ODD, max_size=2)), min_size=1, max_size=12)


def own_hash(version: Version) -> str:
    return data_hash(row_digest(values, split) for values, split in version.entries.values_list("values", "split"))


def ids(version: Version, side: str) -> set[int]:
    return set(version.entries.filter(split=side).values_list("example_id", flat=True))


# --- the copy -----------------------------------------------------------------------------------
@settings(max_examples=40, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(rows=ROWS, seed=st.integers(0, 5))
def test_what_the_database_copied_is_what_was_hashed_and_nothing_is_lost_or_doubled(project, admin, rows, seed) -> None:
    dataset = actions.create_dataset(project, name=f"Odd {Dataset.objects.count()}", by=admin)
    for instruction, text, output, turns in rows:
        history = [{"role": role, "content": turn} for turn in turns for role in ("user", "assistant")]
        values = {"instruction": instruction, "input": text, "output": output, "history": history}
        proposal = actions.propose_example(dataset, by=admin, values=values, origin={})
        if proposal.state == "proposed":
            actions.approve(proposal, by=admin)
    version = actions.freeze_version(dataset, by=admin, seed=seed, shares=THREE, leak_reason="any")
    assert own_hash(version) == version.data_hash
    assert sorted(version.entries.values_list("example_id", flat=True)) == sorted(
        dataset.examples.values_list("id", flat=True)
    )
    assert list(version.entries.values_list("position", flat=True)) == list(range(1, version.counts["total"] + 1))
    for entry in version.entries.select_related("example"):
        assert all(entry.values[name] == getattr(entry.example, name) for name in entry.values)


def test_it_copies_in_chunks_and_tells_how_far_it_is(dataset, admin, file, monkeypatch) -> None:
    monkeypatch.setattr("evalhub.datasets.entries.CHUNK", 7)
    filled(dataset, admin, file, *map(row, range(30)))
    heard: list[tuple[int, int]] = []
    version = actions.freeze_version(dataset, by=admin, progress=lambda *steps: heard.append(steps))
    assert heard == [(15, 30), (18, 30), (22, 30), (25, 30), (29, 30), (30, 30)]
    assert version.entries.count() == 30


def test_the_default_is_ninety_to_ten_without_a_test_set(dataset, admin, file) -> None:
    filled(dataset, admin, file, *map(page, range(100)))
    version = actions.freeze_version(dataset, by=admin)
    assert version.counts == {"train": 90, "validation": 10, "test": 0, "total": 100}
    assert version.settings["shares"] == [0.9, 0.1, 0.0]
    assert version.settings["collection"] == {"examples": 100, "share": 0.1}


# --- the test set -------------------------------------------------------------------------------
def test_a_minimum_of_the_test_set_is_reached_or_refused(dataset, admin, file) -> None:
    own = [page(number, split="train") for number in range(40, 60)]
    filled(dataset, admin, file, *map(page, range(40)), *own)
    with pytest.raises(Refused, match="at least 50 examples was asked for, and 40 can be tested: 20 of the 60"):
        actions.freeze_version(dataset, by=admin, min_test=50)
    assert not Version.objects.exists()
    version = actions.freeze_version(dataset, by=admin, min_test=25)
    assert version.counts["test"] == 25
    assert version.settings["min_test"] == 25


def test_the_golden_test_set_survives_edits_rejections_and_imports(dataset, admin, file) -> None:
    filled(dataset, admin, file, *map(page, range(60)))
    first = actions.freeze_version(dataset, by=admin, min_test=20)
    golden = sorted(ids(first, "test"))
    edited, rejected = (dataset.examples.get(pk=pk) for pk in golden[:2])
    actions.edit_example(edited, by=admin, values={"output": "Better"})
    actions.reject(rejected, by=admin)
    filled(dataset, admin, file, *map(page, range(90)))  # the same rows again, and thirty new ones
    second = actions.freeze_version(dataset, by=admin, seed=99)
    assert ids(second, "test") == set(golden) - {rejected.pk}
    assert second.entries.get(example=edited).values["output"] == "Better"
    assert second.settings["test_set"] == {
        "version": 1, "tested": 20, "kept": 19, "edited": 1, "left_out": 1, "added": 0,
    }  # fmt: skip
    actions.approve(rejected, by=admin)
    third = actions.freeze_version(dataset, by=admin, leak_reason="It is trained on since it left the test set")
    assert ids(second, "test") <= ids(third, "test")


def test_who_left_the_test_set_may_not_come_back_to_train(dataset, admin, file) -> None:
    filled(dataset, admin, file, page(1, split="test"), *(page(number, split="train") for number in range(2, 9)))
    actions.freeze_version(dataset, by=admin)
    left = dataset.examples.get(key="r1")
    actions.edit_example(left, by=admin, values={"wanted_split": "train"})
    with pytest.raises(Leaking):
        actions.freeze_version(dataset, by=admin, keep_test=False)
    filled(dataset, admin, file, page(20))
    kept = actions.freeze_version(dataset, by=admin)
    assert ids(kept, "test") == {left.pk}


# --- replay -------------------------------------------------------------------------------------
@pytest.fixture
def general(project, admin, file) -> Dataset:
    """Another dataset with a version of 80 train and 20 test."""
    other = actions.create_dataset(project, name="General", by=admin)
    sides = ["test" if number % 5 == 0 else "train" for number in range(100)]
    filled(other, admin, file, *(page(1000 + number, split=side) for number, side in enumerate(sides)))
    actions.freeze_version(other, by=admin)
    return other


def replayed(version: Version) -> list[int]:
    return list(version.entries.exclude(example__dataset=version.dataset_id).values_list("example_id", flat=True))


def test_replayed_examples_are_a_share_of_train_and_never_tested_ones(dataset, general, admin, file) -> None:
    filled(dataset, admin, file, *map(page, range(100)))
    version = actions.freeze_version(dataset, by=admin, replay=Replay("general", 0.1))
    assert version.settings["replay"] == {
        "dataset": "general", "name": "General", "version": 1, "share": 0.1, "count": 10, "seed": 7, "passed_over": 0,
    }  # fmt: skip
    assert version.counts == {"train": 100, "validation": 10, "test": 0, "total": 110}
    drawn = replayed(version)
    assert len(drawn) == 10
    assert set(drawn) <= ids(general.versions.get(), "train")
    assert set(version.entries.filter(example_id__in=drawn).values_list("split", flat=True)) == {"train"}
    assert own_hash(version) == version.data_hash


def test_the_same_seed_replays_the_same(dataset, general, admin, file) -> None:
    filled(dataset, admin, file, *map(page, range(40)))
    one = actions.freeze_version(dataset, by=admin, replay=Replay("General", 0.2, 1))
    with pytest.raises(Refused, match="already holds exactly these"):
        actions.freeze_version(dataset, by=admin, replay=Replay("General", 0.2, 1))
    other = actions.freeze_version(dataset, by=admin, seed=8, replay=Replay("General", 0.2, 1))
    assert set(replayed(one)) != set(replayed(other))


def test_replay_passes_over_what_nearly_repeats_a_tested_text(dataset, general, admin, file) -> None:
    twins = [page(1000 + number, change="elsewhere", split="test") for number in range(1, 100, 5)]
    filled(dataset, admin, file, *twins, *map(page, range(20)))
    version = actions.freeze_version(dataset, by=admin, replay=Replay("general", 0.5), leak_reason="General is older")
    forbidden = {general.examples.get(key=f"r{1000 + number}").pk for number in range(1, 100, 5)}
    assert not forbidden & set(replayed(version))
    assert version.settings["replay"]["passed_over"] > 0


@pytest.mark.parametrize(
    ("replay", "sentence"),
    [
        (Replay("general", 0.6), "at most a half"),
        (Replay("general", 0.001), "less than one example"),
        (Replay("nowhere", 0.1), "no other dataset “nowhere”"),
        (Replay("content-copy", 0.1), "no other dataset “content-copy”"),
        (Replay("general", 0.1, 7), "General has no version 7"),
        (Replay("general", 0.5), "too few training examples for a share of 50%: 90 are needed, 80 were looked at"),
    ],
)
def test_a_replay_that_cannot_be_is_refused(dataset, general, admin, file, replay, sentence) -> None:
    filled(dataset, admin, file, *map(page, range(100)))
    with pytest.raises(Refused, match=sentence):
        actions.freeze_version(dataset, by=admin, replay=replay)
    assert not dataset.versions.exists()


# --- the request --------------------------------------------------------------------------------
def test_a_request_makes_one_version_however_often_it_comes(dataset, admin, file) -> None:
    filled(dataset, admin, file, *map(row, range(8)))
    first = actions.freeze_version(dataset, by=admin, request_key="one")
    filled(dataset, admin, file, row(9))
    assert actions.freeze_version(dataset, by=admin, request_key="one") == first
    assert actions.freeze_version(dataset, by=admin, request_key="other").number == 2


def test_examples_that_change_meanwhile_are_compared_again(dataset, admin, file, monkeypatch) -> None:
    filled(dataset, admin, file, *map(row, range(8)))
    looked: list[int] = []

    def edits_once(done: int, total: int) -> None:
        if done < total // 2 or looked:
            return
        looked.append(done)
        actions.edit_example(dataset.examples.get(key="r3"), by=admin, values={"output": "Newer"})

    version = actions.freeze_version(dataset, by=admin, progress=edits_once)
    assert version.entries.get(values__key="r3").values["output"] == "Newer"
    assert own_hash(version) == version.data_hash


@pytest.mark.parametrize("change", ["approve", "reject", "category", "guard"])
def test_any_change_meanwhile_counts(dataset, project, admin, file, change) -> None:
    filled(dataset, admin, file, *(page(number, split="train") for number in range(8)))
    proposal = actions.propose_example(
        dataset, by=admin, values={"instruction": "Ask", "input": "T", "output": "A"}, origin={}
    )
    other = actions.create_dataset(project, name="Other", by=admin)
    filled(other, admin, file, page(1, change="elsewhere", split="test"), page(99, split="train"))
    steps = {
        "approve": lambda: actions.approve(proposal, by=admin),
        "reject": lambda: actions.reject(dataset.examples.get(key="r2"), by=admin),
        "category": lambda: actions.edit_example(dataset.examples.get(key="r2"), by=admin, values={"category": "new"}),
        "guard": lambda: actions.freeze_version(other, by=admin),
    }
    done: list[str] = []

    def meanwhile(step: int, total: int) -> None:
        if not done:
            done.append(change)
            steps[change]()

    if change == "guard":
        with pytest.raises(Leaking):
            actions.freeze_version(dataset, by=admin, progress=meanwhile)
        return
    version = actions.freeze_version(dataset, by=admin, progress=meanwhile)
    approved = dataset.examples.filter(state="approved")
    assert set(version.entries.values_list("example_id", flat=True)) == set(approved.values_list("id", flat=True))
    assert own_hash(version) == version.data_hash


def test_it_gives_up_where_the_examples_never_rest(dataset, admin, file) -> None:
    filled(dataset, admin, file, *map(row, range(4)))
    compared: list[int] = []

    def always(done: int, total: int) -> None:
        if done == total // 2:
            compared.append(done)
            actions.edit_example(dataset.examples.get(key="r1"), by=admin, values={"output": f"{len(compared)}"})

    with pytest.raises(Refused, match="changed 4 times while they were compared, so nothing was frozen"):
        actions.freeze_version(dataset, by=admin, progress=always)
    assert len(compared) == versions.ATTEMPTS
    assert not Version.objects.exists()


# --- benchmarks ---------------------------------------------------------------------------------
@pytest.fixture
def benchmark_(project, admin, file) -> Dataset:
    made = actions.create_dataset(project, name="Exam", by=admin)
    filled(made, admin, file, page(1, change="elsewhere"), page(2, change="elsewhere"))
    return actions.describe_dataset(made, by=admin, description="", credit="", is_benchmark=True)


def test_a_benchmark_guards_its_prompts(dataset, benchmark_, admin, file) -> None:
    filled(dataset, admin, file, page(1, split="train"), page(7, split="train"))
    with pytest.raises(Leaking) as refusal:
        actions.freeze_version(dataset, by=admin)
    [leak] = refusal.value.leaks
    assert (leak.test_dataset, leak.version, leak.benchmark) == ("exam", 0, True)
    version = actions.freeze_version(dataset, by=admin, leak_reason="The exam is public")
    assert version.settings["gate"]["benchmarks"]["exam"]["examples"] == 2


def test_a_benchmark_is_frozen_as_a_test_set_only(benchmark_, admin) -> None:
    with pytest.raises(Refused, match="Exam is a benchmark: its prompts test models and are never trained on"):
        actions.freeze_version(benchmark_, by=admin)
    version = actions.freeze_version(benchmark_, by=admin, shares=(0, 0, 1))
    assert version.counts == {"train": 0, "validation": 0, "test": 2, "total": 2}


def test_a_benchmark_is_never_replayed(dataset, benchmark_, admin, file) -> None:
    actions.freeze_version(benchmark_, by=admin, shares=(0, 0, 1))
    filled(dataset, admin, file, *map(page, range(10, 40)))
    with pytest.raises(Refused, match="its prompts are never trained on"):
        actions.freeze_version(dataset, by=admin, replay=Replay("exam", 0.1))


def test_training_is_checked_against_benchmarks_that_came_later(dataset, project, admin, file) -> None:
    version = actions.freeze_version(
        filled(dataset, admin, file, page(1, split="train"), page(2, split="train")), by=admin
    )
    exam = actions.create_dataset(project, name="Exam", by=admin)
    filled(exam, admin, file, page(2, change="elsewhere"))
    assert leakage.since(version) == []
    actions.describe_dataset(exam, by=admin, description="", credit="", is_benchmark=True)
    [leak] = leakage.since(version)
    assert (leak.test_dataset, leak.benchmark) == ("exam", True)
    accepted = actions.freeze_version(dataset, by=admin, leak_reason="Public")
    assert leakage.since(accepted) == []
    filled(exam, admin, file, page(1, change="elsewhere"))
    assert len(leakage.since(accepted)) == 1
    actions.describe_dataset(dataset, by=admin, description="", credit="", is_benchmark=True)
    with pytest.raises(Refused, match="is a benchmark"):
        leakage.refuse_leaks_since(accepted)


def test_the_settings_are_plain_json(dataset, general, admin, file) -> None:
    filled(dataset, admin, file, *map(page, range(40)))
    version = actions.freeze_version(dataset, by=admin, replay=Replay("general", 0.1), min_test=4)
    assert json.loads(json.dumps(version.settings)) == version.settings


def test_a_row_s_digest_is_that_of_its_canonical_json():
    values = {name: f"“{name}” ü\n" for name in FROZEN} | {"history": [{"role": "user", "content": "a"}]}
    for side in ("train", "validation", "test"):
        whole = json.dumps({**values, "split": side}, ensure_ascii=False, sort_keys=True, separators=(",", ":"))
        assert row_digest(values, side).hex() == hashlib.sha256(whole.encode()).hexdigest()
    digests = [row_digest(values, side) for side in ("train", "test")]
    lines = "\n".join(sorted(digest.hex() for digest in digests))
    assert data_hash(digests) == hashlib.sha256(lines.encode()).hexdigest()


def test_texts_do_not_stay_in_memory_while_they_are_compared(dataset, admin, file, monkeypatch):
    monkeypatch.setattr(looking, "CHUNK", 10)
    rows = [row(number, output=f"{number} " + "x" * 100_000) for number in range(300)]
    actions.import_file(dataset, path=file(*rows), file_name="rows.jsonl", by=admin)
    tracemalloc.start()
    decided = freezing.decide(dataset, Plan(shares=(0.8, 0.1, 0.1)))
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert len(decided.rows) == 300
    assert peak < 15 * 10**6  # of 30 MB


def test_a_text_that_changes_between_two_looks_is_looked_at_again(dataset, admin, file, monkeypatch):
    filled(dataset, admin, file, *map(row, range(20)))
    look, edited = looking.Looking.prompts_on, []

    def later(self, *given):
        if not edited:
            edited.append(actions.edit_example(dataset.examples.get(key="r3"), by=admin, values={"input": "Newer"}))
        return look(self, *given)

    monkeypatch.setattr(looking.Looking, "prompts_on", later)
    version = actions.freeze_version(dataset, by=admin, shares=(0.6, 0.2, 0.2))
    assert version.entries.get(values__key="r3").values["input"] == "Newer"
    assert own_hash(version) == version.data_hash
