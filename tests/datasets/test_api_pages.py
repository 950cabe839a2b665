"""The list of examples over HTTP, from place to place: each once, whatever others do meanwhile."""

from itertools import chain
from typing import Any

import pytest
from django.test import Client

from evalhub.accounts.models import User
from evalhub.datasets import actions
from evalhub.datasets.models import Dataset
from evalhub.datasets.selection import ORDERS, ExampleFilter, chosen_examples
from tests.conftest import logged_in
from tests.datasets.conftest import row

EXAMPLES = "/api/v1/projects/content-copy/datasets/content-copy/examples/"


@pytest.fixture
def filled(dataset: Dataset, admin: User, file) -> Dataset:
    """Forty examples whose categories, sources and lengths repeat."""
    rows = [
        row(n, task=["deck", "", "a,b & c"][n % 3], document=f"ü{n // 7}", output="x" * (1 + n % 4)) for n in range(40)
    ]
    actions.import_file(dataset, path=file(*rows), file_name="rows.jsonl", by=admin)
    return dataset


def ids(page: dict[str, Any]) -> list[int]:
    return [example["id"] for example in page["results"]]


def walked(client: Client, address: str | None, link: str = "next") -> list[list[int]]:
    """The ids of each page, as its links lead."""
    pages = []
    while address:
        page = client.get(address).json()
        pages.append(ids(page))
        address = page[link]
    return pages


@pytest.mark.parametrize("order", ORDERS)
@pytest.mark.parametrize("query", ["", "&category=a%2Cb+%26+c", "&q=text&state=approved", "&min=2"])
def test_links_lead_through_every_example_once_and_back(filled: Dataset, admin: User, order: str, query: str) -> None:
    client = logged_in(admin)
    filters = {"category": "a,b & c"} if "category" in query else {"min": "2"} if "min" in query else {}
    wanted = ExampleFilter.from_query({**filters, "sort": order})
    expected = list(chosen_examples(filled, wanted).values_list("pk", flat=True))
    forth = walked(client, f"{EXAMPLES}?page_size=7&sort={order}{query}")
    assert list(chain(*forth)) == expected
    assert {len(page) for page in forth[:-1]} == {7}
    last = client.get(f"{EXAMPLES}?page_size=7&sort={order}{query}").json()
    while last["next"]:
        last = client.get(last["next"]).json()
    assert walked(client, last["previous"], "previous")[::-1] == forth[:-1]


def test_a_walk_stays_right_while_others_add_and_delete(filled: Dataset, admin: User) -> None:
    client = logged_in(admin)
    first = client.get(f"{EXAMPLES}?page_size=10&sort=-id").json()
    expected = walked(client, first["next"])
    actions.propose_example(filled, by=admin, values={"instruction": "Ask", "output": "Newest"}, origin={})
    filled.examples.filter(pk=ids(first)[-1]).delete()  # the place itself is gone
    assert walked(client, first["next"]) == expected


def test_an_answer_says_how_many_there_are_and_gives_texts_whole(filled: Dataset, admin: User) -> None:
    long = "word " * 400
    actions.propose_example(filled, by=admin, values={"instruction": long, "output": "Long"}, origin={"item": 1})
    page = logged_in(admin).get(EXAMPLES, {"sort": "-id", "page_size": 1}).json()
    assert page["count"] == {"number": 41, "exact": True, "floor": False}
    assert (page["previous"], page["results"][0]["instruction"]) == (None, long)
    none = logged_in(admin).get(EXAMPLES, {"tag": "nowhere"}).json()
    assert none == {"count": {"number": 0, "exact": True, "floor": False}, "next": None, "previous": None,
                    "results": []}  # fmt: skip


def test_a_number_that_was_not_counted_says_so(filled: Dataset, admin: User, monkeypatch) -> None:
    monkeypatch.setattr("evalhub.datasets.counting.COUNTED", 10)
    assert not logged_in(admin).get(EXAMPLES).json()["count"]["exact"]


@pytest.mark.parametrize(
    ("query", "field", "words"),
    [
        ({"after": "nonsense"}, "after", "no place in the order “id”"),
        ({"before": "x,5"}, "before", "no place in the order “id”"),  # a place by category, say
        ({"after": "2020-01-01,5", "sort": "length"}, "after", "no place in the order “length”"),
        ({"after": "\0,1", "sort": "category"}, "after", "Null characters"),
        ({"after": "3", "before": "9"}, "before", "not both"),
        ({"page": "2"}, "page", "follow `next`"),
        ({"page_size": "0"}, "page_size", "greater than or equal to 1"),
        ({"page_size": "501"}, "page_size", "less than or equal to 500"),
        ({"page_size": "all"}, "page_size", "integer"),
    ],
)
def test_what_would_lead_in_circles_is_refused(filled: Dataset, admin: User, query, field, words) -> None:
    answer = logged_in(admin).get(EXAMPLES, query)
    assert (answer.status_code, list(answer.json())) == (400, [field])
    assert words in answer.json()[field][0]


def test_a_page_has_up_to_500(filled: Dataset, admin: User, file) -> None:
    client = logged_in(admin)
    assert len(client.get(EXAMPLES, {"page_size": "500"}).json()["results"]) == 40
    more = file(*map(row, range(100, 120)))
    actions.import_file(filled, path=more, file_name="more.jsonl", by=admin)
    assert len(client.get(EXAMPLES).json()["results"]) == 50
    assert client.get(EXAMPLES, {"after": ""}).json()["previous"] is None
