"""Several processes under torchrun: only rank 0 owns the folder; the others compute and keep still."""

from collections.abc import Mapping
from pathlib import Path
from types import TracebackType
from typing import Any, Self

import torch.distributed as dist

from runkit.folder import RunFolder


class Silent(RunFolder):
    """The folder as other ranks see it: to be read, never locked or written."""

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, value: BaseException | None, trace: TracebackType | None
    ) -> None:
        return None

    def emit(self, kind: str, **fields: Any) -> None:
        return None

    def finish(self, result: Mapping[str, Any]) -> None:
        return None

    def fail(self, message: str, detail: str = "") -> None:
        return None


def open_silently(path: Path) -> RunFolder:
    return Silent(path)


def together() -> bool:
    return dist.is_available() and dist.is_initialized() and dist.get_world_size() > 1


def agreed(value: Any) -> Any:
    """Rank 0's value on every rank, so that all stop at the same step."""
    if not together():
        return value
    box = [value]
    dist.broadcast_object_list(box, src=0)
    return box[0]


def wait_for_all() -> None:
    if together():
        dist.barrier()
