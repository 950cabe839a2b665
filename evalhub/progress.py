"""How far a long piece of work is: whoever does it tells (done, total), whoever asked may listen."""

from collections.abc import Callable, Iterable, Iterator, Sequence
from typing import TypeVar

Heard = Callable[[int, int], None]
Thing = TypeVar("Thing")


def told(things: Iterable[Thing], total: int, heard: Heard | None, *, every: int = 100) -> Iterator[Thing]:
    """The same things; `heard` learns how many are done, now and then and at the end."""
    done = 0
    for done, thing in enumerate(things, 1):
        yield thing
        if heard and done % every == 0 and done < total:
            heard(done, total)
    if heard and done:
        heard(done, max(done, total))


def chunks(things: Sequence[Thing], size: int, heard: Heard | None) -> Iterator[Sequence[Thing]]:
    """`things` in pieces of at most `size`; `heard` learns when one is done."""
    for start in range(0, len(things), size):
        yield things[start : start + size]
        if heard:
            heard(min(start + size, len(things)), len(things))
