"""The table of examples: filters and orders, pages by place, words by their index, counts that say what they are."""

from datetime import timedelta
from urllib.parse import parse_qs, urlsplit

import pytest
from django.db import connection, transaction
from django.urls import reverse
from django.utils import timezone

from evalhub.accounts.models import User
from evalhub.datasets import actions, searching, tasks
from evalhub.datasets.actions.bulk import Order, foresee
from evalhub.datasets.counting import Tally, count_of, expected, rounded
from evalhub.datasets.models import Dataset, Example
from evalhub.datasets.paging import cut, place_from, place_of
from evalhub.datasets.selection import ORDERS, ExampleFilter, chosen_examples, number_of
from evalhub.errors import Refused
from evalhub.jobs.models import Job
from tests.conftest import logged_in
from tests.datasets.conftest import row
from tests.jobs.conftest import worked_off


@pytest.fixture
def filled(dataset: Dataset, admin: User, file) -> Dataset:
    """Sixty imported examples, all values repeated, and a proposal from a study."""
    rows = [
        row(n, task=["deck", "meta", ""][n % 3], document=f"doc{n // 7}", language=["en", "de"][n % 2],
            tags=["seen"] if n % 10 == 0 else [], output=f"Headline {n} " + "x" * (n % 4), split=["train", ""][n % 2])
        for n in range(60)
    ]  # fmt: skip
    actions.import_file(dataset, path=file(*rows), file_name="rows.jsonl", by=admin)
    values = {"instruction": "Ask", "input": "Zürich, naïve", "output": "中文标题很短"}
    actions.propose_example(dataset, by=admin, values=values, origin={"study": "round-2"})
    return dataset


def address(name: str, dataset: Dataset, *more: object) -> str:
    return reverse(f"datasets:{name}", args=[dataset.project.slug, dataset.slug, *more])


def number(dataset: Dataset, **query: str) -> int:
    return chosen_examples(dataset, ExampleFilter.from_query(query)).count()


@pytest.mark.parametrize("indexed", [False, True])
@pytest.mark.parametrize(
    ("query", "count"),
    [
        ({"category": "deck"}, 20), ({"source": "doc1"}, 7), ({"language": "de"}, 30), ({"tag": "seen"}, 6),
        ({"tag": "see"}, 0), ({"split": "train"}, 30), ({"from": "study"}, 1), ({"from": "hand"}, 1),
        ({"from": "file"}, 60), ({"min": "11", "max": "12"}, 18), ({"since": "2999-01-01"}, 0),
        ({"since": "2000-01-01"}, 61), ({"since": "yesterday"}, 61), ({"sort": "nonsense"}, 61), ({"min": "-3"}, 61),
        ({"q": "headl 12"}, 1), ({"q": "HEADLINE"}, 60), ({"q": "eadline"}, 0), ({"q": "r59"}, 1), ({"q": "doc8"}, 4),
        ({"q": "zürich naïve"}, 1), ({"q": "标题"}, 1), ({"q": "%"}, 0), ({"q": "'; --"}, 0), ({"q": '" OR *'}, 0),
        ({"q": "headline", "category": "deck", "language": "en"}, 10), ({"q": "\0"}, 61),
    ],
)  # fmt: skip
def test_it_finds_what_is_asked_for_before_and_after_the_words_are_indexed(filled, indexed, query, count) -> None:
    if indexed:
        tasks.index()
        assert not searching.waiting_texts(filled).exists()
    assert number(filled, **query) == count


def test_the_index_follows_edits_and_deletions(filled, admin) -> None:
    tasks.index()
    example = filled.examples.get(key="r7")
    actions.edit_example(example, by=admin, values={"output": "Quite another title"})
    assert number(filled, q="quite") == 1
    actions.edit_example(example, by=admin, values={"output": "Former words"})
    assert (number(filled, q="quite"), number(filled, q="former")) == (0, 1)
    Example.objects.filter(pk=example.pk).delete()
    assert number(filled, q="former") == 0


