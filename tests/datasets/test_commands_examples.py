"""manage.py examples, changes and views: what a curator does at the shell is what the page and the API do."""

import io
import json
from typing import Any

import pytest
from django.utils import timezone

from evalhub.accounts.models import Role
from evalhub.datasets import actions
from evalhub.datasets.models import Change, CheckRun, Dataset, Example, Flag
from tests.conftest import logged_in, member
from tests.datasets.test_commands_verbs import refused, tried

HERE = "--dataset=content-copy"
API = "/api/v1/projects/content-copy/datasets/content-copy/"


def answer(verb: str, *arguments: object) -> dict[str, Any]:
    return json.loads(tried(verb, *map(str, arguments), HERE, "--json"))


def no(verb: str, *arguments: object) -> str:
    return refused(verb, *map(str, arguments), HERE)


@pytest.fixture
def asked(dataset: Dataset, admin) -> list[Example]:
    """Three proposals of one question, and a fourth of another."""
    values = [("Ask", "One"), ("Ask", "Two"), ("Ask", "Three"), ("Other", "Four")]
    rows = [{"instruction": ask, "output": out, "category": ask} for ask, out in values]
    return [actions.propose_example(dataset, by=admin, values=row, origin={}) for row in rows]


@pytest.fixture
def twins(asked: list[Example], admin) -> list[Example]:
    """Of which the last check found the first three to be nearly the same."""
    run = CheckRun.objects.create(dataset=asked[0].dataset, created_by=admin, read_at=timezone.now())
    Flag.objects.bulk_create(Flag(run=run, example=one, kind="near", group=1, reason="Alike") for one in asked[:3])
    return asked


def states() -> list[str]:
    return list(Example.objects.order_by("id").values_list("state", flat=True))


# --- look ---------------------------------------------------------------------------------------
def test_it_lists_as_the_api_does_and_goes_from_place_to_place(asked, admin):
    first = answer("examples list", "--filter=category=Ask&sort=-id", "--limit=2")
    assert first["count"] == {"number": 3, "exact": True, "floor": False}
    assert [one["output"] for one in first["examples"]] == ["Three", "Two"]
    rest = answer("examples list", "--filter=category=Ask&sort=-id", "--limit=2", "--after", first["after"])
    assert ([one["output"] for one in rest["examples"]], rest["after"]) == (["One"], "")
    assert rest["examples"][0] == logged_in(admin).get(f"{API}examples/{asked[0].pk}/").json()
    said = tried("examples list", HERE, "--limit=3").splitlines()
    assert (said[0], said[-1]) == ("Examples: 4.", f"There are more: --after {asked[2].pk}")
    assert "proposed" in said[1]


@pytest.mark.parametrize("wrong", ["stat=proposed", "state=propsed", "min=1e3", "sort=nonsense"])
def test_it_lists_nothing_by_a_filter_that_means_nothing(asked, wrong):
    assert "filter" in no("examples list", f"--filter={wrong}")


def test_it_refuses_a_place_that_is_none(asked):
    assert no("examples list", "--after=nonsense").startswith("“nonsense” is no place in the order “id”")


def test_it_shows_an_example_with_its_revisions_events_and_flags(twins, admin):
    one = twins[0]
    actions.edit_example(one, by=admin, values={"output": "Better"}, reason="Shorter")
    actions.comment(one, by=admin, text="Now good")
    shown = answer("examples show", one.pk)
    assert shown["example"]["output"] == "Better"
    kept = [(item["number"], item["values"]["output"], item["author"], item["reason"]) for item in shown["revisions"]]
    assert kept == [(1, "One", "ines", "proposed"), (2, "Better", "ines", "Shorter")]
    assert shown["revisions"] == logged_in(admin).get(f"{API}examples/{one.pk}/revisions/").json()["results"]
    assert [event["what"] for event in shown["events"]] == ["Comment", "Revision 2", "Revision 1"]
    assert shown["flags"] == [{"kind": "near", "reason": "Alike"}]
    said = tried("examples show", str(one.pk), HERE)
    assert "  output: Better\n" in said
    assert "ines: Revision 2, Shorter\n" in said
    assert "flag: near, Alike" in said


def test_it_shows_the_first_texts_of_an_imported_example(capsys, dataset, admin, file):
    actions.import_file(dataset, path=file({"instruction": "Ask", "output": "Out"}), file_name="a.jsonl", by=admin)
    example = Example.objects.get()
    assert answer("examples show", example.pk)["revisions"][0]["values"]["output"] == "Out"
    actions.edit_example(example, by=admin, values={"output": "Other"})
    texts = [item["values"]["output"] for item in answer("examples show", example.pk)["revisions"]]
    assert texts == ["Out", "Other"]


