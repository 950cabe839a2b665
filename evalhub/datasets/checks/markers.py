"""Left-over template text: markers of chat formats, headings of prompt templates, placeholders left unfilled."""

import re

from evalhub.datasets.checks.scanning import without_code
from evalhub.datasets.checks.text import Text

_HINTS = ("<", "[", "{", "##", "Assistant:", "ASSISTANT:")
_TAGS = (
    r"\[/?INST\]|\[/?AVAILABLE_TOOLS\]|<</?SYS>>"  # Llama 2, Mistral
    r"|<\|[A-Za-z][\w ]{1,30}\|>"  # ChatML, Llama 3, Phi, GPT
    r"|<(?:start|end)_of_turn>|<\uff5c[^<>\uff5c\n]{1,40}\uff5c>"  # Gemma, DeepSeek
    r"|<(?:bos|eos|pad|unk)>"
)
_HEADINGS = r"^[ \t]*#{2,4} ?(?:Instruction|Response|Assistant|Human|User):"  # Alpaca, Vicuna
_TURN = r"\A\s*(?:Assistant|ASSISTANT):(?=\s)"
_BRACES = r"(?<![\w\\{}$^])\{\{[ \t]*[A-Za-z_][\w.]*[ \t]*\}\}(?![}{])"
_FIELD = r"(?<![\w\\{$])\{(?:instruction|input|output|response|question|context|prompt|document)\}(?!\})"
_MARKER = re.compile("|".join((_TAGS, _HEADINGS, _TURN, _BRACES, _FIELD)), re.MULTILINE)


def marker(text: str) -> str:
    """The first left-over marker of a text, "" if there is none. What stands in Markdown code is meant."""
    if not any(hint in text for hint in _HINTS):
        return ""
    prose = without_code(text)
    found = _MARKER.search(prose)
    return found.group().strip() if found else _sentence_tag(prose.strip())


def _sentence_tag(text: str) -> str:
    """The <s> or </s> of a chat format; HTML strikes out with both."""
    begins, ends = text.startswith("<s>") and "</s>" not in text, text.endswith("</s>") and "<s>" not in text
    return "<s>" if begins else "</s>" if ends else ""


def scan(text: Text) -> str:
    """Where there is template text, and which."""
    for name, part in text.parts():
        if found := marker(part):
            return f"The {name} contains template text: {found[:40]}"
    return ""
