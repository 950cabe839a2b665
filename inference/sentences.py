"""One sentence for a person about what broke a run. Light to import."""

from runkit.door import what_broke

DISK_FULL = "The disk is full; nothing of what was already written is lost. Make room, then run this again."
MEMORY_GONE = "The memory was not enough; lower the batch size or the lengths, or take a smaller model."


def sentence(error: BaseException) -> str:
    """What happened and what to do, for any error that ended a run."""
    return what_broke(error, disk_full=DISK_FULL, memory_gone=MEMORY_GONE)
