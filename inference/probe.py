"""Proof that the adapter that answers is the one that was trained: engines serve a wrong one, or none, in silence.

They do so when an adapter's id is reused, its folder is overwritten, or its tensors' names do not match the model's.
"""

import math
from dataclasses import dataclass
from typing import Any

from inference.engines.base import Engine
from inference.spec import GenerationSpec
from runkit.folder import RunFolder, RunRefused
from runkit.prompts import PROBES, encode_prompt


@dataclass(frozen=True)
class Precision:
    """How far two engines may differ on a probe, in nats."""

    tolerance: float  # per token, at most
    rounding: float  # per square root of tokens: what rounding alone does to a sum


EXACT, HALF = Precision(0.01, 2e-3), Precision(0.04, 0.04)  # 0.02 per √token was seen between bfloat16 and float32
NOTHING = 1e-5  # nats per token; an adapter that changes less changes nothing


def prove_adapter(engine: Engine, spec: GenerationSpec, folder: RunFolder) -> dict[str, Any] | None:
    """Compare the log-probability of recorded tokens with what training measured, and with the base alone.

    Returns {"ok", "recorded", "measured", "base", "tokens"}, or None without an adapter. Raises RunRefused.
    """
    if not spec.adapter:
        return None
    recorded = spec.adapter_facts.get("probe") or {}
    ids = list(recorded.get("token_ids") or encode_prompt(engine.tokenizer, PROBES[0], engine.context_length).ids)
    measured = engine.log_probability(ids, adapted=True)
    base = engine.log_probability(ids, adapted=False)
    precision = precision_of(spec, engine)
    reason = doubt(recorded, measured, base, tokens=len(ids), precision=precision)
    if reason:
        raise RunRefused(f"The adapter in {spec.adapter} is refused: {reason}")
    if not recorded:
        folder.emit("warning", text="Nothing is recorded about this adapter; it was only checked to change the base.")
    return {
        "ok": True,
        "recorded": recorded.get("adapter_logprob"),
        "measured": measured,
        "base": base,
        "tokens": len(ids),
    }


def precision_of(spec: GenerationSpec, engine: Engine) -> Precision:
    """Exact only where training (`precision` in the adapter's facts) and this engine both compute in float32."""
    exact = spec.adapter_facts.get("precision") == "fp32" and engine.facts()["arguments"].get("dtype") == "float32"
    return EXACT if exact else HALF


def doubt(recorded: dict[str, Any], measured: float, base: float, *, tokens: int, precision: Precision) -> str:
    """Why the adapter cannot be believed in; empty if it can. Log-probabilities in nats over all `tokens`."""
    if not math.isfinite(measured):
        return "it gives no finite probabilities."
    effect = abs(measured - base)
    if "adapter_logprob" not in recorded:
        return "it changes nothing in this base model." if effect < NOTHING * tokens else ""
    expected, expected_base = float(recorded["adapter_logprob"]), float(recorded.get("base_logprob", base))
    trained_effect = abs(expected - expected_base)
    rounding, tolerance = precision.rounding * math.sqrt(tokens), precision.tolerance * tokens
    found = f"its probe gives {measured:.3f} where training recorded {expected:.3f} (the base alone: {base:.3f})."
    if abs(base - expected_base) > max(rounding, tolerance):
        return f"the base model is not the one it was trained on, which alone gave {expected_base:.3f}; {found}"
    if trained_effect > rounding and effect < trained_effect / 2:
        return f"it does not apply to this base model; {found}"
    if abs(measured - expected) > max(rounding, min(tolerance, trained_effect / 2)):
        return f"it is not the one that was trained; {found}"
    return ""
