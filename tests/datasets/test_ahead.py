"""Work ahead: the same things in the same order, errors where they belong, and no thread left."""

import threading
import time

import pytest
from hypothesis import given
from hypothesis import strategies as st

from evalhub.datasets.ahead import ahead


@given(things=st.lists(st.integers(), max_size=50), by=st.integers(1, 5))
def test_it_gives_the_same_things_in_the_same_order(things, by):
    with ahead((thing for thing in things), by=by) as made:
        assert list(made) == things


def test_it_makes_the_next_one_while_this_one_is_used_and_not_many_more():
    made = []

    def things():
        for number in range(100):
            made.append(number)
            yield number

    with ahead(things(), by=1) as taken:
        next(taken)
        until = time.monotonic() + 5
        while len(made) < 2 and time.monotonic() < until:
            time.sleep(0.01)
        time.sleep(0.05)
        assert 2 <= len(made) <= 3  # taken, waiting, and the one that wants to be put


def test_an_error_is_raised_where_it_would_have_been_taken():
    def things():
        yield 1
        raise ValueError("broken")

    with ahead(things()) as made:
        assert next(made) == 1
        with pytest.raises(ValueError, match="broken"):
            next(made)


def test_no_thread_stays_when_whoever_takes_them_stops():
    closed = threading.Event()

    def things():
        try:
            while True:
                yield 1
        finally:
            closed.set()

    before = threading.active_count()
    with ahead(things()) as made:
        assert next(made) == 1
    assert closed.is_set()
    assert threading.active_count() == before
