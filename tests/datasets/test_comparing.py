"""Two versions compared: what was added, removed, changed and moved, in numbers, with texts, by every door."""

import json

import pytest
from django.core.management import CommandError, call_command
from django.urls import reverse

from evalhub.datasets import actions
from evalhub.datasets.comparing import KINDS, Move, compare, differences, differing, version_of
from evalhub.datasets.comparing_chart import balance_chart
from evalhub.datasets.models import Dataset
from evalhub.errors import Refused
from tests.conftest import logged_in
from tests.datasets.conftest import row

API = "/api/v1/projects/content-copy/datasets/content-copy/versions/compare/"


@pytest.fixture
def grown(dataset, admin, file) -> Dataset:
    """Version 1: r0 to r5. Version 2: r0 rejected, r1 rewritten, r2 tagged, r3 to the test side, r6 and r7 new."""
    sides = {1: "train", 2: "train", 3: "train", 4: "validation", 5: "test"}
    first = [row(n, split=sides.get(n, "train"), task="headline" if n % 2 else "blurb") for n in range(6)]
    actions.import_file(dataset, path=file(*first), file_name="a.jsonl", by=admin)
    actions.freeze_version(dataset, by=admin, leak_reason="as given")
    examples = {example.key: example for example in dataset.examples.all()}
    actions.reject(examples["r0"], by=admin)
    actions.edit_example(examples["r1"], by=admin, values={"output": "Headline one", "category": "title"})
    actions.edit_example(examples["r2"], by=admin, values={"tags": ["new"]})
    actions.edit_example(examples["r3"], by=admin, values={"wanted_split": "test"})
    new = [row(n, split="train", task="blurb") for n in (6, 7)]
    actions.import_file(dataset, path=file(*new), file_name="b.jsonl", by=admin)
    actions.freeze_version(dataset, by=admin, leak_reason="as given", keep_test=False)
    return dataset


def keys(dataset: Dataset, kind: str) -> list[str]:
    before, after = version_of(dataset, 1), version_of(dataset, 2)
    return [entry.values["key"] for entry in differing(before, after, kind)]


def test_it_finds_each_kind_of_difference(grown):
    assert {kind: keys(grown, kind) for kind in KINDS} == {
        "added": ["r6", "r7"], "removed": ["r0"], "changed": ["r1"], "moved": ["r3"],
    }  # fmt: skip


def test_it_counts_them_and_the_balance(grown):
    found = compare(version_of(grown, 1), version_of(grown, 2))
    assert [found.count(kind) for kind in KINDS] == [2, 1, 1, 1]
    assert (found.totals, found.same, found.is_equal) == ((6, 7), 3, False)
    assert found.moves == (Move("train", "test", 1),)
    shares = {(one.category, one.split): (one.before, one.after, one.difference) for one in found.balance}
    assert shares["blurb", "train"] == (2, 3, 1)
    assert shares["headline", "test"] == (1, 2, 1)
    assert shares["title", "train"] == (0, 1, 1)


def test_backwards_it_says_the_opposite(grown):
    found = compare(version_of(grown, 2), version_of(grown, 1))
    assert [found.count(kind) for kind in KINDS] == [1, 2, 1, 1]
    assert found.moves == (Move("test", "train", 1),)


def test_a_version_equals_itself(grown):
    found = compare(version_of(grown, 1), version_of(grown, 1))
    assert (found.is_equal, found.same, found.moves) == (True, 6, ())


def test_it_shows_how_a_text_changed(grown):
    before, after = version_of(grown, 1), version_of(grown, 2)
    (one,) = differences(before, "changed", differing(before, after, "changed"))
    assert {name for name, _ in one.fields} == {"output", "category"}
    pieces = dict(one.fields)["output"]
    assert [(piece.kind, piece.text) for piece in pieces if piece.kind != "same"] == [("del", "1"), ("ins", "one")]


def test_versions_of_two_datasets_are_not_compared(grown, project, admin, file):
    other = actions.create_dataset(project, name="Other", by=admin)
    actions.import_file(other, path=file(row(50)), file_name="c.jsonl", by=admin)
    version = actions.freeze_version(other, by=admin, leak_reason="as given")
    with pytest.raises(Refused, match="of two datasets"):
        compare(version_of(grown, 1), version)


def test_its_queries_do_not_grow_with_the_versions(grown, django_assert_max_num_queries):
    one, two = version_of(grown, 1), version_of(grown, 2)
    with django_assert_max_num_queries(8):
        compare(one, two)
    with django_assert_max_num_queries(0):
        compare(one, two)


def test_the_figure_says_what_grew(grown):
    spec = balance_chart(compare(version_of(grown, 1), version_of(grown, 2)))
    assert spec["description"].startswith("Examples in versions 1 and 2: blurb 3 to 4")
    assert [(row["name"], row["text"]) for row in spec["data"]["values"]][:1] == [("blurb", "+1")]


# --- doors --------------------------------------------------------------------------------------
def address(name: str = "compare") -> str:
    return reverse(f"datasets:{name}", args=["content-copy", "content-copy"])


def test_the_page_shows_each_kind(grown, pm):
    client = logged_in(pm)
    assert "<del>1</del><ins>one</ins>" in client.get(address(), {"show": "changed"}).content.decode()
    moved = client.get(address(), {"from": 1, "to": 2, "show": "moved"}).content.decode()
    assert "train → test" in moved
    assert client.get(address("compare_chart"), {"from": 1, "to": 2}).json()["layer"]


def test_the_page_says_what_cannot_be_compared(grown, example, pm):
    client = logged_in(pm)
    for query in ({"from": 9}, {"from": "x"}):
        assert "no version" in client.get(address(), query, follow=True).content.decode()
    actions.delete_version(version_of(grown, 2), by=grown.created_by)
    assert "fewer than two versions" in client.get(address(), follow=True).content.decode()


def test_only_who_may_see_data_compares(grown, expert, outsider):
    for person, status in ((expert, 403), (outsider, 404)):
        for door in (address(), address("compare_chart"), API):
            assert logged_in(person).get(door, {"from": 1, "to": 2}).status_code == status


def test_the_api_has_counts_and_differences(grown, pm):
    client = logged_in(pm)
    found = client.get(API, {"from": 1, "to": 2, "show": "moved"}).json()
    assert (found["added"], found["moves"]) == (2, [{"before": "train", "after": "test", "count": 1}])
    assert [(one["before"], one["after"]) for one in found["differences"]] == [("train", "test")]
    assert "differences" not in client.get(API, {"from": 1, "to": 2}).json()
    assert client.get(API, {"from": 1}).status_code == 400
    assert client.get(API, {"from": 1, "to": 9}).status_code == 409


def test_the_command_tells_people_and_scripts(grown, capsys):
    named = {"project": "content-copy", "dataset": "content-copy", "before": 1}
    call_command("compare_versions", **named, after=2)
    said = capsys.readouterr().out
    assert "2 added, 1 removed, 1 changed, 1 side moved; 3 the same." in said
    assert "train → test: 1" in said
    call_command("compare_versions", **named, after=2, json=True)
    assert json.loads(capsys.readouterr().out)["same"] == 3
    with pytest.raises(CommandError, match="has no version 9"):
        call_command("compare_versions", **named, after=9)