def test_a_text_too_long_for_the_index_is_found_all_the_same(filled, admin) -> None:
    long = "word " * 20_000 + "needle"
    values = {"instruction": "Ask", "output": long}
    actions.propose_example(filled, by=admin, values=values, origin={})
    tasks.index()
    assert searching.waiting_texts(filled).count() == 1
    assert number(filled, q="needle") == 1


@pytest.mark.parametrize("order", ORDERS)
def test_pages_by_place_show_each_example_once_and_lead_back(filled, order: str) -> None:
    chosen = chosen_examples(filled, ExampleFilter(order=order))
    forth, back, page = [], [], cut(chosen, order, {}, size=7)
    assert page.before == ""
    while page.after:
        forth += page.examples
        page = cut(chosen, order, {"after": page.after}, size=7)
    last = [*forth, *page.examples]
    assert [one.pk for one in last] == list(chosen.values_list("pk", flat=True))
    while page.before:
        page = cut(chosen, order, {"before": page.before}, size=7)
        back = [*page.examples, *back]
    assert [one.pk for one in back] == [one.pk for one in forth]


def test_a_page_stays_the_same_while_others_add_and_delete_before_it(filled, admin) -> None:
    chosen = chosen_examples(filled, ExampleFilter(order="-id"))
    place = cut(chosen, "-id", {}, size=10).after
    before = [one.pk for one in cut(chosen, "-id", {"after": place}, size=10).examples]
    values = {"instruction": "Ask", "output": "Newest"}
    actions.propose_example(filled, by=admin, values=values, origin={})
    assert [one.pk for one in cut(chosen, "-id", {"after": place}, size=10).examples] == before


@pytest.mark.parametrize("text", ["", "x", "1,", ",x", "nonsense,5", "9" * 30, "2026-99-99,4", "\0,1"])
def test_an_address_that_is_no_place_begins_at_the_start(filled, text: str) -> None:
    order = "-changed"
    assert place_from(text, order) is None
    assert cut(chosen_examples(filled, ExampleFilter(order=order)), order, {"after": text}).before == ""


def test_a_place_says_where_an_example_stands(filled) -> None:
    example = filled.examples.get(key="r2")
    assert place_of(example, "category") == f",{example.pk}"
    assert place_from(place_of(example, "changed"), "changed") == (example.updated_at, example.pk)


def test_a_number_says_whether_it_was_counted(filled, monkeypatch) -> None:
    assert str(number_of(filled, ExampleFilter())) == "61"
    monkeypatch.setattr("evalhub.datasets.counting.COUNTED", 10)
    analyse()
    told = count_of(filled.examples.all())
    assert not told.exact
    assert str(told) == ("about 61" if connection.vendor == "postgresql" else "more than 10")
    assert (rounded(412_345), str(Tally(412_345, exact=False))) == (412_000, "about 412,000")


def analyse() -> None:
    """As PostgreSQL does by itself within a minute."""
    with connection.cursor() as cursor:
        cursor.execute("ANALYZE")


def test_the_table_takes_the_same_number_of_queries_whatever_its_size(
    filled, admin, file, django_assert_num_queries, django_assert_max_num_queries
) -> None:
    client = logged_in(admin)
    client.get(address("examples", filled))
    with django_assert_max_num_queries(24) as before:
        client.get(address("examples", filled))
    actions.import_file(filled, path=file(*map(row, range(100, 160))), file_name="more.jsonl", by=admin)
    with django_assert_num_queries(len(before)):
        client.get(address("examples", filled))


# --- the pages ----------------------------------------------------------------------------------
def test_it_asks_before_it_changes_all_that_match_and_undoes_it(filled, admin) -> None:
    client, query = logged_in(admin), "category=deck"
    asked = client.get(address("bulk", filled), {"query": query, "verb": "reject", "reason": "dull"})
    assert "Reject 20 examples?" in asked.content.decode()
    assert not filled.examples.filter(state="rejected").exists()
    data = {"query": query, "verb": "reject", "reason": "dull", "expected": "20"}
    stale = client.post(address("do_bulk", filled), {**data, "expected": "19"}, follow=True).content.decode()
    assert "leaves 20 examples now, not 19" in stale
    done = client.post(address("do_bulk", filled), data, follow=True)
    assert "20 examples rejected" in done.content.decode()
    change = filled.changes.get()
    undone = client.post(address("undo", filled, change.pk), follow=True).content.decode()
    assert "Undone: 20 examples restored." in undone
    assert not filled.examples.filter(state="rejected").exists()


