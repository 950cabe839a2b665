"""The three shapes of an exported row, and the way back from each to the fields of an example. Pure Python.

alpaca keeps the fields as they are. messages and prompt join instruction and input into one question, as chat and
completion files have it; INPUT_BEGINS then says at which character of the question the input begins.
"""

from collections.abc import Mapping
from typing import Any

ALPACA, MESSAGES, PROMPT = "alpaca", "messages", "prompt"
SHAPES = {
    ALPACA: "Alpaca: instruction, input, output",
    MESSAGES: "Chat: messages with roles",
    PROMPT: "Prompt and completion",
}
INPUT_BEGINS = "input_begins_at"
BETWEEN = "\n\n"  # instruction and input
TEXTS = ("instruction", "input", "output", "system", "history")


def shaped(values: Mapping[str, Any], shape: str) -> dict[str, Any]:
    """One example's fields as a row of this shape; every other field stays beside it."""
    if shape == ALPACA:
        return dict(values)
    rest = {name: value for name, value in values.items() if name not in TEXTS}
    begins = {INPUT_BEGINS: len(values["instruction"]) + len(BETWEEN)} if values.get("input") else {}
    if shape == MESSAGES:
        return {"messages": _messages(values), **begins, **rest}
    context = {name: values[name] for name in ("system", "history") if values.get(name)}
    return {"prompt": _question(values), "completion": values["output"], **context, **begins, **rest}


def _question(values: Mapping[str, Any]) -> str:
    return BETWEEN.join([values["instruction"], *([values["input"]] if values.get("input") else [])])


def _messages(values: Mapping[str, Any]) -> list[dict[str, str]]:
    system = [{"role": "system", "content": values["system"]}] if values.get("system") else []
    asked = {"role": "user", "content": _question(values)}
    return [*system, *(values.get("history") or []), asked, {"role": "assistant", "content": values["output"]}]


def parted(given: Mapping[str, Any], begins: Any) -> dict[str, Any]:
    """The fields of an example whose instruction holds its input from character `begins` on, as shapes write it."""
    question = given.get("instruction")
    if not isinstance(question, str) or not isinstance(begins, int) or given.get("input"):
        return dict(given)
    if begins < len(BETWEEN) or question[begins - len(BETWEEN) : begins] != BETWEEN:
        return dict(given)
    return {**given, "instruction": question[: begins - len(BETWEEN)], "input": question[begins:]}


def as_turns(history: Any) -> Any:
    """Earlier turns that are given as pairs of question and answer, as a list of turns; others as they are."""
    if not isinstance(history, list | tuple) or not history:
        return history
    if not all(isinstance(pair, list | tuple) and len(pair) == 2 for pair in history):
        return history
    roles = ("user", "assistant")
    return [{"role": role, "content": text} for pair in history for role, text in zip(roles, pair, strict=True)]
