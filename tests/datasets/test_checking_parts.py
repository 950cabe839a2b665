"""Checks of a part, by filter or by ticks, and readiness as far as it decides whether a version could be frozen."""

from urllib.parse import parse_qsl, urlsplit

import pytest

from evalhub.datasets import actions, checking
from evalhub.datasets.checks.report import Check
from evalhub.datasets.flagging import is_flag
from evalhub.datasets.leakage import Leaking
from evalhub.datasets.models import CheckRun, Dataset, Example, Flag
from evalhub.datasets.selection import ExampleFilter, chosen_examples
from evalhub.errors import Refused
from evalhub.jobs.models import Job
from tests.conftest import logged_in
from tests.datasets.conftest import row
from tests.datasets.test_checks import API, PAGE, task, worked_off

REFUSAL = "As an AI language model, I cannot help with that."
WORDS = ["amber", "basil", "cedar", "delta", "ember", "fjord", "grape", "hazel", "ivory", "jade", "kelp", "lemon",
         "mango", "nickel", "olive", "pearl", "quartz", "rose"]  # fmt: skip


@pytest.fixture
def bring(dataset: Dataset, admin, file):
    def one(*rows: dict, into: Dataset = dataset) -> Dataset:
        path = file(*rows)
        actions.import_file(into, path=path, file_name=path.name, by=admin)
        return into

    return one


def keys(dataset: Dataset, query: str) -> set[str]:
    """Of the examples that the table shows under this query."""
    return set(chosen_examples(dataset, ExampleFilter.from_query(dict(parse_qsl(query)))).values_list("key", flat=True))


def lines(dataset: Dataset) -> dict[str, tuple[Check, dict[str, set[str]]]]:
    """{line: (its check, {link: the examples that it leads to})}."""
    return {
        check.key: (check, {words: keys(dataset, query) for words, query in links})
        for check, links in checking.standing(dataset).lines
    }


# --- a part -------------------------------------------------------------------------------------
@pytest.mark.parametrize(
    "query", ["category=b&state=approved", "state=approved&category=b", "category=b&state=approved&sort=-id",
              "category=%62&q=&state=approved"]
)  # fmt: skip
def test_one_filter_is_one_run_however_it_is_written(bring, dataset, admin, query):
    bring(*(task(n, category="b", output=REFUSAL + str(n)) for n in range(5)))
    first = actions.check_examples(dataset, by=admin, query="category=b&state=approved")
    second = actions.check_examples(dataset, by=admin, query=query)
    assert second.query == first.query
    assert Flag.objects.filter(kind="refusals").count() == 5
    assert actions.request_check(dataset, by=admin, query=query).options["filter"] == first.query


def test_what_a_check_of_a_part_flags_is_a_filter_of_the_table(bring, dataset, admin):
    bring(task(0, category="a", output=REFUSAL), task(1, category="b", output=REFUSAL + " No."), task(2, category="b"))
    Example.objects.filter(dataset=dataset, category="b").update(state="proposed")
    whole = actions.check_examples(dataset, by=admin)
    assert keys(dataset, "flag=refusals") == {"r0"}
    part = actions.check_examples(dataset, by=admin, query="category=b")
    assert keys(dataset, "flag=refusals") == {"r0", "r1"}
    assert keys(dataset, f"flag=refusals@{part.pk}") == {"r1"}
    assert keys(dataset, f"flag=refusals@{whole.pk}") == {"r0"}
    assert keys(dataset, f"flag=refusals@{part.pk + 1}") == keys(dataset, "flag=refusals@x") == set()
    client = logged_in(admin)
    table = client.get(f"{PAGE}examples/?flag=refusals@{part.pk}").content.decode()
    assert "Flag: Refusals, check" in table
    assert '<span class="chip" data-tone="warn">Refusals</span>' in table  # on the row itself
    assert f'value="refusals@{part.pk}" selected' in table  # the next filter keeps it
    assert f"?flag=refusals@{part.pk}" in client.get(f"{PAGE}checks/{part.pk}/").content.decode()
    actions.check_examples(dataset, by=admin)  # the whole again: what was known of parts before is old
    assert keys(dataset, "flag=refusals") == {"r0"}


def test_flags_of_another_dataset_are_none_of_ours(bring, dataset, admin, project):
    other = bring(task(0, output=REFUSAL), into=actions.create_dataset(project, name="Other", by=admin))
    run = actions.check_examples(other, by=admin)
    bring(task(0, output=REFUSAL))
    assert keys(dataset, f"flag=refusals@{run.pk}") == set()


