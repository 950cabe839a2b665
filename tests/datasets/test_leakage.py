"""The leakage gate: near duplicates stay on one side, and nothing is frozen that trains on what is tested."""

import json

import pytest
from django.core.management import CommandError, call_command
from django.urls import reverse

from evalhub.accounts.models import AuditEvent, Project, Role
from evalhub.datasets import actions, leakage
from evalhub.datasets.card import data_card
from evalhub.datasets.cardwords import markdown
from evalhub.datasets.leakage import Leaking
from evalhub.datasets.models import Dataset, Version
from evalhub.errors import Refused
from tests.conftest import logged_in, member
from tests.datasets.conftest import row

THREE = (0.8, 0.1, 0.1)
WORDS = "the agency published its yearly report on grants for small towns and said what each of them received for roads"


def page(number: int, *, change: str = "", **other: object) -> dict:
    """A row whose input is 19 words of its own; `change` replaces the last one: J = 16 / 18."""
    words = [f"{word}{number}" for word in WORDS.split()]
    return row(number, input=" ".join([*words[:-1], change or words[-1]]), **other)


def filled(dataset: Dataset, by, file, *rows: dict) -> Dataset:
    path = file(*rows)
    actions.import_file(dataset, path=path, file_name=path.name, by=by)
    return dataset


def side_of(version: Version, key: str) -> str:
    return version.entries.get(values__key=key).split


@pytest.mark.parametrize("seed", range(6))
def test_near_duplicates_stand_on_one_side(dataset, admin, file, seed):
    twins = [page(number, change="elsewhere", id=f"twin{number}") for number in range(8)]
    filled(dataset, admin, file, *map(page, range(40)), *twins)
    version = actions.freeze_version(dataset, by=admin, seed=seed, shares=THREE)
    assert all(side_of(version, f"r{number}") == side_of(version, f"twin{number}") for number in range(8))
    assert version.settings["near_duplicates"] == 8
    assert min(version.counts.values()) > 0


def leaking(dataset, admin, file) -> Dataset:
    rows = [page(1, split="train"), page(1, change="elsewhere", id="twin", split="test"), page(2, split="train")]
    return filled(dataset, admin, file, *rows)


def test_a_near_duplicate_across_train_and_test_is_refused_and_shown(dataset, admin, file):
    with pytest.raises(Leaking, match="1 example nearly repeats a tested one") as refusal:
        actions.freeze_version(leaking(dataset, admin, file), by=admin)
    [leak] = refusal.value.leaks
    assert {dataset.examples.get(pk=pk).key for pk in (leak.train, leak.test)} == {"r1", "twin"}
    assert dataset.examples.get(pk=leak.train).wanted_split == "train"
    assert (leak.version, leak.similarity) == (0, pytest.approx(16 / 18, abs=0.06))
    assert not Version.objects.exists()


def test_a_reason_freezes_it_and_stays_with_the_version(dataset, admin, file):
    version = actions.freeze_version(leaking(dataset, admin, file), by=admin, leak_reason="Same notice, two agencies")
    assert version.settings["leaks"]["reason"] == "Same notice, two agencies"
    assert version.settings["leaks"]["count"] == len(version.settings["leaks"]["pairs"]) == 1
    event = AuditEvent.objects.get(verb="freeze_version")
    assert (event.details["leaks"], event.details["leak_reason"]) == (1, "Same notice, two agencies")


def test_near_duplicates_of_train_and_validation_are_no_leak_of_the_test(dataset, admin, file):
    rows = [page(1, split="train"), page(1, change="elsewhere", id="twin", split="validation"), page(2, split="test")]
    assert actions.freeze_version(filled(dataset, admin, file, *rows), by=admin).number == 1


def test_a_frozen_test_set_of_another_dataset_is_guarded(project, dataset, admin, file):
    tested = filled(dataset, admin, file, page(1, split="test"), page(2, split="train"))
    actions.freeze_version(tested, by=admin)
    other = actions.create_dataset(project, name="Other", by=admin)
    filled(other, admin, file, page(1, change="elsewhere", split="train"), page(3, split="test"))
    with pytest.raises(Leaking) as refusal:
        actions.freeze_version(other, by=admin)
    [leak] = refusal.value.leaks
    assert (leak.test_dataset, leak.version) == ("content-copy", 1)


