"""What the clock asks for, done now and then by busy workers too: where there is one worker, nobody else would."""

import logging
import time

from django.conf import settings
from django.db import OperationalError, connection
from django.utils.module_loading import import_string

logger = logging.getLogger(__name__)


class Upkeep:
    """Called often; every settings.SWEEP_SECONDS it does what the clock's schedule names, of every room."""

    def __init__(self) -> None:
        self.done = time.monotonic()

    def __call__(self) -> None:
        if connection.in_atomic_block or time.monotonic() - self.done < settings.SWEEP_SECONDS:
            return
        self.done = time.monotonic()
        for entry in settings.CELERY_BEAT_SCHEDULE.values():
            self._do(str(entry["task"]))

    def _do(self, name: str) -> None:
        """One sweep, by its task's name; with the database away or locked the next one comes soon."""
        try:
            import_string(name)()
        except OperationalError as error:
            connection.close()
            logger.warning("%s has to wait: %s", name, error)
