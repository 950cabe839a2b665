"""The pins: exact, whole, without hosts or paths; and the web image has what the web imports, and no more than that."""

import ast
import re
import sys
from importlib.metadata import packages_distributions
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
FILES = ("web", "ml", "dev")
PIN = re.compile(r"^[A-Za-z0-9._-]+==[^\s;+]+(\s+#.*)?$")
GPU = {"torch", "transformers", "peft", "vllm", "accelerate", "bert_score"}
CHOICE = {  # what a machine may lack, and a sentence says so
    "inference": {"vllm", "openai"},  # engines that a machine adds itself
    "evalhub": {"tokenizers"},  # counts tokens in workers that have requirements/ml.txt
}
OURS = {"evalhub", "runkit", "training", "inference", "demo", "tests"}


def pins(name: str) -> dict[str, str]:
    lines = (ROOT / "requirements" / f"{name}.txt").read_text().splitlines()
    found = [line.split()[0].split("==") for line in lines if line and not line.startswith("#")]
    return {canonical(package): version for package, version in found}


def canonical(name: str) -> str:
    return re.sub(r"[-_.]+", "-", name).lower()


def imported_by(package: str) -> set[str]:
    """Top-level modules that the files of `package` import."""
    found: set[str] = set()
    for path in (ROOT / package).rglob("*.py"):
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            if isinstance(node, ast.Import):
                found |= {alias.name.partition(".")[0] for alias in node.names}
            elif isinstance(node, ast.ImportFrom) and node.module and not node.level:
                found.add(node.module.partition(".")[0])
    return found - set(sys.stdlib_module_names) - OURS


@pytest.mark.parametrize("name", FILES)
def test_it_pins_every_package_exactly_and_names_no_host_or_path(name: str) -> None:
    lines = (ROOT / "requirements" / f"{name}.txt").read_text().splitlines()
    assert [line for line in lines if line and not line.startswith("#") and not PIN.match(line)] == []


def test_it_agrees_with_itself_across_the_files() -> None:
    web, ml, dev = (pins(name) for name in FILES)
    shared = [(name, a[name], b[name]) for a, b in ((web, ml), (web, dev), (ml, dev)) for name in a.keys() & b.keys()]
    assert [row for row in shared if row[1] != row[2]] == []


@pytest.mark.parametrize(("package", "files"), [("evalhub", ["web"]), ("runkit", ["web"]), ("training", ["web", "ml"]),
                                                ("inference", ["web", "ml"])])  # fmt: skip
def test_it_installs_what_is_imported(package: str, files: list[str]) -> None:
    pinned = {name for file in files for name in pins(file)}
    owners = packages_distributions()
    own_choice = CHOICE.get(package, set())
    missing = {
        module
        for module in imported_by(package) - own_choice
        if not {canonical(owner) for owner in owners.get(module, [module])} & pinned
    }
    assert missing == set()


def test_it_puts_no_gpu_library_into_the_web() -> None:
    assert imported_by("evalhub") & GPU == set()
    assert {canonical(name) for name in GPU} & pins("web").keys() == set()
