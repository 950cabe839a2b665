"""How far a run is and how long it will still take, said at most twice a second."""

import time

from runkit.folder import RunFolder


class Pace:
    """Counts units done; the time left is extrapolated from what this process did itself."""

    def __init__(self, folder: RunFolder, *, total: int, unit: str, done: int = 0) -> None:
        self.folder, self.total, self.unit = folder, total, unit
        self.done = self.before = done
        self.start = self.said = time.monotonic()
        self._say()

    def step(self, count: int = 1) -> None:
        self.done += count
        if time.monotonic() - self.said >= 0.5 or self.done >= self.total:
            self._say()

    def _say(self) -> None:
        self.said = time.monotonic()
        own = self.done - self.before
        left = (self.said - self.start) / own * (self.total - self.done) if own else None
        self.folder.progress(self.done, self.total, self.unit, None if left is None else round(left, 1))
