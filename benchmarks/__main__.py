"""`python -m benchmarks [NAME…]`: without a name everything but the long ones. Exits with 1 if a limit is missed."""

import sys
from collections.abc import Callable

from benchmarks import checks, curation, exports, freezing, imports, rating_page, start
from benchmarks.machine import facts
from benchmarks.results import Outcome, keep

BENCHMARKS: dict[str, Callable[[], Outcome]] = {
    "curation": curation.run,
    "rating_page": rating_page.run,
    "checks": checks.run,
    "checks_million": checks.run_million,
    "start": start.run,
    "fresh_start": start.run_fresh,
    "exports": exports.run,
    "freezing": freezing.run,
    "imports": imports.run,
    "imports_million": imports.run_million,
}
LONG = {"checks_million", "curation", "fresh_start", "imports_million"}


def main(names: list[str]) -> int:
    unknown = [name for name in names if name not in BENCHMARKS]
    if unknown:
        print(f"Unknown benchmark: {', '.join(unknown)}. Known: {', '.join(BENCHMARKS)}.", file=sys.stderr)
        return 2
    holds = True
    for name in names or [name for name in BENCHMARKS if name not in LONG]:
        print(f"Measuring {name} …", file=sys.stderr)
        machine = facts()
        outcome = BENCHMARKS[name]()
        print(keep(outcome, machine).read_text(encoding="utf-8"))
        holds = holds and outcome.holds
    return 0 if holds else 1


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
