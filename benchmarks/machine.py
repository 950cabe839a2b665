"""What a result must say about the machine it was measured on: no host name, no path."""

import os
import platform
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Any

import psutil

OURS = ("Django", "playwright", "torch", "transformers")


def facts() -> dict[str, Any]:
    """Processor, cores that this process may use, memory in GB, operating system, load, versions."""
    return {
        "processor": processor(),
        "cores": len(os.sched_getaffinity(0)),
        "memory_gb": round(psutil.virtual_memory().total / 1e9, 1),
        "load": round(os.getloadavg()[0], 1),  # of the last minute: seconds from a busy machine say little
        "system": f"{platform.system()} {platform.machine()}",
        "versions": {"Python": platform.python_version(), **installed(OURS)},
    }


def processor() -> str:
    """The processor's name as Linux knows it."""
    lines = Path("/proc/cpuinfo").read_text(encoding="utf-8").splitlines()
    names = [line.partition(":")[2].strip() for line in lines if line.startswith("model name")]
    return names[0] if names else platform.machine()


def installed(names: tuple[str, ...]) -> dict[str, str]:
    """Version by package, of those that are installed."""
    found = {}
    for name in names:
        try:
            found[name] = version(name)
        except PackageNotFoundError:
            continue
    return found
