"""The one exception that carries a sentence for a person, and what becomes one: a full disk, a locked database."""

import errno
import sqlite3
from collections.abc import Iterator, Mapping
from typing import Any

FULL = "There is no space left where evalhub keeps its data, so this was not done. Free some space and do it again."
BUSY = "The database is busy with another large change. Nothing was stored; try again in a minute."
POSTGRESQL_DISK_FULL = "53100"
SQLITE_WAITED = (sqlite3.SQLITE_BUSY, sqlite3.SQLITE_LOCKED)
POSTGRESQL_WAITED = ("55P03", "40P01")  # a lock that was not to be had, a deadlock


class Refused(Exception):
    """An action declined to act, and nothing was changed.

    The message is one sentence that a person can act on; pages show it, the API returns it
    with status 409, commands print it and exit with status 1. Bugs keep their traceback.
    """

    status = 409

    def __init__(self, message: str, *, field: str | None = None, facts: Mapping[str, Any] | None = None) -> None:
        super().__init__(message)
        self.message = message
        self.field = field
        self.facts = dict(facts or {})  # what the API adds to the sentence


def as_refusal(error: BaseException) -> Refused | None:
    """What a person is told of this error: a Refused as it is, a full disk or quota in a sentence, else None (a bug).

    A disk may be full for a file (ENOSPC, EDQUOT), for SQLite (SQLITE_FULL) or for PostgreSQL (53100).
    """
    if isinstance(error, Refused):
        return error
    return Refused(FULL) if any(tells_full_disk(cause) for cause in causes(error)) else None


class Busy(Refused):
    """Another change holds the database: the same is done when it is asked for again a little later."""

    status = 503

    def __init__(self) -> None:
        super().__init__(BUSY)


def as_answer(error: BaseException) -> Refused | None:
    """as_refusal, and Busy for a locked database: for people, who cannot wait for it as a worker does."""
    return as_refusal(error) or (Busy() if any(tells_lock(cause) for cause in causes(error)) else None)


def causes(error: BaseException) -> Iterator[BaseException]:
    """The error and what it was raised from: Django wraps a database's own errors."""
    cause: BaseException | None = error
    while cause is not None:
        yield cause
        cause = cause.__cause__


def tells_full_disk(error: BaseException) -> bool:
    if isinstance(error, OSError):
        return error.errno in (errno.ENOSPC, errno.EDQUOT)
    if isinstance(error, sqlite3.Error):
        return getattr(error, "sqlite_errorcode", None) == sqlite3.SQLITE_FULL
    return getattr(error, "sqlstate", None) == POSTGRESQL_DISK_FULL


def tells_lock(error: BaseException) -> bool:
    """Whether the database gave up waiting for another's lock (the low byte of SQLite's code tells the kind)."""
    if isinstance(error, sqlite3.Error):
        return getattr(error, "sqlite_errorcode", 0) & 0xFF in SQLITE_WAITED
    return getattr(error, "sqlstate", None) in POSTGRESQL_WAITED