def test_the_test_sets_of_other_projects_are_none_of_our_business(dataset, admin, outsider, file):
    elsewhere = actions.create_dataset(Project.objects.get(slug="elsewhere"), name="Theirs", by=outsider)
    actions.freeze_version(filled(elsewhere, outsider, file, page(1, split="test"), page(2)), by=outsider)
    filled(dataset, admin, file, page(1, change="elsewhere", split="train"), page(3, split="test"))
    assert actions.freeze_version(dataset, by=admin).number == 1


def test_what_was_tested_is_tested_again(dataset, admin, file):
    filled(dataset, admin, file, *map(page, range(30)))
    first = actions.freeze_version(dataset, by=admin, shares=THREE)
    filled(dataset, admin, file, *map(page, range(30, 60)))
    second = actions.freeze_version(dataset, by=admin, seed=99, shares=THREE)
    golden = set(first.entries.filter(split="test").values_list("example_id", flat=True))
    assert golden < set(second.entries.filter(split="test").values_list("example_id", flat=True))
    assert second.settings["kept_test"] == len(golden)


def test_a_new_test_set_would_train_on_the_old_one(dataset, admin, file):
    filled(dataset, admin, file, *map(page, range(30)))
    actions.freeze_version(dataset, by=admin, seed=1, shares=THREE)
    with pytest.raises(Leaking) as refusal:
        actions.freeze_version(dataset, by=admin, seed=2, shares=THREE, keep_test=False)
    assert {leak.version for leak in refusal.value.leaks} == {1}
    again = actions.freeze_version(
        dataset, by=admin, seed=2, shares=THREE, keep_test=False, leak_reason="A new test was drawn"
    )
    assert again.settings["leaks"]["count"] >= 1


def test_the_shared_words_of_a_template_make_no_duplicates(dataset, admin, file):
    task = "Write one headline of at most nine words in plain language for the following page of a government website: "
    rows = [row(number, instruction=f"{task} grant {number} for town{number}", input="") for number in range(60)]
    version = actions.freeze_version(filled(dataset, admin, file, *rows), by=admin, shares=THREE)
    assert version.settings["near_duplicates"] == 0
    assert version.counts["test"] == 6


def test_training_is_checked_against_test_sets_frozen_later(project, dataset, admin, file):
    version = actions.freeze_version(filled(dataset, admin, file, page(1, split="train"), page(2)), by=admin)
    assert leakage.since(version) == []
    other = actions.create_dataset(project, name="Other", by=admin)
    filled(other, admin, file, page(1, change="elsewhere", split="test"), page(3, split="train"))
    actions.freeze_version(other, by=admin)
    [leak] = leakage.since(version)
    assert (leak.test_dataset, leak.version) == ("other", 1)
    with pytest.raises(Leaking, match="Freeze a new version"):
        leakage.refuse_leaks_since(version)
    again = actions.freeze_version(dataset, by=admin, leak_reason="The notice is public")
    assert (again.number, again.settings["leaks"]["count"]) == (2, 1)
    leakage.refuse_leaks_since(again)


def variants(number: int, count: int, **other: object) -> list[dict]:
    return [page(number, change=f"variant{at}", id=f"variant{at}", **other) for at in range(count)]


@pytest.mark.parametrize("count", [15, 25, 60])
def test_a_crowd_of_near_duplicates_of_one_test_is_found_whole(dataset, admin, file, count):
    rows = [page(0, split="test"), *(page(number, split="train") for number in range(1, 100))]
    filled(dataset, admin, file, *rows, *variants(0, count, split="train"))
    assert len(actions.leaks_of(dataset)) == count


