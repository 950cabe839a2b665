"""ROUGE with the values of the package rouge-score (Lin 2004), and with words of any script where that one has none.

English: rouge-score's own tokenizer with the Porter stemmer. Any other language: words of letters, marks and digits
of any script, no stemmer; scripts written without spaces are taken character by character.
"""

import re
import unicodedata
from collections.abc import Sequence
from functools import cache, lru_cache
from typing import Any

from rouge_score import rouge_scorer, scoring, tokenize, tokenizers

from inference.environment import versions
from inference.scorer import Pair, Scorer, Values
from inference.spec import ScoringSpec
from runkit.folder import RunFolder

UNSPACED = ("CJK", "HIRAGANA", "KATAKANA", "THAI", "LAO", "KHMER", "MYANMAR")
SENTENCE_END = re.compile(r"(?<=[.!?])\s+|(?<=[。！？।])\s*|\n+")


def scorers(spec: ScoringSpec, folder: RunFolder) -> list[Scorer]:
    metrics = [metric for metric in spec.metrics if metric.startswith("rouge")]
    rouge = Rouge(metrics, english=is_english(spec.language))
    return [Scorer({metric: rouge.name(metric) for metric in metrics}, rouge.score)]


def is_english(language: str) -> bool:
    return language.lower().replace("_", "-").split("-")[0] in ("en", "english")


class Rouge:
    """F-measures of rouge1, rouge2, rougeL and rougeLsum."""

    def __init__(self, metrics: Sequence[str], *, english: bool) -> None:
        self.metrics, self.english = metrics, english
        self.tokenizer = EnglishWords() if english else AnyWords()
        by_package = [metric for metric in metrics if metric != "rougeL"]
        self.package = rouge_scorer.RougeScorer(by_package, tokenizer=self.tokenizer) if by_package else None

    def name(self, metric: str) -> str:
        words = "English words, Porter stemmer" if self.english else "Unicode words, no stemmer"
        sentences = ", sentences at . ! ? and new lines" if metric == "rougeLsum" else ""
        return f"rouge-score {versions('rouge-score')['rouge-score']}, F-measure, {words}{sentences}"

    def score(self, pairs: Sequence[Pair]) -> Values:
        for pair in pairs:
            yield pair.id, self.values(pair.answer, pair.reference)

    def values(self, answer: str, reference: str) -> dict[str, float]:
        """Metric → F-measure between 0 and 1."""
        if "rougeLsum" in self.metrics:
            measured = self._package(by_sentence(answer), by_sentence(reference))
        else:
            measured = self._package(answer, reference)
        if "rougeL" in self.metrics:
            measured["rougeL"] = rouge_l(self.tokenizer.tokenize(answer), self.tokenizer.tokenize(reference))
        return {metric: measured[metric] for metric in self.metrics}

    def _package(self, answer: str, reference: str) -> dict[str, float]:
        if self.package is None:
            return {}
        return {metric: float(score.fmeasure) for metric, score in self.package.score(reference, answer).items()}


class EnglishWords:
    """rouge-score's tokenizer; its stemmer, which takes most of its time, remembers the words it has seen."""

    def __init__(self) -> None:
        self.stem = lru_cache(maxsize=200_000)(tokenizers.porter.PorterStemmer().stem)

    def tokenize(self, text: str) -> list[str]:
        return list(tokenize.tokenize(text, self))


class AnyWords:
    """Lower-cased words of any script."""

    def tokenize(self, text: str) -> list[str]:
        return unicode_words(text)


def unicode_words(text: str) -> list[str]:
    """Runs of letters, marks and digits; in scripts without spaces each character with its marks is a word."""
    words: list[str] = []
    before = ""
    for character in unicodedata.normalize("NFC", text).lower():
        kind = kind_of(character)
        if kind and (kind == before or (kind == "mark" and before)):
            words[-1] += character
        elif kind:
            words.append(character)
        before = after(kind, before)
    return words


@cache
def kind_of(character: str) -> str:
    """Either "word", "mark", "single" for a letter of a script without spaces, or "" for what lies between words."""
    category = unicodedata.category(character)[0]
    if category == "M":
        return "mark"
    if category not in "LN":
        return ""
    return "single" if unicodedata.name(character, "").startswith(UNSPACED) else "word"


def after(kind: str, before: str) -> str:
    """What the next character joins: a mark belongs to the word before it; a single character ends with itself."""
    if kind == "mark":
        return before or "word"
    return "one" if kind == "single" else kind


def by_sentence(text: str) -> str:
    """One sentence per line, as rougeLsum needs it. Words, and so all other metrics, stay what they are."""
    return "\n".join(part for part in SENTENCE_END.split(text) if part)


def rouge_l(answer: Sequence[str], reference: Sequence[str]) -> float:
    """F-measure over the longest common subsequence."""
    if not answer or not reference:
        return 0.0
    common = common_length(reference, answer)
    return float(scoring.fmeasure(common / len(answer), common / len(reference)))


def common_length(first: Sequence[Any], second: Sequence[Any]) -> int:
    """Length of the longest common subsequence, bit-parallel (Hyyrö 2004): one big-integer step per word."""
    places: dict[Any, int] = {}
    for place, word in enumerate(first):
        places[word] = places.get(word, 0) | 1 << place
    full = (1 << len(first)) - 1
    row = full
    for word in second:
        matched = row & places.get(word, 0)
        row = (row + matched | row - matched) & full
    return len(first) - row.bit_count()