def test_it_lists_duplicates(twins):
    found = answer("examples duplicates", twins[1].pk)
    assert (found["count"], [one["id"] for one in found["examples"]]) == (3, [one.pk for one in twins[:3]])
    assert tried("examples duplicates", str(twins[1].pk), HERE).startswith("3 examples alike.\n")
    assert "found no duplicate" in tried("examples duplicates", str(twins[3].pk), HERE)


# --- change -------------------------------------------------------------------------------------
def test_it_proposes_with_texts_that_hold_equals_signs_and_tags(dataset, admin):
    made = answer(
        "examples propose", "--set=instruction=What is a=b?", "--set=output=A claim.", "--set=tags=short, new"
    )
    example = Example.objects.get(pk=made["example"]["id"])
    assert (example.instruction, example.state, example.tags) == ("What is a=b?", "proposed", ["short", "new"])
    assert (example.revisions.get().author, example.origin) == (admin, {})


def test_it_says_where_a_proposal_comes_from_and_that_it_is_known(dataset, admin):
    words = ["--set=instruction=Ask", "--set=output=Out"]
    made = answer("examples propose", *words, "--origin=note=From the editors", "--origin=reference=X=1")
    assert (made["is_new"], made["example"]["origin"]) == (True, {"note": "From the editors", "reference": "X=1"})
    answer("examples reject", made["example"]["id"])
    again = answer("examples propose", *words)
    assert (again["is_new"], again["example"]["id"], again["example"]["state"]) == (
        False, made["example"]["id"], "rejected",
    )  # fmt: skip
    assert "it stands as it was decided" in tried("examples propose", HERE, *words)
    assert "“study” is not a person's to say" in no("examples propose", *words, "--origin=study=First")
    assert "no equals sign" in no("examples propose", *words, "--origin=study")


def test_it_takes_long_texts_from_a_file_or_from_standard_input(dataset, admin, tmp_path, monkeypatch):
    path = tmp_path / "values.json"
    path.write_text(json.dumps({"instruction": "Ask", "output": "Line\nLine", "tags": ["a"]}))
    made = answer("examples propose", f"--values={path}", "--set=category=Copy")["example"]
    assert (made["output"], made["category"], made["tags"]) == ("Line\nLine", "Copy", ["a"])
    monkeypatch.setattr("sys.stdin", io.StringIO('{"output": "Read"}'))
    assert answer("examples edit", made["id"], "--values=-")["example"]["output"] == "Read"


@pytest.mark.parametrize(
    ("arguments", "sentence"),
    [
        ([], "Say what it should hold: --set FIELD=TEXT, or --values FILE."),
        (["--set=output=Alone"], "A proposal needs an instruction."),
        (["--set=output"], "--set wants NAME=VALUE; “output” has no equals sign."),
        (["--set=colour=red"], "An example has no field “colour” that can be edited."),
        (["--set=state=approved"], "An example has no field “state” that can be edited."),
        (["--set=instruction=Ask", "--set=output= "], "The output is empty."),
        (["--set=instruction=Ask", "--set=output=a\0b"], "The output holds a NUL character (U+0000) at character 2."),
    ],
)
def test_it_proposes_nothing_that_cannot_be_kept(dataset, admin, arguments, sentence):
    assert no("examples propose", *arguments) == sentence
    assert not Example.objects.exists()


@pytest.mark.parametrize(
    ("text", "part"), [("{", "is not JSON"), ("[1]", "does not hold a JSON object"), ("[" * 10**5, "is not JSON")]
)
def test_it_refuses_a_file_that_holds_no_object(dataset, admin, tmp_path, text, part):
    path = tmp_path / "values.json"
    path.write_text(text)
    assert part in no("examples propose", f"--values={path}")
    assert no("examples propose", f"--values={tmp_path}/none") == f"There is no file {tmp_path}/none."


def test_it_edits_and_guards_against_overwriting(asked, admin):
    one = asked[0]
    edited = answer("examples edit", one.pk, "--set=output=Better", "--reason=Shorter", "--revision=1")["example"]
    assert (edited["output"], edited["revision_number"]) == ("Better", 2)
    assert one.revisions.get(number=2).reason == "Shorter"
    assert "Somebody else changed this example" in no("examples edit", one.pk, "--set=output=Mine", "--revision=1")
    assert "already has exactly these texts" in no("examples edit", one.pk, "--set=output=Two")
    assert "at most 255 characters" in no("examples edit", one.pk, "--set=output=X", f"--reason={'x' * 256}")
    assert Example.objects.get(pk=one.pk).output == "Better"