def test_a_crowd_of_near_duplicates_stands_on_one_side(dataset, admin, file):
    filled(dataset, admin, file, *map(page, range(1, 120)), *variants(0, 30))
    version = actions.freeze_version(dataset, by=admin, shares=(0.7, 0.1, 0.2))
    crowd = version.entries.filter(values__key__startswith="variant")
    assert (crowd.count(), crowd.values("split").distinct().order_by().count()) == (30, 1)
    assert version.settings["near_duplicates"] == 1


def test_the_old_text_of_an_edited_test_example_stays_guarded(dataset, admin, file):
    tested = filled(dataset, admin, file, page(1, split="test"), page(2, split="train"))
    actions.freeze_version(tested, by=admin)
    actions.edit_example(tested.examples.get(key="r1"), by=admin, values={"input": page(9)["input"]})
    filled(dataset, admin, file, page(1, change="elsewhere", id="copy", split="train"))
    with pytest.raises(Leaking) as refusal:
        actions.freeze_version(dataset, by=admin)
    [leak] = refusal.value.leaks
    assert (leak.version, leak.test) == (1, tested.examples.get(key="r1").pk)


def test_training_is_checked_against_the_texts_that_a_later_version_tests_of_the_same_example(dataset, admin, file):
    filled(dataset, admin, file, page(1, split="test"), page(2, split="train"), page(3, split="train"))
    version = actions.freeze_version(dataset, by=admin)
    actions.edit_example(dataset.examples.get(key="r1"), by=admin, values={"input": page(2, change="later")["input"]})
    actions.freeze_version(dataset, by=admin, leak_reason="A better question")
    assert [leak.version for leak in leakage.since(version)] == [2]


def test_a_test_set_says_which_earlier_version_trains_on_near_copies_of_it(project, dataset, admin, file):
    """It is not refused, since nothing would be trained on it, but a model that was trained before has seen it."""
    filled(dataset, admin, file, page(1, split="train"), page(2, split="train"), page(4, split="test"))
    first = actions.freeze_version(dataset, by=admin)
    other = actions.create_dataset(project, name="Other", by=admin)
    rows = [page(1, change="elsewhere", split="test"), page(2, split="validation"), page(3, split="train")]
    version = actions.freeze_version(filled(other, admin, file, *rows), by=admin)
    assert first.settings["trained_before"] == []
    [seen] = version.settings["trained_before"]
    assert seen == {"dataset": "content-copy", "name": "Content copy", "version": 1, "examples": 1}
    sentence = "1 training example of Content copy v1 nearly repeats what is tested here"
    assert sentence in markdown(data_card(version))
    client = logged_in(admin)
    for name in ("version", "card"):
        shown = client.get(reverse(f"datasets:{name}", args=[project.slug, other.slug, 1])).content.decode()
        assert sentence in shown, name


def test_a_new_test_set_says_what_of_it_the_version_before_trained_on(dataset, admin, file):
    filled(dataset, admin, file, *map(page, range(30)))
    first = actions.freeze_version(dataset, by=admin, seed=1, shares=THREE)
    again = actions.freeze_version(dataset, by=admin, seed=2, shares=THREE, keep_test=False, leak_reason="Drawn anew")
    trained = set(first.entries.filter(split="train").values_list("example_id", flat=True))
    tested = set(again.entries.filter(split="test").values_list("example_id", flat=True))
    assert [one["examples"] for one in again.settings["trained_before"]] == [len(trained & tested)]


def test_a_leak_that_was_trained_on_before_is_counted_where_it_is_accepted(dataset, admin, file):
    first = actions.freeze_version(leaking(dataset, admin, file), by=admin, leak_reason="Known")
    filled(dataset, admin, file, page(7, split="train"))
    again = actions.freeze_version(dataset, by=admin, leak_reason="Known")
    assert first.settings["trained_before"] == []
    assert [(one["version"], one["examples"]) for one in again.settings["trained_before"]] == [(1, 1)]


# --- the doors ----------------------------------------------------------------------------------
HOME = "/p/content-copy/data/content-copy/"
FORM = {"train": 80, "validation": 10, "test": 10, "seed": 7, "keep_test": "on", "note": "first"}


