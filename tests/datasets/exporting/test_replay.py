"""A version with replay trains on no text twice, and imports again to the same content."""

import pytest

from evalhub.datasets import actions
from evalhub.datasets.exporting.extracts import Wanted, extract
from evalhub.datasets.importing import fingerprint
from evalhub.datasets.replaying import Replay
from evalhub.errors import Refused
from tests.datasets.exporting.test_round_trip import EVERY, written
from tests.datasets.test_leakage import filled, page


@pytest.fixture
def general(project, admin, file):
    """Another dataset's version: 40 texts, of which `version` has 20 itself, and one prompt that it validates with."""
    other = actions.create_dataset(project, name="General", by=admin)
    filled(other, admin, file, *(page(number, split="train") for number in range(40)))
    filled(other, admin, file, {"instruction": "SHORT", "output": "another", "split": "train"})
    return actions.freeze_version(other, by=admin, leak_reason="any")


@pytest.fixture
def version(dataset, general, admin, file):
    filled(dataset, admin, file, *(page(number, split="train") for number in range(20)))
    filled(dataset, admin, file, {"instruction": "Short", "output": "one", "split": "validation"})
    return actions.freeze_version(dataset, by=admin, leak_reason="any", replay=Replay("general", 0.5))


def test_no_text_is_trained_on_twice(version):
    prints = [fingerprint(values) for values in version.entries.values_list("values", flat=True)]
    assert len(prints) == len(set(prints)) == 41
    assert version.settings["replay"]["passed_over"] >= 19


def test_no_prompt_that_validates_is_replayed(version):
    prompts = version.entries.filter(split="train").values_list("values__instruction", flat=True)
    assert "SHORT" not in set(prompts)


@pytest.mark.parametrize(("name", "shape"), EVERY)
def test_it_imports_again_to_the_same_hash(name, shape, version, imported, hash_of, tmp_path):
    copy = imported(*written(extract(version.dataset, Wanted(number=version.number)), name, shape, tmp_path))
    assert hash_of(copy) == version.data_hash


def test_a_refusal_says_how_many_are_there_already(dataset, general, admin, file):
    filled(dataset, admin, file, *(page(number, split="train") for number in range(38)))
    with pytest.raises(Refused, match="and 38 more are in this dataset already"):
        actions.freeze_version(dataset, by=admin, leak_reason="any", replay=Replay("general", 0.5))
