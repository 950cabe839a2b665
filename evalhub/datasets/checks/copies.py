"""Examples that ask the same: copies, conflicts and tasks on two sides; and outputs that repeat what was given.

Of each text only hashes of 64 bits are kept: among a million texts two different ones are taken for equal with a
probability of 3 in 100 million.
"""

import hashlib
from array import array
from collections.abc import Iterator, Sequence

import numpy as np

from evalhub.datasets.checks.grouping import Keys, Positions, company, equal
from evalhub.datasets.checks.report import Finding
from evalhub.datasets.checks.text import Text
from evalhub.datasets.splitting import normalised, prompt_key

_MIX = np.uint64(0x9E3779B97F4A7C15)  # odd, of no pattern: (prompt, answer) → one key


class Copies:
    """Keys of every prompt and output, compared at the end."""

    def __init__(self) -> None:
        self._ids, self._prompts, self._outputs = array("q"), array("Q"), array("Q")
        self._sides: list[str] = []
        self._echoes: list[Finding] = []

    def take(self, texts: Sequence[Text]) -> None:
        for text in texts:
            output = key(text.output)
            self._ids.append(text.id)
            self._prompts.append(int(prompt_key(text.instruction, text.input, text.context)[:16], 16))
            self._outputs.append(output)
            self._sides.append(text.side)
            for name in ("input", "instruction"):
                if output == key(getattr(text, name)) and text.output.strip():
                    self._echoes.append(Finding(text.id, "echoes", f"The output is the {name} again."))
                    break

    @property
    def wholes(self) -> Keys:
        """A key per example, equal for copies."""
        return np.array(self._prompts, dtype=np.uint64) * _MIX + np.array(self._outputs, dtype=np.uint64)

    def findings(self) -> Iterator[Finding]:
        yield from self._echoes
        yield from self._told("copies", equal(self.wholes), "Same task and output as {}.")
        prompts = list(equal(np.array(self._prompts, dtype=np.uint64)))
        conflicts = (group for group in prompts if len({self._outputs[at] for at in group}) > 1)
        yield from self._told("conflicts", conflicts, "Same task as {}, but another output.")
        leaks = (group for group in prompts if len({self._sides[at] for at in group} - {""}) > 1)
        yield from self._told("leaks", leaks, "Same task as {}, but not all stand on one side of the split.")

    def _told(self, kind: str, groups: Iterator[Positions], reason: str) -> Iterator[Finding]:
        for number, group in enumerate(groups, 1):
            ids = [self._ids[at] for at in group]
            for member in ids:
                yield Finding(member, kind, reason.format(company(ids, member)), number)


def key(text: str) -> int:
    """64 bits of a text, whatever its case, white space and width of characters. Equal keys are one text."""
    return int.from_bytes(hashlib.blake2b(normalised(text).encode("utf-8", "replace"), digest_size=8).digest())