@pytest.mark.parametrize("second", [False, True])
@pytest.mark.parametrize(
    "order",
    [Order("approve"), Order("reject"), Order("tag", "seen"), Order("untag", "seen"), Order("category", "deck"),
     Order("split", "train")],
    ids=lambda order: order.verb,
)  # fmt: skip
def test_it_foresees_how_many_a_change_makes_different(filled, admin, pm, order, second) -> None:
    filled.examples.filter(key__in=("r1", "r2", "r3")).update(state="proposed", first_approver=admin)
    filled.examples.filter(key__in=("r4", "r5")).update(state="proposed", first_approver=pm)
    filled.examples.filter(key__in=("r6", "r7")).update(state="rejected")
    actions.ask_second_approval(filled, wanted=second, by=admin)
    for query in ({}, {"category": "deck"}, {"q": "headline"}):
        wanted = ExampleFilter.from_query(query)
        with transaction.atomic():
            found = foresee(filled, wanted, order, by=admin)
            try:
                change = actions.bulk_examples(filled, wanted, order, by=admin, expected=found.number)
            except Refused:
                assert found.different == 0
            else:
                assert found.different == change.count
            transaction.set_rollback(True)


def test_it_tells_what_matches_from_what_would_change(filled, admin, django_assert_num_queries) -> None:
    client, query = logged_in(admin), {"query": "category=deck", "verb": "approve"}
    actions.bulk_examples(filled, ExampleFilter(category="deck"), Order("reject"), by=admin)
    all_of_them = client.get(address("bulk", filled), query).content.decode()
    assert "Approve 20 examples?" in all_of_them
    assert "All 20 that match would change." in all_of_them
    actions.decide_many(filled, pks=[filled.examples.get(key="r0").pk], approving=True, by=admin)
    asked = client.get(address("bulk", filled), query).content.decode()
    assert "Approve 19 examples?" in asked
    assert "20 match; 19 would change, the others are as wanted already." in asked
    assert 'name="expected" value="20"' in asked
    done = client.post(address("do_bulk", filled), {**query, "expected": "20"}, follow=True).content.decode()
    assert "19 examples approved" in done
    again = client.get(address("bulk", filled), query).content.decode()
    assert "Nothing would change" in again
    assert "20 match, as wanted already." in again
    assert 'name="expected"' not in again
    with django_assert_num_queries(1):
        foresee(filled, ExampleFilter(category="deck"), Order("approve"), by=admin)


def test_a_change_of_ones_own_is_offered_for_undo_beside_the_examples_for_ten_minutes(filled, admin) -> None:
    client, page = logged_in(admin), address("examples", filled)
    actions.reject(filled.examples.get(key="r7"), by=admin)
    assert "<b>1 example rejected.</b>" in client.get(page).content.decode()
    for minutes, offered in ((9, True), (11, False)):
        filled.changes.update(at=timezone.now() - timedelta(minutes=minutes))
        assert ("<b>1 example rejected.</b>" in client.get(page).content.decode()) is offered
    assert "Undo" in client.get(address("changes", filled)).content.decode()


def test_a_worker_changes_many_and_a_second_click_finds_the_same_job(filled, admin, monkeypatch) -> None:
    monkeypatch.setattr("evalhub.datasets.views.table.HERE_AND_NOW", 10)
    client = logged_in(admin)
    asked = client.get(address("bulk", filled), {"query": "", "verb": "tag", "value": "all"})
    data = {"query": "", "verb": "tag", "value": "all", "expected": "61", "key": asked.context["key"]}
    first, second = (client.post(address("do_bulk", filled), data)["Location"] for _ in range(2))
    assert first == second
    worked_off()
    assert Job.objects.get().result["changed"] == 61
    assert filled.examples.filter(revision_number=2).count() == 61
    monkeypatch.setattr("evalhub.datasets.actions.undoing.HERE_AND_NOW", 10)
    goal = client.post(address("undo", filled, filled.changes.get().pk))["Location"]
    worked_off()
    assert goal == reverse("jobs:detail", args=[filled.project.slug, Job.objects.get(command="undo_change").pk])
    assert filled.changes.get().restored == 61


