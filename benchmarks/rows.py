"""Real-shaped examples: sentences of the demo's corpus, cut to 20, 60 and 80 words, with near duplicates planted."""

import gzip
import json
import random
import re
from collections.abc import Iterator
from functools import cache
from pathlib import Path

from evalhub.datasets.checks.text import Text

CORPUS = Path(__file__).resolve().parent.parent / "demo" / "corpus.jsonl.gz"
WORDS = {"instruction": 20, "input": 60, "output": 80}
CATEGORIES = ("headline", "summary", "meta", "reply", "list")
EVERY = 50  # one row in so many is planted: the row before it with a few words replaced
MOST_CHANGED = 6


def texts(count: int, *, seed: int = 1) -> Iterator[Text]:
    """`count` examples; those whose id is a multiple of EVERY nearly repeat the one before."""
    chance = random.Random(seed)
    before = text(chance, 0)
    for number in range(1, count + 1):
        planted = number % EVERY == 0
        before = nearly(chance, before, number) if planted else text(chance, number)
        yield before


def text(chance: random.Random, number: int) -> Text:
    parts = {name: written(chance, count) for name, count in WORDS.items()}
    return Text(number, **parts, category=chance.choice(CATEGORIES), source=f"document-{number // 20}")


def written(chance: random.Random, count: int) -> str:
    """`count` words of real sentences in random order."""
    words: list[str] = []
    while len(words) < count:
        words += chance.choice(sentences())
    return " ".join(words[:count])


def nearly(chance: random.Random, original: Text, number: int) -> Text:
    """The same with up to MOST_CHANGED words of the output replaced."""
    words = original.output.split()
    for at in chance.sample(range(len(words)), chance.randint(1, MOST_CHANGED)):
        words[at] = f"other{chance.randrange(10**6)}"
    parts = {"instruction": original.instruction, "input": original.input, "output": " ".join(words)}
    return Text(number, **parts, category=original.category, source=original.source)


@cache
def sentences() -> tuple[list[str], ...]:
    """Sentences of 6 to 40 words of the demo's corpus."""
    with gzip.open(CORPUS, "rt", encoding="utf-8") as lines:
        pages = [json.loads(line)["text"] for line in lines]
    found = (sentence.split() for page in pages for sentence in re.split(r"(?<=[.!?])\s+", page))
    return tuple(words for words in found if 6 <= len(words) <= 40)