def test_the_page_shows_the_pair_and_takes_a_reason(dataset, admin, file):
    leaking(dataset, admin, file)
    client = logged_in(admin)
    seen = client.post(f"{HOME}freeze/", FORM)
    assert seen.status_code == 409
    text = seen.content.decode()
    assert "Nothing was frozen" in text
    assert text.count("/example/") + text.count("/examples/") >= 2
    assert 'name="note" value="first"' in text
    assert not Version.objects.exists()
    done = client.post(f"{HOME}freeze/", {**FORM, "leak_reason": "Two agencies"}, follow=True).content.decode()
    assert "Frozen in spite of 1 leak" in done
    assert "Two agencies" in done


def test_an_expert_cannot_freeze_in_spite_of_leaks(project, dataset, admin, expert, file):
    leaking(dataset, admin, file)
    assert logged_in(expert).post(f"{HOME}freeze/", {**FORM, "leak_reason": "x"}).status_code in (403, 404)
    assert not Version.objects.exists()


def test_the_api_answers_with_the_pairs(dataset, admin, file):
    leaking(dataset, admin, file)
    address = "/api/v1/projects/content-copy/datasets/content-copy/versions/"
    client = logged_in(admin)
    declined = client.post(address, "{}", content_type="application/json")
    assert declined.status_code == 409
    assert [set(leak) >= {"train", "test", "similarity"} for leak in declined.json()["leaks"]] == [True]
    done = client.post(address, json.dumps({"leak_reason": "Two agencies"}), content_type="application/json")
    assert (done.status_code, done.json()["settings"]["leaks"]["count"]) == (201, 1)


def test_the_command_declines_and_takes_a_reason(dataset, admin, file, capsys):
    leaking(dataset, admin, file)
    into = {"project": "content-copy", "dataset": "Content copy", "json": True}
    with pytest.raises(CommandError, match="nearly repeats"):
        call_command("freeze_version", **into)
    assert "nearly repeats" in json.loads(capsys.readouterr().out)["error"]
    call_command("freeze_version", **into, accept_leaks="Two agencies")
    assert json.loads(capsys.readouterr().out)["version"] == 1


def test_a_pm_reads_the_reason_on_the_version(project, dataset, admin, file):
    actions.freeze_version(leaking(dataset, admin, file), by=admin, leak_reason="Two agencies")
    reader = member(project, "pia", Role.PM)
    seen = logged_in(reader).get(f"{HOME}versions/1/")
    assert seen.status_code in (200, 403)
    assert seen.status_code == 403 or "Two agencies" in seen.content.decode()


# --- the pairs, and the way on ------------------------------------------------------------------
def test_both_texts_stand_side_by_side_with_what_differs_marked(dataset, admin, file):
    leaking(dataset, admin, file)
    text = logged_in(admin).post(f"{HOME}freeze/", FORM).content.decode()
    assert '<mark class="only">roads1</mark>' in text
    assert '<mark class="only">elsewhere</mark>' in text
    assert text.count("published1") >= 2


def test_rejecting_leads_back_to_freezing_with_what_was_chosen(dataset, admin, file):
    leaking(dataset, admin, file)
    client = logged_in(admin)
    seen = client.post(f"{HOME}freeze/", {**FORM, "seed": 11})
    sent = {**dict(seen.context["settings"]), "examples": ",".join(map(str, seen.context["ids"]))}
    back = client.post(f"{HOME}freeze/reject/", {**sent, "reason": "Nearly repeats “twin”"}, follow=True)
    text = back.content.decode()
    assert "1 training example rejected. Freeze again" in text
    assert dict(back.context["form"].settings())["seed"] == "11"
    assert 'name="note" type="text" value="first"' in text
    assert 'name="train" type="number" value="80"' in text
    assert dataset.examples.get(key="r1").state == "rejected"
    frozen = client.post(f"{HOME}freeze/", {**FORM, "seed": 11}, follow=True).content.decode()
    assert "is frozen: 2 examples" in frozen


