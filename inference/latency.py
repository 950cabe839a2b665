"""What a single user would wait: requests one at a time, after a warm-up, end to end.

The times of a batch include its queue and are never kept.
"""

import time
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from inference.engines.base import Engine, Prompt
from inference.pace import Pace
from runkit.folder import RunFolder


@dataclass
class Timing:
    """Seconds per prompt id, end to end, and until the first token where the engine tells."""

    whole: dict[str, float] = field(default_factory=dict)
    first_token: dict[str, float] = field(default_factory=dict)

    def summary(self) -> dict[str, Any]:
        """{"latency": {"n", "p50", "p95", "mean", "concurrency", "first_token"?} or None, "latency_by_id"}."""
        latency = {**spread(self.whole), "concurrency": 1} if self.whole else None
        if latency and self.first_token:
            latency["first_token"] = spread(self.first_token)
        return {"latency": latency, "latency_by_id": self.whole}


def measure(engine: Engine, prompts: Sequence[Prompt], folder: RunFolder, pace: Pace) -> Timing:
    """Ask `prompts` one after the other; the first is asked once before, to warm up. Failures are left out."""
    timing = Timing()
    if prompts:
        folder.log(f"Asking {len(prompts)} prompts again, one at a time, to measure latency.")
        list(engine.generate(prompts[:1]))
    for prompt in prompts:
        folder.check()
        start = time.perf_counter()
        completions = list(engine.generate([prompt]))
        seconds = time.perf_counter() - start
        for completion in completions:
            if not completion.error:
                timing.whole[prompt.id] = round(seconds, 6)
            if completion.first_token_seconds is not None:
                timing.first_token[prompt.id] = completion.first_token_seconds
        pace.step()
    return timing


def spread(seconds: dict[str, float]) -> dict[str, Any]:
    values = np.array(list(seconds.values()))
    p50, p95 = np.percentile(values, [50, 95])
    return {"n": len(values), "p50": float(p50), "p95": float(p95), "mean": float(values.mean())}