def test_what_is_ticked_is_checked(bring, dataset, admin, pm):
    bring(task(0, output=REFUSAL), task(1, output=REFUSAL + " No."), task(2))
    client, (one, _, three) = logged_in(admin), dataset.examples.order_by("id")
    assert ">Check</button>" in client.get(f"{PAGE}examples/").content.decode()
    ticks = {"ticked": "yes", "query": "sort=-id", "example": [f"{three.pk}.1.approved", f"{one.pk}.1.approved"]}
    asked = client.post(f"{PAGE}checks/ask/", ticks)
    assert asked["Location"].startswith("/p/content-copy/jobs/")
    worked_off()
    run = CheckRun.objects.get()
    assert (run.query, run.examples) == (f"ids={one.pk},{three.pk}", 2)
    assert keys(dataset, "flag=refusals") == {"r0"}
    assert "2 examples that were ticked" in client.get(f"{PAGE}checks/{run.pk}/").content.decode()
    nothing = client.post(f"{PAGE}checks/ask/", {"ticked": "yes", "query": "q=notice"}, follow=True)
    assert nothing.redirect_chain[-1][0] == f"{PAGE}examples/?q=notice"
    assert "Nothing was ticked, so nothing is checked." in nothing.content.decode()
    assert Job.objects.count() == 1
    assert logged_in(pm).post(f"{PAGE}checks/ask/", ticks).status_code == 403


def test_ticks_by_api_and_only_of_this_dataset(bring, dataset, admin, project):
    other = bring(task(0), into=actions.create_dataset(project, name="Other", by=admin))
    bring(task(0, output=REFUSAL), task(1))
    one, two = dataset.examples.order_by("id")
    asked = {"ids": [two.pk, one.pk, other.examples.get().pk]}
    assert logged_in(admin).post(f"{API}checks/", asked, content_type="application/json").status_code == 202
    worked_off()
    assert CheckRun.objects.get().examples == 2
    with pytest.raises(Refused, match="nothing to check"):
        actions.check_examples(dataset, by=admin, query=f"ids={other.examples.get().pk}")
    with pytest.raises(Refused, match="There is no filter “ids”"):
        actions.check_examples(dataset, by=admin, query="ids=1,x")


@pytest.mark.parametrize(
    ("flag", "known"),
    [("near", True), ("near@12", True), ("unusable", True), ("unusable@3", True), ("sources", True),
     ("sources@3", False), ("nearly", False), ("near@", False), ("near@x", False), ("near@" + "9" * 30, False)],
)  # fmt: skip
def test_a_flag_that_means_nothing_is_known_as_such(flag, known):
    assert is_flag(flag) is known


# --- ready to be frozen? ------------------------------------------------------------------------
def variants(count: int, **other: object) -> list[dict]:
    """Rows whose prompts differ in one word of many."""
    text = " ".join(f"{word} {number}" for number, word in enumerate(WORDS))
    return [
        row(n, instruction="Sum it up.", input=f"{text} {WORDS[n]}", output=f"Sum {n}", source=f"v{n}", **other)
        for n in range(count)
    ]  # fmt: skip


@pytest.mark.parametrize("trained", [1, 5, 15])
def test_near_duplicates_in_train_and_test_are_no_yes(bring, dataset, admin, trained):
    test, *train = variants(trained + 1)
    bring(*(task(n + 100) for n in range(40)), {**test, "split": "test"}, *({**one, "split": "train"} for one in train))
    with pytest.raises(Leaking):
        actions.freeze_version(dataset, by=admin)
    actions.check_examples(dataset, by=admin)
    check, found = lines(dataset)["leaks"]
    assert (check.tone, check.count) == ("bad", trained + 1)
    assert found == {"Show them": {f"r{n}" for n in range(trained + 1)}}
    assert "which is tested" in Flag.objects.filter(kind="leaks", example__key="r1").get().reason
    assert "<b>Not yet</b>" in logged_in(admin).get(PAGE).content.decode()


def test_whoever_follows_the_wish_of_its_kin_counts_too(bring, dataset, admin):
    one, two, three = variants(3)
    bring(
        *(task(n + 100) for n in range(20)), {**one, "split": "test"}, {**two, "split": ""}, {**three, "split": "train"}
    )
    with pytest.raises(Leaking):
        actions.freeze_version(dataset, by=admin)
    actions.check_examples(dataset, by=admin)
    assert lines(dataset)["leaks"][0].tone == "bad"


