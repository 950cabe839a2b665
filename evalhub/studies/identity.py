"""The scan before a study opens: answers in which a model gives itself away."""

import re
from collections.abc import Iterator
from dataclasses import dataclass

from evalhub.progress import Heard, told
from evalhub.runs.models import Model
from evalhub.studies.models import ItemAnswer, Study

COMMON_WORDS = frozenset(  # in names of models and arms, these reveal nothing
    re.findall(
        r"\w+",
        """adapter answer answers article assistant base baseline best chat choice content copy data demo editor
    editors elsewhere endpoint external final first full human instruct item large last latest lead lora main made
    medium merged mini model models new none off old online open original output outputs page people plain preview
    prompt quick reference release run sample second sentence short simple small source standard straight summary
    system team test text texts third title titles train trained training tuned tuning turbo version web with without
    work writer writers""",
    )
)
SELF_TALK = re.compile(r"\b(?:as|i am|i'm|i’m) an? (?:\w+[ -]){0,2}(?:language model|ai\b|assistant)", re.IGNORECASE)
AROUND = 40


@dataclass(frozen=True)
class IdentityWarning:
    """Where an answer (or a text shown to raters) says who wrote it. `where`: an item's key, or a field."""

    where: str
    arm: str
    found: str
    excerpt: str


def identity_warnings(study: Study, *, heard: Heard | None = None) -> list[IdentityWarning]:
    """Answers that contain the name of a participating model, or speak as a model; and such names in the study's texts.

    The scan reads words: it finds "As a Llama model", not a style that gives a model away.
    """
    pattern = _pattern(participating_names(study))
    return [*_in_answers(study, pattern, heard), *_in_texts(study, pattern)]


def participating_names(study: Study) -> set[str]:
    """Names that would reveal an arm: of models, their bases, the last part of their reference, and telling words."""
    names: set[str] = set()
    for arm in study.arms.select_related("generation__model__base"):
        names.add(arm.name)
        if arm.generation:
            names |= _names_of(arm.generation.model)
    words = {word for name in names for word in re.findall(r"[^\W\d_]{4,}", name)}
    return {n for n in names | words if len(n) > 2 and not _is_common(n)}


def _names_of(model: Model | None) -> set[str]:
    if model is None:
        return set()
    return {model.name, model.reference.rstrip("/").rsplit("/", 1)[-1]} | _names_of(model.base)


def _is_common(name: str) -> bool:
    """Names made of everyday words only ("Tuned", "The editors' text") would match honest answers."""
    words = re.findall(r"[^\W\d_]+", name.lower())
    return all(len(word) < 4 or word in COMMON_WORDS for word in words)


def _pattern(names: set[str]) -> re.Pattern[str]:
    longest_first = sorted(names, key=lambda n: (-len(n), n))
    return re.compile("|".join(rf"(?<!\w){re.escape(n)}(?!\w)" for n in longest_first) or r"(?!)", re.IGNORECASE)


def _in_answers(study: Study, pattern: re.Pattern[str], heard: Heard | None) -> Iterator[IdentityWarning]:
    answers = ItemAnswer.objects.filter(item__study=study).select_related("item", "arm").order_by("item__position")
    for answer in told(answers.iterator(), answers.count(), heard):
        task = f"{answer.item.instruction}\n{answer.item.input}".casefold()
        for match in _matches(answer.text, pattern):
            if match.re is SELF_TALK or match[0].casefold() not in task:  # a task may speak of llamas
                yield IdentityWarning(answer.item.key, answer.arm.name, match[0], _excerpt(answer.text, match))
                break
        if study.show_reference and answer.text.strip() and answer.text.strip() == answer.item.reference.strip():
            yield IdentityWarning(answer.item.key, answer.arm.name, "the reference itself", answer.text[: 2 * AROUND])


def _matches(text: str, pattern: re.Pattern[str]) -> Iterator[re.Match[str]]:
    yield from SELF_TALK.finditer(text)
    yield from pattern.finditer(text)


def _in_texts(study: Study, pattern: re.Pattern[str]) -> Iterator[IdentityWarning]:
    for field in ("name", "description", "guidelines"):
        text = getattr(study, field)
        for match in pattern.finditer(text):
            yield IdentityWarning(f"the study's {field}", "", match[0], _excerpt(text, match))
            break


def _excerpt(text: str, match: re.Match[str]) -> str:
    start, end = max(0, match.start() - AROUND), match.end() + AROUND
    return f"{'…' if start else ''}{text[start:end]}{'…' if end < len(text) else ''}"
