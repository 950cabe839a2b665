"""What the checks are given: examples, one after the other, and the prompts that they must not repeat."""

from collections.abc import Collection
from dataclasses import dataclass

PARTS = ("context", "instruction", "input", "output")


@dataclass(frozen=True, slots=True)
class Text:
    """What the checks need of one example."""

    id: int
    instruction: str
    input: str
    output: str
    context: str = ""  # system text and earlier turns
    category: str = ""
    source: str = ""
    language: str = ""  # as declared: a code such as "de" or "de-CH"
    side: str = ""  # the split that the row asks for

    @property
    def heads(self) -> tuple[str, ...]:
        """What says what to do, rather than with what."""
        return tuple(text for text in (self.context, self.instruction) if text)

    @property
    def prompt(self) -> str:
        """What a model is asked, in one text."""
        return "\n".join((self.context, self.instruction, self.input))

    @property
    def whole(self) -> str:
        return "\n".join((self.context, self.instruction, self.input, self.output))

    def parts(self) -> list[tuple[str, str]]:
        """(name, text) of the parts that are not empty."""
        named = ((name, getattr(self, name)) for name in PARTS)
        return [(name, text) for name, text in named if text]


@dataclass(frozen=True)
class OtherSet:
    """Prompts that must stay unseen in training. `kind`: "test set" or "benchmark"."""

    name: str
    kind: str
    prompts: Collection[str]
