"""Text search over examples by an index of their words, and how that index is kept (docs/decisions/curation.md).

Every word of a search must occur, as a word or as the beginning of one, in the instruction, input, output, id or
source. An import does not pay for the index: its examples come in as not searchable and are read one by one until a
worker has taken them in, so that a search is complete at any time and quick soon after.
"""

import re

from django.db import connection, transaction
from django.db.models import BooleanField, F, Func, Q, QuerySet, Value
from django.db.models.functions import Greatest, Length

from evalhub.datasets.counting import expected
from evalhub.datasets.models import Dataset, Example

TEXTS = ("instruction", "input", "output", "key", "source")
INDEXED = 60_000  # characters of each text; an example with a longer one is always read instead
WORD = re.compile(r"\w+")
UNSPACED = re.compile(  # Thai, Lao, Burmese, Khmer, Japanese, Chinese
    r"[\u0e00-\u0eff\u1000-\u109f\u1780-\u17ff\u3040-\u30ff\u3400-\u9fff\uf900-\ufaff\U00020000-\U0003ffff]"
)
MOST_WORDS = 12
OFTEN = 0.02  # of the examples: beyond it texts are read instead of the index
MOST_FOUND = 2**31 - 1  # a limit that limits nothing keeps PostgreSQL from mixing a query into the one around it
BATCH = 2_000  # examples per transaction of `index_texts`


def _words_of_texts() -> Func:
    """The tsvector of an example: the same expression as in migration 0006, or PostgreSQL does not use its index."""
    texts = [Func(F(name), template=f"left(%(expressions)s, {INDEXED})") for name in TEXTS]
    return Func(*texts, template="to_tsvector('simple'::regconfig, %(expressions)s)", arg_joiner=" || ' ' || ")


def _index_match(words: list[str]) -> Func:
    """Whether the index of words knows an example by all of `words`."""
    if connection.vendor == "postgresql":
        wanted = Value(" & ".join(f"'{word}':*" for word in words))
        query = Func(wanted, template="to_tsquery('simple'::regconfig, %(expressions)s)")
        return Func(
            _words_of_texts(), query, template="%(expressions)s", arg_joiner=" @@ ", output_field=BooleanField()
        )
    known = " IN (SELECT rowid FROM example_words WHERE example_words MATCH "
    wanted = Value(" AND ".join(f'"{word}" *' for word in words))
    return Func(F("id"), wanted, template="%(expressions)s)", arg_joiner=known, output_field=BooleanField())


def found(examples: QuerySet[Example], text: str) -> QuerySet[Example]:
    """Those of `examples` in which every word of `text` occurs; a text without a word finds its signs as they stand."""
    words = WORD.findall(text)[:MOST_WORDS]
    if not words:
        return examples.filter(_anywhere("icontains", text)) if text else examples
    if UNSPACED.search(text):  # scripts without spaces have no words that an index could know
        return examples.filter(*(_anywhere("icontains", word) for word in words))
    known, unknown = Q(_index_match(words), searchable=True), Q(searchable=False)
    read = Q(*(_anywhere("iregex", rf"(^|\W){word}") for word in words))
    if connection.vendor == "postgresql":
        known = read if _frequent(known) else _fenced(known)
    if not Example.objects.filter(unknown).exists():
        return examples.filter(known)
    return examples.filter(known | (unknown & read))


def planned(examples: QuerySet[Example], text: str) -> QuerySet[Example]:
    """As `found`, in the form whose number PostgreSQL estimates well; never to be carried out."""
    words = WORD.findall(text)[:MOST_WORDS]
    return examples.filter(_index_match(words)) if words else examples


def _frequent(known: Q) -> bool:
    """Whether so many examples match that reading some of them finds a page sooner than the index finds all."""
    return expected(Example.objects.filter(known)) > OFTEN * expected(Example.objects.all())


def _fenced(known: Q) -> Q:
    """The match as a query of its own.

    PostgreSQL takes the test of a text's words to be cheap, and would rather do it row by row.
    """
    return Q(pk__in=Example.objects.filter(known).order_by().values("pk")[:MOST_FOUND])


def _anywhere(lookup: str, value: str) -> Q:
    chosen = Q()
    for name in TEXTS:
        chosen |= Q(**{f"{name}__{lookup}": value})
    return chosen


def waiting_texts(dataset: Dataset) -> QuerySet[Example]:
    """The examples that the index does not know yet."""
    return dataset.examples.filter(searchable=False)


def has_index() -> bool:
    """Whether there is an index of words: PostgreSQL always, SQLite where it was built with FTS5."""
    return connection.vendor == "postgresql" or "example_words" in connection.introspection.table_names()


def index_texts(*, most: int = BATCH) -> int:
    """Take up to `most` examples into the index, and return how many; what changes later is kept by the database."""
    if not has_index():
        return 0
    new = Example.objects.filter(searchable=False).annotate(longest=Greatest(*(Length(name) for name in TEXTS)))
    with transaction.atomic():
        skip = connection.features.has_select_for_update_skip_locked
        free = new.filter(longest__lte=INDEXED).order_by("id").select_for_update(of=("self",), skip_locked=skip)
        return Example.objects.filter(pk__in=list(free.values_list("pk", flat=True)[:most])).update(searchable=True)
