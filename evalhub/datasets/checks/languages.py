"""In which language each output is written, and which examples are in another than expected.

py3langid knows 140 languages from a model that comes with the package. It is loaded on the first text, which takes a
second and 100 MB: workers do that, the web never does. Codes are ISO 639-1, "" where a text is undecided.
"""

import re
from array import array
from collections import Counter
from collections.abc import Iterator, Sequence
from functools import cache, lru_cache

from py3langid.langid import MODEL_FILE, LanguageIdentifier

from evalhub.datasets.checks.report import Finding
from evalhub.datasets.checks.scanning import without_code
from evalhub.datasets.checks.text import Text
from evalhub.datasets.checks.thresholds import Thresholds

LOOKED_AT = (150, 450)  # characters from the beginning; the second only where the first leave it open
FEWEST = 20  # decided texts before a language is the dataset's own
_IDEOGRAPHS = re.compile(r"[\u3040-\u30ff\u3400-\u9fff\uac00-\ud7af]")
_NO_PROSE = re.compile(r"https?://\S+|[\d_/\\|=<>{}\[\]()#*+.,;:!?\"-]+")
_WEIGHT = 3  # an ideograph says as much as this many letters
# Codes of varieties that are told apart badly, or not as a person would: all but the first of a group count as it.
_KIN = (
    "no nb nn",
    "hr sr bs",
    "id ms",
    "zh yue wuu",
    "ar arz ary",
    "es ext an",
    "it vec lij",
    "en pcm",
    "uz uzs",
    "fr wa",
)
_SAME = {code: group.split()[0] for group in _KIN for code in group.split()}
_UNSPOKEN = {"zxx", "la", "eo", "vo"}  # no language, or one that list-like text is mistaken for
_NAMES = {
    "ar": "Arabic", "cs": "Czech", "da": "Danish", "de": "German", "el": "Greek", "en": "English", "es": "Spanish",
    "fi": "Finnish", "fr": "French", "he": "Hebrew", "hi": "Hindi", "hu": "Hungarian", "id": "Indonesian",
    "it": "Italian", "ja": "Japanese", "ko": "Korean", "nl": "Dutch", "no": "Norwegian", "pl": "Polish",
    "pt": "Portuguese", "ro": "Romanian", "ru": "Russian", "sv": "Swedish", "tr": "Turkish", "uk": "Ukrainian",
    "vi": "Vietnamese", "zh": "Chinese",
}  # fmt: skip


class Languages:
    """The language of every output, declared and found; codes only."""

    def __init__(self, settings: Thresholds) -> None:
        self._settings = settings
        self._ids = array("q")
        self._declared: list[str] = []
        self._found: list[str] = []
        self._asked = array("b")

    def take(self, texts: Sequence[Text]) -> None:
        for text in texts:
            self._ids.append(text.id)
            self._declared.append(code_of(text.language))
            self._found.append(language_of(text.output, self._settings))
            self._asked.append(_asks_for(text, self._found[-1]))

    @property
    def spoken(self) -> list[str]:
        """Per example the name of its language as declared, else as found, "" if neither."""
        return [name_of(declared or found) for declared, found in zip(self._declared, self._found, strict=True)]

    def findings(self) -> Iterator[Finding]:
        own = self._own()
        for number, declared, found, asked in zip(self._ids, self._declared, self._found, self._asked, strict=True):
            if found and declared and found != declared:
                reason = f"The output seems to be in {name_of(found)}, not in {name_of(declared)} as declared."
                yield Finding(number, "language", reason)
            elif found and own and not (declared or asked) and found != own:
                reason = f"The output seems to be in {name_of(found)}; most are in {name_of(own)}."
                yield Finding(number, "language", reason)

    def _own(self) -> str:
        """The language of most outputs, "" where there are too few, or none is that frequent."""
        counts = Counter(found for found in self._found if found)
        if counts.total() < FEWEST:
            return ""
        most, many = counts.most_common(1)[0]
        return most if many >= self._settings.language_share * counts.total() else ""


def _asks_for(text: Text, code: str) -> bool:
    """Whether the task names this language in English, as a translation does."""
    return bool(code) and name_of(code).lower() in f"{text.context} {text.instruction}".lower()


def language_of(text: str, settings: Thresholds) -> str:
    """The code of a text's language; "" where it is too short, is no prose, or the answer is uncertain."""
    for length in LOOKED_AT:
        prose = _NO_PROSE.sub(" ", without_code(text[: 2 * length]))[:length]
        if _letters(prose) >= settings.language_letters and (found := _certain(prose, settings.language_certainty)):
            return found
        if len(text) <= length:
            break
    return ""


def _certain(prose: str, certainty: float) -> str:
    """The code if it, with its kin, has this probability."""
    found, probability = _identifier().classify(prose)
    code = _SAME.get(found, found)
    if probability < certainty and code in _SAME:
        probability = sum(share for other, share in _identifier().rank(prose) if _SAME.get(other) == code)
    return code if probability >= certainty and code not in _UNSPOKEN else ""


def _letters(prose: str) -> int:
    ideographs = 0 if prose.isascii() else len(_IDEOGRAPHS.findall(prose))
    return len("".join(prose.split())) + (_WEIGHT - 1) * ideographs


@lru_cache(maxsize=1000)
def code_of(declared: str) -> str:
    """ "de" from "de-CH", "DE" or "German"; "" for what the identifier does not know."""
    word = declared.strip().casefold()
    for code, name in _NAMES.items():
        if word == name.casefold():
            return code
    code = re.split(r"[-_]", word)[0]
    known = code in _SAME or (len(code) in (2, 3) and code in _identifier().labels)
    return _SAME.get(code, code) if known else ""


def name_of(code: str) -> str:
    """The English name of a language, or its code."""
    return _NAMES.get(code, code)


@cache
def _identifier() -> LanguageIdentifier:
    return LanguageIdentifier.from_model_file(MODEL_FILE, norm_probs=True)
