"""What a busy worker does beside its job: what the clock asks for, signs of life, and hearing that it is to stop."""

import logging
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager

from django.conf import settings
from django.db import OperationalError, connection
from django.utils.module_loading import import_string

logger = logging.getLogger(__name__)
leaving = threading.Event()  # set when this worker has been asked to stop: its job is given back, nothing new begins
BEATS_PER_SILENCE = 5  # how often a job says that it is alive in the time after which it would count as lost


class Upkeep:
    """Called often; every settings.SWEEP_SECONDS it does what the clock's schedule names, of every room.

    Where there is one worker, and that one is busy, nobody else would. Within a transaction it does nothing: work that
    is one calls it from a thread (`beating`), which has a connection of its own.
    """

    def __init__(self) -> None:
        self.done = time.monotonic()

    def __call__(self) -> None:
        if connection.in_atomic_block or time.monotonic() - self.done < settings.SWEEP_SECONDS:
            return
        self.done = time.monotonic()
        for entry in settings.CELERY_BEAT_SCHEDULE.values():
            self._do(str(entry["task"]))

    def _do(self, name: str) -> None:
        """One sweep, by its task's name; whatever becomes of it, the job goes on and the next one comes soon."""
        try:
            import_string(name)()
        except OperationalError as error:
            connection.close()
            logger.warning("%s has to wait: %s", name, error)
        except Exception:
            logger.exception("%s did not work", name)


@contextmanager
def beating(beat: Callable[[], object], *, every: float | None = None) -> Iterator[None]:
    """Call `beat` from a thread while the block runs, until it returns False: for work that cannot look up.

    `every`: seconds between two calls; else as often as it takes not to count as lost.
    """
    done = threading.Event()
    thread = threading.Thread(
        target=_beat_until, args=(done, beat, every or settings.HEARTBEAT_SECONDS / BEATS_PER_SILENCE), daemon=True
    )
    thread.start()
    try:
        yield
    finally:
        done.set()
        thread.join()


def _beat_until(done: threading.Event, beat: Callable[[], object], seconds: float) -> None:
    while not done.wait(seconds):
        try:
            if beat() is False:
                break
        except OperationalError as error:
            logger.warning("A sign of life has to wait: %s", error)
        except Exception:
            logger.exception("No more signs of life: the job was taken over, or something is wrong")
            break
        finally:
            connection.close()