def test_one_pair_is_rejected_without_leaving_the_page(dataset, admin, file):
    leaking(dataset, admin, file)
    client = logged_in(admin)
    pk = dataset.examples.get(key="r1").pk
    seen = client.post(f"{HOME}freeze/reject/", {**FORM, "examples": pk}, headers={"HX-Request": "true"})
    assert "Rejected." in seen.content.decode()
    assert "<html" not in seen.content.decode()
    assert dataset.examples.get(pk=pk).state == "rejected"


def test_nobody_rejects_examples_of_another_dataset_there(project, dataset, admin, expert, file):
    leaking(dataset, admin, file)
    other = filled(actions.create_dataset(project, name="Other", by=admin), admin, file, page(5))
    pk = other.examples.get().pk
    logged_in(admin).post(f"{HOME}freeze/reject/", {**FORM, "examples": pk})
    assert other.examples.get().state == "approved"
    pk = dataset.examples.get(key="r1").pk
    assert logged_in(expert).post(f"{HOME}freeze/reject/", {**FORM, "examples": pk}).status_code in (403, 404)
    assert dataset.examples.get(pk=pk).state == "approved"


def test_a_benchmark_is_marked_on_the_page_and_by_api(dataset, admin):
    client = logged_in(admin)
    client.post(f"{HOME}describe/", {"description": "", "credit": "", "is_benchmark": "on"})
    dataset.refresh_from_db()
    assert dataset.is_benchmark
    assert AuditEvent.objects.get(verb="describe_dataset").details == {"is_benchmark": True}
    address = "/api/v1/projects/content-copy/datasets/content-copy/"
    seen = client.patch(address, json.dumps({"is_benchmark": False}), content_type="application/json").json()
    assert seen["is_benchmark"] is False
    assert client.patch(address, json.dumps({"credit": "CC0"}), content_type="application/json").status_code == 200
    dataset.refresh_from_db()
    assert not dataset.is_benchmark


def test_texts_with_the_same_words_leak_whoever_stands_between_them(dataset, admin, file):
    """Three prompts that differ by punctuation: the first one found is validated, the others are trained and tested."""
    text = page(1)["input"]
    sides = {"a": ("validation", text), "b": ("train", f"{text}!"), "c": ("test", f"{text}?")}
    rows = [row(0, id=key, input=given, split=side) for key, (side, given) in sides.items()]
    with pytest.raises(Leaking) as refusal:
        actions.freeze_version(filled(dataset, admin, file, *rows), by=admin)
    [leak] = refusal.value.leaks
    assert [dataset.examples.get(pk=pk).key for pk in (leak.train, leak.test)] == ["b", "c"]


def test_a_benchmark_says_which_of_its_versions_models_may_have_been_trained_on(dataset, admin, file):
    actions.freeze_version(filled(dataset, admin, file, page(1), page(2)), by=admin)
    client = logged_in(admin)
    sentence = "version 1 of it has a training side: models trained there have seen its prompts"
    assert sentence not in client.get(HOME).content.decode()
    client.post(f"{HOME}describe/", {"description": "", "credit": "", "is_benchmark": "on"})
    assert sentence in client.get(HOME).content.decode()
    assert AuditEvent.objects.get(verb="describe_dataset").details["trained_versions"] == [1]


@pytest.mark.parametrize("seed", [-1, 2**31, 10**40])
def test_a_seed_that_nobody_could_type_again_is_refused(dataset, admin, file, seed):
    filled(dataset, admin, file, page(1), page(2))
    with pytest.raises(Refused, match="A seed is a whole number from 0 to 2,147,483,647"):
        actions.freeze_version(dataset, by=admin, seed=seed)
    answer = logged_in(admin).post(
        f"/api/v1{HOME.replace('/p/', '/projects/').replace('/data/', '/datasets/')}versions/",
        {"seed": seed},
        content_type="application/json",
    )
    assert (answer.status_code, answer.json()["detail"][:6]) == (409, "A seed")