def test_a_view_is_saved_shown_and_removed(filled, admin, pm) -> None:
    client = logged_in(admin)
    client.post(address("save_view", filled), {"name": "Slip", "query": "category=deck&nonsense=1"})
    client.post(address("save_view", filled), {"name": "Decks", "query": "category=deck&q=&sort=id"})
    view = filled.saved_views.get()
    assert view.query == "category=deck"
    assert "Decks" in logged_in(pm).get(address("examples", filled)).content.decode()
    client.post(address("forget_view", filled, view.pk))
    assert not filled.saved_views.exists()


def test_the_review_goes_through_a_filter_in_its_order(filled, admin) -> None:
    client, query = logged_in(admin), "category=deck&sort=-length"
    goal = client.post(address("review", filled), {"query": query})["Location"]
    expected_order = list(chosen_examples(filled, ExampleFilter(category="deck", order="-length"))[:3])
    assert urlsplit(goal).path == address("reviewed", filled, expected_order[0].pk)
    assert parse_qs(urlsplit(goal).query) == {"category": ["deck"], "sort": ["-length"]}
    page = client.get(goal)
    data = {"query": query, "place": page.context["place"], "state": "approved", "decision": "reject"}
    following = client.post(address("act", filled, expected_order[0].pk), data)["Location"]
    assert urlsplit(following).path == address("reviewed", filled, expected_order[1].pk)
    nonsense = client.post(address("act", filled, expected_order[1].pk), {"decision": "shrug"}, follow=True)
    assert "did not say what to do" in nonsense.content.decode()


def test_looking_at_a_review_takes_no_lease(filled, admin) -> None:
    example = filled.examples.first()
    logged_in(admin).get(address("reviewed", filled, example.pk))
    assert not hasattr(Example.objects.get(pk=example.pk), "lease")


@pytest.mark.rows_locked
def test_postgresql_finds_words_by_the_index_of_the_migration(filled) -> None:
    with connection.cursor() as cursor:
        cursor.execute("SET LOCAL enable_seqscan = off")
    plan = searching.planned(Example.objects.filter(searchable=True).order_by(), "headline").explain()
    assert "example_words" in plan
    assert expected(filled.examples.all()) > 0


def test_the_api_changes_undoes_and_comments_as_the_pages_do(filled, admin, pm) -> None:
    client, base = logged_in(admin), "/api/v1/projects/content-copy/datasets/content-copy/"
    order = {"filter": "category=deck", "verb": "tag", "value": "seen", "expect": 19}
    refused = client.post(f"{base}changes/", order, content_type="application/json")
    assert (refused.status_code, "leaves 20 examples now" in refused.json()["detail"]) == (409, True)
    assert logged_in(pm).post(f"{base}changes/", order, content_type="application/json").status_code == 403
    made = client.post(f"{base}changes/", {**order, "expect": 20}, content_type="application/json").json()
    assert (made["verb"], made["count"]) == ("tag", 18)  # two carried it before
    undone = client.post(f"{base}changes/{made['id']}/undo/").json()
    assert (undone["restored"], undone["left_alone"], undone["undone_by"]) == (18, 0, "ines")
    assert logged_in(pm).get(f"{base}changes/").json()["count"] == 1
    view = client.post(f"{base}views/", {"name": "Decks", "query": "category=deck"}, content_type="application/json")
    assert view.status_code == 201
    assert client.delete(f"{base}views/{view.json()['id']}/").status_code == 204
    comments = f"{base}examples/{filled.examples.first().pk}/comments/"
    assert client.post(comments, {"text": "So?"}, content_type="application/json").status_code == 201
    assert [said["text"] for said in client.get(comments).json()["results"]] == ["So?"]
    assert client.get(f"{base}examples/?flag=near&sort=-length&tag=seen").json()["results"] == []
