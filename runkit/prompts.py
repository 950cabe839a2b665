"""The one place where chat messages become token ids, for training and for generation alike.

An engine receives ids, never text: a templated string would get a second BOS in some engines.
"""

import datetime
import hashlib
import json
import re
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from runkit.folder import RunRefused

Message = dict[str, str]  # {"role": "system" | "user" | "assistant", "content": text}

PLAIN_TEMPLATE = (
    "{{ bos_token }}{% for m in messages %}"
    "{% if m['role'] == 'assistant' %}Answer: {{ m['content'] }}{{ eos_token }}"
    "{% else %}{{ m['content'] }}\n\n{% endif %}{% endfor %}"
    "{% if add_generation_prompt %}Answer:{% endif %}"
)
"""Used, and said so in the log, for a base model that ships no chat template."""

DAY = datetime.date(2025, 1, 1)

PROBES: tuple[list[Message], ...] = (
    [{"role": "user", "content": "Write a headline.\n\nA bridge opens."}],
    [{"role": "user", "content": "Ünïcode – 中文 – عربى"}],
    [{"role": "user", "content": "Trailing space "}],
)


@dataclass(frozen=True)
class EncodedPrompt:
    """Token ids of a prompt, up to where the model answers."""

    ids: list[int]
    truncated: bool


@dataclass(frozen=True)
class EncodedExample:
    """Token ids of a prompt and of the answer that is learned."""

    prompt_ids: list[int]
    answer_ids: list[int]
    truncated: bool

    @property
    def length(self) -> int:
        return len(self.prompt_ids) + len(self.answer_ids)


def ensure_template(tokenizer: Any) -> bool:
    """Give the tokenizer the plain template if it has none; true if it had one."""
    if tokenizer.chat_template:
        return True
    tokenizer.chat_template = PLAIN_TEMPLATE
    return False


def render(tokenizer: Any, messages: Sequence[Message], *, answer_follows: bool = True) -> str:
    """The text of `messages` in the model's own template. Raises RunRefused if the template declines them.

    Templates that print today's date get a fixed one, or a model would be asked something else tomorrow than what it
    was trained on today.
    """
    try:
        text = tokenizer.apply_chat_template(
            list(messages), tokenize=False, add_generation_prompt=answer_follows, strftime_now=DAY.strftime
        )
    except Exception as error:
        if type(error).__module__.partition(".")[0] != "jinja2":  # the slim web image has no jinja2 to import
            raise
        raise RunRefused(f"The model's chat template declines these messages: {error}.") from error
    return str(text)


def tokenise(tokenizer: Any, text: str) -> list[int]:
    """Ids of already templated text: nothing is added to it."""
    return list(tokenizer(text, add_special_tokens=False)["input_ids"])


def encode_prompt(tokenizer: Any, messages: Sequence[Message], max_tokens: int) -> EncodedPrompt:
    """Ids of the prompt, the last user text cut at a sentence where the whole is longer than `max_tokens`.

    Raises RunRefused if even an empty user text does not fit.
    """
    ids = tokenise(tokenizer, render(tokenizer, messages))
    if len(ids) <= max_tokens:
        return EncodedPrompt(ids, truncated=False)
    head, last = list(messages[:-1]), messages[-1]
    room = len(tokenise(tokenizer, last["content"])) - (len(ids) - max_tokens)
    while room > 0:
        shorter = {**last, "content": _cut(tokenizer, last["content"], room)}
        ids = tokenise(tokenizer, render(tokenizer, [*head, shorter]))
        if len(ids) <= max_tokens:
            return EncodedPrompt(ids, truncated=True)
        room -= max(1, len(ids) - max_tokens)
    raise RunRefused(f"A prompt does not fit into {max_tokens} tokens even without its text; raise the length.")


def encode_example(tokenizer: Any, messages: Sequence[Message], max_length: int) -> EncodedExample:
    """Ids of prompt and answer (the last message). The prompt is cut to fit, the answer never.

    Raises RunRefused if the answer alone leaves no room for a prompt.
    """
    *context, answer = messages
    answer_ids = encode_answer(tokenizer, context, answer["content"])
    prompt = encode_prompt(tokenizer, context, max_length - len(answer_ids))
    return EncodedExample(prompt.ids, answer_ids, prompt.truncated)


def encode_answer(tokenizer: Any, context: Sequence[Message], answer: str) -> list[int]:
    """Ids of `answer` as the template writes it after the prompt; the end of sequence is always the last of them.

    A template that renders a finished turn otherwise than an open one (say, without a thinking block) gives no such
    text; then the answer itself is taken.
    """
    before = render(tokenizer, context)
    whole = render(tokenizer, [*context, {"role": "assistant", "content": answer}], answer_follows=False)
    text = whole[len(before) :] if whole.startswith(before) else answer
    return [*tokenise(tokenizer, _without_end(text, tokenizer.eos_token)), tokenizer.eos_token_id]


def _without_end(text: str, end: str | None) -> str:
    """`text` less one end of sequence and the white space a template puts behind it; other text is left as it is."""
    return re.sub(re.escape(end) + r"\s*\Z", "", text) if end else text


def template_fingerprint(tokenizer: Any) -> dict[str, Any]:
    """Hash of the template and of three rendered, tokenised probes: stored with an adapter, compared before use."""
    rendered = [tokenise(tokenizer, render(tokenizer, probe)) for probe in PROBES]
    material = json.dumps([tokenizer.chat_template, rendered], ensure_ascii=False, sort_keys=True)
    return {"hash": hashlib.sha256(material.encode()).hexdigest(), "probes": rendered}


def _cut(tokenizer: Any, text: str, tokens: int) -> str:
    """The first `tokens` tokens of `text`, back to the end of a sentence if that keeps more than half.

    A character that the cut went through is left out."""
    short = str(tokenizer.decode(tokenise(tokenizer, text)[:tokens], skip_special_tokens=True)).rstrip("\ufffd")
    end = max(short.rfind(mark) for mark in (". ", ".\n", "? ", "! ", "。"))
    return short[: end + 1] if end > len(short) / 2 else short
