"""One sentence for a person about what broke a run. Light to import."""

from pathlib import Path

from runkit.door import what_broke
from runkit.folder import RunRefused

DISK_FULL = "The disk is full; make room and start the run again: it goes on from its last checkpoint."
MEMORY_GONE = (
    "The memory was not enough; halve the batch size and double the accumulation (the result stays the same), "
    "shorten the maximum length, or switch gradient checkpointing on."
)


def sentence(error: BaseException) -> str:
    """What happened and what to do, for any error that ended a run."""
    return what_broke(error, disk_full=DISK_FULL, memory_gone=MEMORY_GONE)


def model_unavailable(reference: str, *, offline: bool, error: Exception) -> RunRefused:
    """Why a base model could not be loaded."""
    text = " ".join(str(error).split())
    if "trust_remote_code" in text:
        return RunRefused(f"{reference} can only be loaded by running code that comes with it, which is never done.")
    if Path(reference).is_dir():
        return RunRefused(f"The model in {reference} cannot be loaded: {text[:300]}")
    if "safetensors" in text:
        return RunRefused(f"{reference} offers no safetensors weights; other formats can run code and are not loaded.")
    if offline:
        return RunRefused(
            f"The model {reference} is not on this machine, and contact with the hub is switched off; "
            "name a local folder, or allow the network (EVALHUB_OFFLINE=0)."
        )
    return RunRefused(f"The model {reference} could not be had: no such model, no right to it, or no network.")


def not_a_number(*, step: int, learning_rate: float, precision: str) -> RunRefused:
    """The loss or the gradient left the numbers: when, and the likely reason."""
    reasons = f"the learning rate ({learning_rate:g}) is probably too high"
    if precision == "fp16":
        reasons = f"fp16 has probably overflowed (bf16 or fp32 do not), or {reasons}"
    return RunRefused(f"The loss stopped being a number at step {step}: {reasons}; nothing of it was kept.")
