"""What instructions ask for: their verb and its object, as in the figure of Self-Instruct (Wang et al. 2022).

Read off the words without a parser: the verb begins the instruction, or follows "please" and the like; its object is
the last word before a preposition or a comma. English only; the rest is counted as undecided.
"""

import re
from collections import Counter, defaultdict
from collections.abc import Sequence

from evalhub.datasets.checks.report import Verb, Verbs
from evalhub.datasets.checks.text import Text
from evalhub.datasets.checks.vocabulary import ENDS, LIGHT, VERBS

SHOWN_VERBS, SHOWN_NOUNS = 20, 4
MOST_OBJECTS = 200  # counted per verb, rarer ones are dropped when there are many more
MOST_WORDS = 12  # between the verb and the end of its object
_SPEAKABLE = re.compile(r"[^\W\d_]+(?:['’-][^\W\d_]+)*|[.,;:!?\n(]")
_OPENERS = re.compile(
    r"\A\W*(?:(?:please|kindly|now|then|hi|hello|your task is to|you are asked to|i want you to|i need you to|i would "
    r"like you to|(?:can|could|would|will) you(?: please)?|help me(?: to)?|let['’]s)\b[\s,:]*)+",
    re.IGNORECASE,
)
_QUESTION = re.compile(
    r"\A\W*(?:what|who|whom|whose|where|when|why|how|which|is|are|was|were|do|does|did|has|have|should|would|could|can)\b",
    re.IGNORECASE,
)


class Tasks:
    """Counts of verbs and of their objects."""

    def __init__(self) -> None:
        self._verbs: dict[str, Counter[str]] = defaultdict(Counter)
        self._counts: Counter[str] = Counter()
        self._questions = self._undecided = 0

    def take(self, texts: Sequence[Text]) -> None:
        for text in texts:
            if found := verb_and_object(text.instruction):
                self._count(*found)
            elif _QUESTION.match(text.instruction):
                self._questions += 1
            else:
                self._undecided += 1

    def _count(self, verb: str, noun: str) -> None:
        self._counts[verb] += 1
        objects = self._verbs[verb]
        if noun:
            objects[noun] += 1
        if len(objects) > 10 * MOST_OBJECTS:
            self._verbs[verb] = Counter(dict(objects.most_common(MOST_OBJECTS)))

    @property
    def verbs(self) -> Verbs:
        shown = self._counts.most_common(SHOWN_VERBS)
        verbs = tuple(Verb(name, count, tuple(self._verbs[name].most_common(SHOWN_NOUNS))) for name, count in shown)
        return Verbs(self._sentence(), verbs, self._questions, self._undecided)

    def _sentence(self) -> str:
        named, total = self._counts.total(), self._counts.total() + self._questions + self._undecided
        if not named:
            return f"No verb was recognised in {_many(total, 'instruction')}; only English ones are read."
        (verb, times), *_ = self._counts.most_common(1)
        objects = [f", mostly “{verb} {noun}”" for noun, _ in self._verbs[verb].most_common(1)]
        questions = "1 is a question" if self._questions == 1 else f"{self._questions:,} are questions"
        share = f"{times / total:.0%} of all{''.join(objects)}"
        return (
            f"{named:,} of {_many(total, 'instruction')} begin with one of {_many(len(self._counts), 'verb')}; the "
            f"most frequent is “{verb}” ({share}). {questions}."
        )


def _many(count: int, what: str) -> str:
    return f"{count:,} {what}" if count == 1 else f"{count:,} {what}s"


def verb_and_object(instruction: str) -> tuple[str, str] | None:
    """("write", "story") from "Please write a short story about …"; None if it begins with no known verb."""
    beginning = _OPENERS.sub("", instruction[:300])
    words = _SPEAKABLE.findall(beginning.lower())
    if not words or words[0] not in VERBS:
        return None
    return words[0], _object(words[1 : MOST_WORDS + 1])


def _object(words: Sequence[str]) -> str:
    """The last word of the noun phrase that begins here; a comma after its first word parts two adjectives."""
    span: list[str] = []
    for at, word in enumerate(words):
        if word == "," and len(span) == 1 and at + 1 < len(words) and not words[at + 1].endswith("ing"):
            continue
        if word in ENDS or not word[0].isalpha():
            break
        if word not in LIGHT:
            span.append(word)
    return span[-1] if span else ""
