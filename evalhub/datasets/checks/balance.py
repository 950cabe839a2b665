"""How the examples spread over categories, source documents and languages, per wanted side of the split."""

from collections import Counter, defaultdict
from collections.abc import Iterable, Sequence
from urllib.parse import urlencode

from evalhub.datasets.checks.kinds import NO_SOURCE
from evalhub.datasets.checks.report import Balance, Bar, Bars, Check
from evalhub.datasets.checks.text import Text
from evalhub.datasets.splitting import SIDES

SHOWN = 50  # names per plot; the rest is counted together
UNNAMED = {"categories": "Without a category", "sources": "Without a source", "languages": "Undecided"}

Tally = dict[str, Counter[str]]  # name: {side: count}


class Spread:
    """Counts of categories and sources, and the side of each example."""

    def __init__(self) -> None:
        self._categories: Tally = defaultdict(Counter)
        self._sources: Tally = defaultdict(Counter)
        self._sides: list[str] = []

    def take(self, texts: Sequence[Text]) -> None:
        for text in texts:
            self._categories[text.category][text.side] += 1
            self._sources[text.source][text.side] += 1
            self._sides.append(text.side)

    def balance(self, languages: Iterable[str]) -> Balance:
        """`languages`: the language of each example in order, "" where it is undecided."""
        spoken: Tally = defaultdict(Counter)
        for language, side in zip(languages, self._sides, strict=True):
            spoken[language][side] += 1
        tallies = {"categories": self._categories, "sources": self._sources, "languages": spoken}
        return Balance(**{what: _bars(what, tally) for what, tally in tallies.items()})

    def balanced(self, lopsided: float) -> Check:
        """Whether the largest category is more than `lopsided` times the smallest."""
        sizes = Counter({name: sides.total() for name, sides in self._categories.items() if name})
        if len(sizes) < 2:
            return Check("balance", "Balance", "one category" if sizes else "no categories", "good")
        (most, many), *_, (least, few) = sizes.most_common()
        tone, note = ("warn", f"{most} to {least}.") if many / few > lopsided else ("good", "")
        where = tuple((f"Show “{name}”", _approved_in(name)) for name in (least, most))
        return Check("balance", "Balance", f"{many / few:.1f} : 1", tone, note, where=where)

    def sourced(self) -> Check:
        """How many examples name no document."""
        missing = self._sources[""].total() if "" in self._sources else 0
        warning = ("warn", "Without it the split cannot keep a document on one side.")
        tone, note = warning if missing else ("good", "")
        where = (("Show them", f"flag={NO_SOURCE}"),) if missing else ()
        return Check("sources", "Without a source document", f"{missing:,}", tone, note, missing, where)


def _approved_in(category: str) -> str:
    return urlencode({"category": category, "state": "approved"})


def _bars(what: str, tally: Tally) -> Bars:
    order = sorted(tally, key=lambda name: (-tally[name].total(), name))
    bars = [Bar(name or UNNAMED[what], {side: tally[name][side] for side in (*SIDES, "")}) for name in order]
    named = {name: tally[name].total() for name in order if name}
    others = sum(bar.total for bar in bars[SHOWN:])
    return Bars(_sentence(what, named), tuple(bars[:SHOWN]), len(named), others)


def _sentence(what: str, named: dict[str, int]) -> str:
    if not named:
        return {"languages": "No text is long enough to tell its language."}.get(what, f"No example names its {what}.")
    (most, many), total = max(named.items(), key=lambda item: item[1]), sum(named.values())
    if len(named) == 1:
        return f"All {total:,} that name one have “{most}”."
    return f"{len(named):,} {what} over {total:,} examples; the largest, “{most}”, has {many / total:.0%} of them."
