"""The approved examples as a freeze looks at them: one after the other, and of their texts only digests are kept.

A million examples are gigabytes of text. What compares texts goes through them again (`prompts_on`); an example that
was changed in between is found when the version is stored (entries.py).
"""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from sys import intern
from typing import Any

from django.db.models import QuerySet

from evalhub.datasets.entries import DETAILS, FROZEN, Entry, details_digest, digests
from evalhub.datasets.guarded import PROMPT
from evalhub.datasets.importing import fingerprint
from evalhub.datasets.models import Dataset, Example, Split
from evalhub.datasets.splitting import Candidate, prompt_key

CHUNK = 2000
DIGEST, SIDES = 32, tuple(Split.values)  # bytes of a digest, and the order of the sides
TITLED = ("instruction", "input")
Values = Mapping[str, Any]


@dataclass(frozen=True, slots=True)
class Looked:
    """One example as it was looked at: its revision, its last change, digests of its texts."""

    revision: int
    changed: datetime
    digests: bytes  # of the row on each side, one after the other
    text: bytes  # its fingerprint, if something is replayed
    details: bytes  # their digest

    def entry(self, pk: int, side: str) -> Entry:
        start = DIGEST * SIDES.index(side)
        return Entry(pk, self.revision, side, self.digests[start : start + DIGEST], self.changed, self.details)


class Looking:
    """The approved examples of a dataset; `seen` and `candidates` fill while somebody goes through `rows`."""

    def __init__(self, dataset: Dataset, tested: Mapping[int, int], *, replaying: bool) -> None:
        self.dataset, self.tested, self.replaying = dataset, tested, replaying
        self.seen: dict[int, Looked] = {}
        self.candidates: list[Candidate] = []

    def rows(self) -> Iterator[tuple[int, Values]]:
        """(id, values), by id: one statement, so they are as they were at one moment."""
        names = ("id", "revision_number", "updated_at", "wanted_split", *FROZEN, *DETAILS)
        for values in self._approved().values(*names).iterator(chunk_size=CHUNK):
            pk, text = values["id"], bytes.fromhex(fingerprint(values)) if self.replaying else b""
            on_sides = b"".join(digests(values).values())
            details = details_digest(values)
            self.seen[pk] = Looked(values["revision_number"], values["updated_at"], on_sides, text, details)
            self.candidates.append(self._candidate(pk, values))
            yield pk, values

    def count(self) -> int:
        return self._approved().count()

    def prompts_on(self, side: str, sides: Mapping[int, str]) -> Iterator[tuple[int, Values]]:
        """(id, what is asked) of the examples on this side, by id."""
        for values in self._approved().values("id", *PROMPT).iterator(chunk_size=CHUNK):
            if sides.get(values["id"]) == side:
                yield values["id"], values

    def titles(self, pks: Sequence[int]) -> dict[int, Values]:
        """{id: what a title is made of}; an example that is gone since has an empty one."""
        found: dict[int, Values] = {pk: dict.fromkeys(TITLED, "") for pk in pks}
        for start in range(0, len(pks), CHUNK):
            some = self.dataset.examples.filter(pk__in=pks[start : start + CHUNK])
            found |= {values["id"]: values for values in some.values("id", *TITLED)}
        return found

    def _approved(self) -> QuerySet[Example]:
        return self.dataset.examples.filter(state=Example.State.APPROVED).order_by("id")

    def _candidate(self, pk: int, values: Values) -> Candidate:
        length = sum(len(values[name]) for name in ("instruction", "input", "output"))
        tested = pk in self.tested or self.dataset.is_benchmark
        wanted = Split.TEST if tested else values["wanted_split"]
        source, category = intern(values["source"]), intern(values["category"])  # many share one
        return Candidate(pk, prompt_of(values), source, category, wanted, length)


def prompt_of(values: Values) -> str:
    """What stands on one side only: instruction, input and context, case and white space aside."""
    context = "\n".join([values["system"], *(turn["content"] for turn in values["history"])])
    return prompt_key(values["instruction"], values["input"], context)
