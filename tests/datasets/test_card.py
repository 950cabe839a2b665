"""The data card of a version: one set of facts as page, Markdown, JSON, API answer and command."""

import hashlib
import json

import pytest
from django.core.cache import cache
from django.core.management import call_command
from django.urls import reverse
from django.utils import timezone

from evalhub.datasets import actions
from evalhub.datasets.card import DataCard, data_card
from evalhub.datasets.cardwords import markdown
from evalhub.datasets.comparing import version_of
from evalhub.datasets.models import CheckRun, Flag
from evalhub.errors import Refused
from tests.conftest import logged_in
from tests.datasets.conftest import row

API = "/api/v1/projects/content-copy/datasets/content-copy/versions/2/card"


@pytest.fixture
def card(dataset, example, admin, file) -> DataCard:
    """Version 2 of a described dataset: one example by hand, nine from a file, one of them new since version 1."""
    actions.describe_dataset(dataset, by=admin, description="Headlines | of 2026", credit="CC0")
    rows = [row(n, task="headline" if n % 3 else "", document=f"d{n // 2}", language="en") for n in range(8)]
    actions.import_file(dataset, path=file(*rows), file_name="first|file.jsonl", by=admin)
    actions.freeze_version(dataset, by=admin)
    actions.import_file(dataset, path=file(row(9, document="d9")), file_name="more.jsonl", by=admin)
    actions.freeze_version(dataset, by=admin, note="One more", leak_reason="known")
    return data_card(version_of(dataset, 2))


def test_it_counts_what_the_version_holds(card):
    assert card.counts["total"] == 10
    assert [(one.name, one.total) for one in card.categories.largest] == [("headline", 5)]
    assert (card.categories.unnamed, card.sources.count, card.sources.unnamed) == (5, 5, 1)
    assert sum(one.train + one.validation + one.test for one in card.sources.largest) == 9
    assert [(one.name, one.total) for one in card.languages.largest] == [("en", 8)]
    lengths = {one.field: (one.shortest, one.median, one.longest) for one in card.lengths}
    assert lengths["output"] == (6, 10, 10)


def test_it_says_where_the_examples_come_from(card, file):
    assert [(one.file_name, one.examples) for one in card.imports] == [("first|file.jsonl", 8), ("more.jsonl", 1)]
    assert card.imports[1].sha256 == hashlib.sha256(file(row(9, document="d9")).read_bytes()).hexdigest()
    assert card.by_hand == 1
    assert (card.since.number, card.since.added, card.since.removed) == (1, 1, 0)


def test_it_keeps_language_and_checks_as_they_were_at_the_freeze(dataset, admin, file):
    rows = [row(0, output="Another", id="other"), *(row(n, language="de") for n in range(8))]
    actions.import_file(dataset, path=file(*rows), file_name="a.jsonl", by=admin)
    run = actions.check_examples(dataset, by=admin)
    version = actions.freeze_version(dataset, by=admin)
    before = data_card(version)
    assert [(one.name, one.total) for one in before.languages.largest] == [("de", 8)]
    assert (before.checks.at, before.checks.examples, before.checks.before_freeze) == (run.read_at, 9, True)
    assert version.settings["checks"]["run"] == run.pk
    assert before.checks.flags["conflicts"] == 2
    for example in dataset.examples.all():
        actions.edit_example(example, by=admin, values={"language": "fr", "output": f"New {example.key}"})
    actions.check_examples(dataset, by=admin)
    cache.clear()
    assert data_card(version) == before


def test_a_check_of_a_selection_is_not_the_one_that_a_card_shows(dataset, admin, file):
    actions.import_file(dataset, path=file(*(row(n, language="de") for n in range(8))), file_name="a.jsonl", by=admin)
    actions.check_examples(dataset, by=admin, query="q=1")
    assert data_card(actions.freeze_version(dataset, by=admin)).checks is None