def test_it_comments(asked, admin):
    said = answer("examples comment", asked[0].pk, "--text=Good one")["comment"]
    assert (said["author"], said["text"]) == ("ines", "Good one")
    assert asked[0].comments.get().text == "Good one"
    assert no("examples comment", asked[0].pk, "--text= ") == "The comment is empty; nothing was kept."


def test_it_deletes_what_no_version_holds(asked, admin):
    assert answer("examples delete", asked[3].pk) == {
        "dataset": "content-copy",
        "example": asked[3].pk,
        "deleted": True,
    }
    actions.approve(asked[0], by=admin)
    actions.freeze_version(asked[0].dataset, by=admin)
    assert "Reject it instead" in no("examples delete", asked[0].pk)
    assert Example.objects.count() == 3


# --- decide -------------------------------------------------------------------------------------
def test_it_approves_and_rejects_as_the_person_named(project, asked, admin):
    uma = member(project, "uma", Role.ADMIN)
    approved = answer("examples approve", asked[0].pk, "--as=uma", "--state=proposed", "--revision=1")["example"]
    assert approved["state"] == "approved"
    rejected = answer("examples reject", asked[1].pk, "--reason=Dull")["example"]
    assert rejected["state"] == "rejected"
    assert [(one.by, one.verb, one.reason) for one in Change.objects.order_by("id")] == [
        (uma, "approve", ""), (admin, "reject", "Dull"),
    ]  # fmt: skip
    assert no("examples approve", asked[0].pk) == "This example is already approved."
    assert "Somebody else decided" in no("examples reject", asked[0].pk, "--state=proposed")
    assert "Somebody else changed" in no("examples reject", asked[0].pk, "--revision=7")
    assert states() == ["approved", "rejected", "proposed", "proposed"]


def test_two_people_approve_where_the_dataset_asks_for_it(project, asked, admin):
    member(project, "uma", Role.ADMIN)
    assert "; two people approve." in tried("datasets describe", HERE, "--second-approval=yes")
    assert "approved once" in tried("examples approve", str(asked[0].pk), HERE, "--as=uma")
    assert "a second person has to approve" in no("examples approve", asked[0].pk, "--as=uma")
    assert answer("examples approve", asked[0].pk)["example"]["state"] == "approved"


def test_it_approves_one_instead_of_those_that_ask_the_same(asked, admin):
    actions.approve(asked[0], by=admin)
    done = answer("examples approve-instead", asked[1].pk, "--revision=1")
    assert (done["example"]["state"], done["rejected"]) == ("approved", [asked[0].pk])
    assert states() == ["rejected", "approved", "proposed", "proposed"]
    assert "approved already" in no("examples approve-instead", asked[1].pk)


def test_it_keeps_one_of_its_duplicates(twins, admin):
    kept = answer("examples keep", twins[1].pk, "--revision=1")
    assert (kept["example"]["id"], kept["rejected"]) == (twins[1].pk, 2)
    assert states() == ["rejected", "proposed", "rejected", "proposed"]
    assert "no other example left" in no("examples keep", twins[3].pk)
    assert "rejected itself" in no("examples keep", twins[0].pk)


# --- changes and views --------------------------------------------------------------------------
def test_it_lists_changes_newest_first_with_their_undo(asked, admin):
    actions.approve(asked[0], by=admin)
    undone = actions.undo_last(asked[0].dataset, by=admin)
    actions.reject(asked[1], by=admin, reason="Dull")
    found = answer("changes list")
    assert found["count"] == 2
    assert [(one["verb"], one["reason"], one["undone_by"]) for one in found["changes"]] == [
        ("reject", "Dull", None), ("approve", "", "ines"),
    ]  # fmt: skip
    assert found["changes"] == logged_in(admin).get(f"{API}changes/").json()["results"]
    said = tried("changes list", HERE, "--limit=1").splitlines()
    assert "ines: 1 example rejected, Dull." in said[0]
    assert said[1] == "Earlier ones: 1."
    assert f"{undone.pk}" in tried("changes list", HERE)


def test_it_saves_lists_and_forgets_views(dataset, admin):
    saved = answer("views save", "--name=To do", "--filter=state=proposed&sort=-id")["view"]
    assert (saved["name"], saved["query"]) == ("To do", "state=proposed&sort=-id")
    assert answer("views list")["views"] == [saved]
    assert "There is a view named “To do” already" in no("views save", "--name=To do", "--filter=state=rejected")
    assert "choose a filter first" in no("views save", "--name=All")
    assert "filter" in no("views save", "--name=Typo", "--filter=state=propsed")
    assert answer("views forget", "--name=To do")["forgotten"]
    assert no("views forget", "--name=To do") == "Content copy has no saved view “To do”."
    assert tried("views list", HERE) == "Content copy has no saved view.\n"
