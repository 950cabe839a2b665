"""markers: template text that was left over, and what only looks like it."""

import pytest

from evalhub.datasets.checks.markers import marker
from tests.datasets.checks.given import found, text

LEFT_OVER = [
    ("[INST] Say hello [/INST]", "[INST]"),
    ("<<SYS>>Be kind<</SYS>>", "<<SYS>>"),
    ("Hello<|im_end|>", "<|im_end|>"),
    ("<|start_header_id|>user", "<|start_header_id|>"),
    ("Bye.<|endoftext|>", "<|endoftext|>"),
    ("<start_of_turn>model", "<start_of_turn>"),
    ("Bye.</s>", "</s>"),
    ("<s> Hello", "<s>"),
    ("Hi\n### Response: Hello", "### Response:"),
    ("### Instruction:\nWrite", "### Instruction:"),
    ("Dear {{ first_name }},", "{{ first_name }}"),
    ("Hello {{user.name}}!", "{{user.name}}"),
    ("Summarise: {input}", "{input}"),
    ("Assistant: Of course.", "Assistant:"),
]
MEANT = [
    "Llama 2 wraps the task in `[INST]` and `[/INST]`.",
    "```\n<|im_start|>user\n{{ message }}\n<|im_end|>\n```",
    "```jinja\n{{ name }}",
    r"\frac{{a}}{{b}} and x^{{n}} and {{1, 2}, {3}}",
    "A set {a, b} and a dict {'input': 1} and f{input}",
    "<s>struck out</s> in HTML, <b>bold</b>",
    "## Response times\n### Output\nFine.",
    "a || b, |x|, <|> and <|",
    "In the play:\nHuman: Who are you?",
    "The Assistant: a novel",
    "[1] a source, [INSTITUTE] of things",
    "{{}} and {{ }}",
]


@pytest.mark.parametrize(("words", "expected"), LEFT_OVER)
def test_it_finds(words, expected):
    assert marker(words) == expected


@pytest.mark.parametrize("words", MEANT)
def test_it_passes(words):
    assert marker(words) == ""


def test_the_reason_names_the_part():
    reason = found("markers", text(1, instruction="Greet {{name}}."))[1].reason
    assert reason == "The instruction contains template text: {{name}}"
