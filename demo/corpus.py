"""The text the demo base model reads: plain documents, and passages followed by something taken from themselves.

Nothing here predicts a title, a summary or an instruction; every continuation is found in the passage it follows,
which is what makes copying from the input learnable for so small a model.
"""

import collections
import gzip
import json
import math
import random
import re
from collections.abc import Callable, Iterable, Iterator
from pathlib import Path

CORPUS = Path(__file__).with_name("corpus.jsonl.gz")

SENTENCE_END = re.compile(r"(?<=[.?!])[\"”’)]?\s+(?=[\"“(]?[A-Z0-9])")
WORD = re.compile(r"[A-Za-z][A-Za-z'’\-]+")
NAME = re.compile(
    r"[A-Z][A-Za-z0-9’'&\-]+(?:\s+(?:of|and|for|the|on)\s+(?=[A-Z])|\s+(?=[A-Z]))?(?:[A-Z][A-Za-z0-9’'&\-]+\s?)+"
)
COMMON = frozenset(  # too common to tell anything
    WORD.findall(
        "about all also an and any are as at be but by can could did do does for from get had has have he help her his"
        " how if in into is it its just like made make many may more most my need new no not of on one or other our out"
        " over people she should so some such than that the their them these they this those through to two up us use"
        " used using very was way we well were what when which who will with would yes you your"
    )
)

Passage = list[list[str]]  # paragraphs of sentences


def documents(part: str, path: Path = CORPUS) -> list[str]:
    """The texts of one part: "B" bodies of all training-side documents, "V" validation documents."""
    with gzip.open(path, "rt", encoding="utf-8") as file:
        rows = [json.loads(line) for line in file]
    return [row["text"] for row in rows if row["part"] == part]


def sentences(paragraph: str) -> list[str]:
    return [sentence.strip() for sentence in SENTENCE_END.split(paragraph) if sentence.strip()]


def words(text: str) -> list[str]:
    return WORD.findall(text)


def joined(passage: Passage) -> str:
    return "\n\n".join(" ".join(paragraph) for paragraph in passage if paragraph)


class PassageMaker:
    """Draws passages from documents and puts a task behind each whose answer stands in the passage."""

    def __init__(self, texts: list[str], seed: int) -> None:
        self.random = random.Random(seed)
        self.documents = [text.split("\n\n") for text in texts]
        self.frequency: collections.Counter[str] = collections.Counter()
        for text in texts:
            self.frequency.update({word.lower() for word in words(text)})

    def make(self) -> str:
        """One passage with its task; a very short one stays plain."""
        passage = self.draw(self.random.randint(60, 230))
        if sum(map(len, passage)) < 3:
            return joined(passage)
        tasks = (self.keywords, self.names, self.first, self.containing, self.missing, self.again)
        task = self.random.choices(tasks, weights=(22, 14, 14, 16, 24, 10))[0]
        shown, tail = task(passage)
        return f"{joined(shown)}\n\n{tail}"

    def draw(self, most_words: int) -> Passage:
        """Whole sentences up to `most_words` words, half of the time from a document's beginning."""
        document = self.random.choice(self.documents)
        start = 0 if self.random.random() < 0.5 else self.random.randrange(len(document))
        passage: Passage = []
        count = 0
        for paragraph in document[start:]:
            every = sentences(paragraph)
            fitting = _fitting(every, most_words - count, first=count == 0)
            count += sum(len(sentence.split()) for sentence in fitting)
            if fitting:
                passage.append(fitting)
            if len(fitting) < len(every):
                break
        return passage

    def keywords(self, passage: Passage) -> tuple[Passage, str]:
        return passage, "Keywords: " + ", ".join(self.telling(joined(passage), self.random.randint(3, 7)))

    def names(self, passage: Passage) -> tuple[Passage, str]:
        found = collections.Counter(name.strip() for name in NAME.findall(joined(passage)) if len(name.split()) > 1)
        if not found:
            return self.first(passage)
        return passage, "Names: " + ", ".join(name for name, _ in found.most_common(5))

    def first(self, passage: Passage) -> tuple[Passage, str]:
        return passage, "First sentence: " + passage[0][0]

    def containing(self, passage: Passage) -> tuple[Passage, str]:
        sentence = self.random.choice(_middling(passage))
        word = self.telling(sentence, 1)
        return (passage, f"Sentence with “{word[0]}”: {sentence}") if word else self.first(passage)

    def missing(self, passage: Passage) -> tuple[Passage, str]:
        """The sentence that shares most words with the rest is taken out and asked for."""
        bags = {s: {word.lower() for word in words(s)} - COMMON for paragraph in passage for s in paragraph}
        gone = max(_middling(passage), key=lambda sentence: _overlap(bags, sentence))
        return [[s for s in paragraph if s != gone] for paragraph in passage], "Missing sentence: " + gone

    def again(self, passage: Passage) -> tuple[Passage, str]:
        return passage, "Again: " + " ".join(self.random.choice(passage))

    def telling(self, text: str, most: int) -> list[str]:
        """The words of `text` with the highest tf–idf over the documents, as they are written there."""
        seen: dict[str, str] = {}
        count: collections.Counter[str] = collections.Counter()
        for word in words(text):
            if len(word) >= 4 and word.lower() not in COMMON:
                seen.setdefault(word.lower(), word)
                count[word.lower()] += 1
        ranked = sorted(count, key=lambda word: -(1 + math.log(count[word])) * self.rarity(word))
        return [seen[word] for word in ranked[:most]]

    def rarity(self, word: str) -> float:
        """Inverse document frequency; 0 for a word of a single document, often a misspelling."""
        known = self.frequency[word]
        return math.log(len(self.documents) / (1 + known)) if known > 1 else 0.0


def reading(
    texts: list[str], *, tokens: int, plain_share: float, seed: int, count: Callable[[str], int]
) -> Iterator[str]:
    """Texts in random order until about `tokens` tokens are reached, `plain_share` of them plain documents."""
    plain = _until(_endless(texts, random.Random(seed)), tokens * plain_share, count)
    maker = PassageMaker(texts, seed)
    made = _until(iter(maker.make, None), tokens * (1 - plain_share), count)
    every = [*plain, *made]
    random.Random(seed).shuffle(every)
    yield from every


def _until(texts: Iterable[str], tokens: float, count: Callable[[str], int]) -> Iterator[str]:
    seen = 0
    for text in texts:
        if seen >= tokens:
            return
        seen += count(text)
        yield text


def _endless(texts: list[str], chance: random.Random) -> Iterator[str]:
    while True:
        yield from chance.sample(texts, len(texts))


def _fitting(every: list[str], room: int, *, first: bool) -> list[str]:
    """The leading sentences with at most `room` words together; the very first sentence always fits."""
    taken: list[str] = []
    for sentence in every:
        room -= len(sentence.split())
        if room < 0 and not (first and not taken):
            break
        taken.append(sentence)
    return taken


def _middling(passage: Passage) -> list[str]:
    every = [sentence for paragraph in passage for sentence in paragraph]
    return [sentence for sentence in every if 5 <= len(sentence.split()) <= 35] or every


def _overlap(bags: dict[str, set[str]], sentence: str) -> float:
    rest = set[str]().union(*(bag for other, bag in bags.items() if other != sentence))
    return 2 * len(bags[sentence] & rest) / (len(bags[sentence]) + 15)