def test_other_tags_alone_make_a_version_of_their_own(dataset, admin, file):
    actions.import_file(dataset, path=file(*map(row, range(8))), file_name="a.jsonl", by=admin)
    first = actions.freeze_version(dataset, by=admin)
    with pytest.raises(Refused, match="already holds exactly these"):
        actions.freeze_version(dataset, by=admin)
    actions.edit_example(dataset.examples.first(), by=admin, values={"tags": ["gold"]})
    second = actions.freeze_version(dataset, by=admin)
    assert second.data_hash == first.data_hash
    assert second.settings["details_hash"] != first.settings["details_hash"]


def test_a_card_of_before_details_were_frozen_says_so(card, dataset, example, admin):
    settings = {name: value for name, value in card.settings.items() if name not in ("details_hash", "checks")}
    version = version_of(dataset, 2)
    version.settings = settings
    run = CheckRun.objects.create(dataset=dataset, examples=10, read_at=timezone.now(), created_by=admin)
    Flag.objects.create(run=run, example=example, kind="echoes")
    old = data_card(version)
    assert [(one.name, one.total) for one in old.languages.largest] == [("en", 8)]
    assert (old.checks.examples, old.checks.flags, old.checks.before_freeze) == (10, {"echoes": 1}, False)
    assert "frozen before they were kept" in markdown(old)
    assert "| Echoes | 1 |" in markdown(old)
    assert "after the freeze" in markdown(old)


def test_markdown_says_the_same_and_breaks_no_table(card):
    text = markdown(card)
    for words in ("# Content copy, version 2", "Headlines | of 2026", "CC0", card.data_hash, "- Seed: 7", "| d0 | 2 |",
                  "first\\|file.jsonl", "## Since version 1", "1 added, 0 removed"):  # fmt: skip
        assert words in text, words
    tables = [line for line in text.splitlines() if line.startswith("|")]
    assert all(line.endswith("|") for line in tables)


def test_it_names_accepted_leaks_and_replay(card):
    from dataclasses import replace

    settings = {**card.settings, "leaks": {"count": 2, "reason": "Known | and small", "pairs": []},
                "replay": {"dataset": "general", "name": "General", "version": 3, "count": 40}}  # fmt: skip
    text = markdown(replace(card, settings=settings))
    assert "- Leaks accepted: 2. Reason: Known \\| and small" in text
    assert "name General; version 3; count 40" in text


def test_every_door_shows_the_same(card, pm, capsys, tmp_path):
    client = logged_in(pm)
    names = ["content-copy", "content-copy", 2]
    seen = client.get(reverse("datasets:card", args=names)).content.decode()
    assert card.data_hash in seen
    assert "first|file.jsonl" in seen
    assert client.get(reverse("datasets:card_file", args=[*names, "md"])).content.decode() == markdown(card)
    plain = json.loads(json.dumps(card.as_json()))
    assert client.get(reverse("datasets:card_file", args=[*names, "json"])).json() == plain
    assert client.get(f"{API}/").json() == plain
    assert client.get(f"{API}.md").content.decode() == markdown(card)
    call_command("data_card", project="content-copy", dataset="content-copy", json=True)
    assert json.loads(capsys.readouterr().out) == plain
    call_command("data_card", project="content-copy", dataset="content-copy", number=2, out=tmp_path / "card.md")
    assert (tmp_path / "card.md").read_text() == markdown(card)


def test_only_who_may_see_data_sees_it(card, expert, outsider):
    doors = [reverse("datasets:card", args=["content-copy", "content-copy", 2]), f"{API}/", f"{API}.md"]
    for person, status in ((expert, 403), (outsider, 404)):
        assert {logged_in(person).get(door).status_code for door in doors} == {status}


def test_its_queries_do_not_grow_with_the_version(card, dataset, django_assert_max_num_queries):
    version = version_of(dataset, 2)
    with django_assert_max_num_queries(7):
        data_card(version)
