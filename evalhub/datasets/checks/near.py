"""Near duplicates within the dataset: clusters, and how close the nearest other example is to each."""

from array import array
from collections import Counter
from collections.abc import Iterator, Sequence

from evalhub.datasets.checks.grouping import Keys
from evalhub.datasets.checks.nearest import nearest_similarities, similarity_histogram
from evalhub.datasets.checks.neighbours import Pair, Prompt, Runs, Sketches, clusters, pairs_within
from evalhub.datasets.checks.report import Clusters, Finding, Histogram
from evalhub.datasets.checks.text import Text
from evalhub.datasets.checks.thresholds import Thresholds

APART = (
    " Examples of different categories are different tasks and not counted here; where their prompts nearly repeat "
    "each other, a freeze keeps them on one side all the same."
)


class Near:
    """The runs of words of every example; compared when `close` is called."""

    def __init__(self, settings: Thresholds) -> None:
        self._settings = settings
        self._ids = array("q")
        self._categories: list[str] = []
        self._runs = Runs()
        self.pairs: list[Pair] = []
        self.groups: list[tuple[int, ...]] = []
        self.nearest = Histogram("nearest", "similarity", "")

    def take(self, texts: Sequence[Text]) -> None:
        self._ids.extend(text.id for text in texts)
        self._categories.extend(text.category for text in texts)
        self._runs.add(Prompt(text.whole, text.heads) for text in texts)

    def close(self, wholes: Keys) -> None:
        """Compare. `wholes`: a key per example; a cluster of nothing but copies is none.

        Two examples of different categories are different tasks, however long the input that they share.
        """
        sketches = Sketches(self._runs)
        self._runs = Runs()
        self.nearest = similarity_histogram(nearest_similarities(sketches))
        pairs = pairs_within(sketches, threshold=self._settings.near_duplicate)
        self.pairs = [pair for pair in pairs if self._categories[pair.first] == self._categories[pair.second]]
        self.groups = [group for group in clusters(self.pairs) if len({int(wholes[at]) for at in group}) > 1]

    def findings(self) -> Iterator[Finding]:
        closest = self._closest()
        for number, group in enumerate(self.groups, 1):
            for at in group:
                other, alike = closest[at]
                reason = f"Nearly repeats example {self._ids[other]} ({percent(alike)} alike)."
                yield Finding(self._ids[at], "near", reason, number)

    def _closest(self) -> dict[int, tuple[int, float]]:
        found: dict[int, tuple[int, float]] = {}
        for pair in self.pairs:
            for one, other in ((pair.first, pair.second), (pair.second, pair.first)):
                if one not in found or found[one][1] < pair.similarity:
                    found[one] = other, pair.similarity
        return found

    @property
    def clusters(self) -> Clusters:
        sizes = Counter(len(group) for group in self.groups)
        examples = sum(size * number for size, number in sizes.items())
        return Clusters(self._sentence(examples), len(self.groups), examples, tuple(sorted(sizes.items())))

    def _sentence(self, examples: int) -> str:
        if not self.groups:
            return f"No two of the {len(self._ids):,} examples of one category are near duplicates.{APART}"
        largest = max(map(len, self.groups))
        many = "cluster" if len(self.groups) == 1 else "clusters"
        return (
            f"{examples:,} of {len(self._ids):,} examples stand in {len(self.groups):,} {many} of near duplicates; the "
            f"largest has {largest:,}.{APART}"
        )


def percent(share: float) -> str:
    """A share in per cent; what is not all is never shown as 100%."""
    return f"{share:.0%}" if share >= 1 else f"{min(share, 0.99):.0%}"