def test_a_leak_against_a_frozen_test_set_is_found_whatever_the_threshold(bring, dataset, admin, project):
    test, near = variants(2)
    other = bring(*(task(n) for n in range(5)), {**test, "split": "test"},
                  into=actions.create_dataset(project, name="First", by=admin))  # fmt: skip
    actions.freeze_version(other, by=admin)
    bring(*(task(n + 50) for n in range(20)), near)
    with pytest.raises(Leaking):
        actions.freeze_version(dataset, by=admin)
    actions.keep_thresholds(dataset, by=admin, thresholds={"contamination": 1})
    actions.check_examples(dataset, by=admin)
    check, found = lines(dataset)["contamination"]
    assert (check.tone, found) == ("bad", {"Show them": {"r1"}})


def test_it_is_said_where_other_test_sets_came_after_the_check(bring, dataset, admin, project):
    bring(*(task(n) for n in range(4)))
    actions.keep_thresholds(dataset, by=admin, thresholds={"too_few": 1, "enough": 2})
    actions.describe_dataset(dataset, by=admin, description="", credit="CC0", is_benchmark=False)
    actions.check_examples(dataset, by=admin)
    client = logged_in(admin)
    assert not checking.standing(dataset).stale
    assert "<b>Yes" in client.get(PAGE).content.decode()
    other = bring(
        task(2), *(task(n) for n in range(50, 54)), into=actions.create_dataset(project, name="Late", by=admin)
    )
    actions.freeze_version(other, by=admin)  # without a test side: of no concern
    assert not checking.standing(dataset).stale
    actions.describe_dataset(other, by=admin, description="", credit="", is_benchmark=True)
    page = client.get(PAGE).content.decode()
    assert "<b>Check again</b>" in page
    assert "What other datasets test has changed since" in page
    assert "<b>Yes" not in page
    assert client.get(f"{API}readiness/").json()["stale"]
    actions.check_examples(dataset, by=admin)
    assert lines(dataset)["contamination"][0].tone == "bad"
    assert not checking.standing(dataset).stale


def test_after_a_change_it_is_no_yes_either(bring, dataset, admin):
    bring(*(task(n) for n in range(4)))
    actions.keep_thresholds(dataset, by=admin, thresholds={"too_few": 1, "enough": 2})
    actions.check_examples(dataset, by=admin)
    actions.edit_example(dataset.examples.get(key="r1"), by=admin, values={"output": "Another."})
    assert "<b>Check again</b>" in logged_in(admin).get(PAGE).content.decode()


def test_every_line_leads_to_exactly_its_rows(bring, dataset, admin):
    bring(
        *(task(n, task="many") for n in range(8)),
        task(8, task="few", output=REFUSAL),
        task(9, task="many", source="", document=""),
        {**task(2, task="many"), "id": "copy", "output": task(2)["output"].upper()},
    )
    values = {"instruction": "Proposed", "output": "Yes", "source": ""}
    actions.propose_example(dataset, by=admin, values=values, origin={})
    run = actions.check_examples(dataset, by=admin)
    found = lines(dataset)
    assert found["size"][0].value == "9 of 11"
    assert found["size"][1] == {"Show those that are not": {"r8", "copy"}}
    assert found["balance"][1] == {
        "Show “few”": {"r8"}, "Show “many”": {"copy", "r9", *(f"r{n}" for n in range(8))},
    }  # fmt: skip
    assert found["sources"][1] == {"Show them": {"r9"}}
    assert found["copies"][1] == {"Show them": {"r2", "copy"}}
    assert found["waiting"][1] == {"Review them": {""}}
    for check, links in found.values():
        assert len(links) >= 1 or not check.count or check.key in ("size", "credit"), check
    page = logged_in(admin).get(PAGE).content.decode()
    for address in (f"flag=unusable@{run.pk}", "flag=sources", "category=few&amp;state=approved"):
        assert f"{PAGE}examples/?{address}" in page
    assert urlsplit(f"{PAGE}examples/?flag=sources").path == f"{PAGE}examples/"
    seen = logged_in(admin).get(f"{PAGE}examples/?flag=sources").content.decode()
    assert "Flag: No source document" in seen
    told = logged_in(admin).get(f"{API}readiness/").json()["checks"]
    assert next(one for one in told if one["key"] == "sources")["filters"] == ["flag=sources"]
