"""Work ahead of whoever takes the results: while the database stores one chunk, the next one is read and checked."""

import sys
import threading
from collections.abc import Generator, Iterator
from contextlib import closing, contextmanager
from queue import Empty, Full, Queue
from typing import Generic, TypeVar

Thing = TypeVar("Thing")
LOOK_SECONDS = 0.1  # how often a thread that cannot go on looks whether it is still wanted
TURN_SECONDS = 0.001  # how long one thread may keep the interpreter while the other has its answer from the database


@contextmanager
def ahead(things: Generator[Thing], *, by: int = 1) -> Iterator[Iterator[Thing]]:
    """The same things in the same order, made by a thread of their own; at most `by` are made and not taken yet.

    An error while making one is raised where it would have been taken. When the block ends, so does the thread.
    """
    maker, turn = _Maker(things, by), sys.getswitchinterval()
    sys.setswitchinterval(TURN_SECONDS)
    maker.thread.start()
    try:
        yield maker.taken()
    finally:
        maker.unwanted.set()
        maker.thread.join()
        sys.setswitchinterval(turn)


class _End:
    """Nothing comes after this; or an error does."""

    def __init__(self, error: BaseException | None = None) -> None:
        self.error = error


class _Maker(Generic[Thing]):
    def __init__(self, things: Generator[Thing], by: int) -> None:
        self.things, self.made, self.unwanted = things, Queue[Thing | _End](by), threading.Event()
        self.thread = threading.Thread(target=self._make, daemon=True)

    def taken(self) -> Iterator[Thing]:
        while True:
            try:
                thing = self.made.get(timeout=LOOK_SECONDS)  # with a limit, so that signals are heard
            except Empty:
                continue
            if not isinstance(thing, _End):
                yield thing
            elif thing.error:
                raise thing.error
            else:
                return

    def _make(self) -> None:
        error: BaseException | None = None
        try:
            with closing(self.things) as things:
                for thing in things:
                    if not self._put(thing):
                        return
        except BaseException as broken:  # it belongs to whoever takes the things
            error = broken
        self._put(_End(error))

    def _put(self, thing: Thing | _End) -> bool:
        """Whether it was put before the end."""
        while not self.unwanted.is_set():
            try:
                self.made.put(thing, timeout=LOOK_SECONDS)
            except Full:
                continue
            return True
        return False
