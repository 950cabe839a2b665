"""The fields of an example as they can be kept: texts, short names, tags, split, turns of a chat. Pure Python."""

import json
import math
from collections.abc import Mapping, Sequence
from typing import Any

from evalhub.datasets.cells import from_json
from evalhub.datasets.formats.limits import MAX_FIELD
from evalhub.datasets.formats.records import SPLITS, kind_of
from evalhub.datasets.shapes import as_turns

TEXTS = ("instruction", "input", "output", "system", "category", "source", "language", "key")
REQUIRED = ("instruction", "output")
LONGEST = {"key": 200, "category": 120, "source": 255, "language": 20}
ROLES = {"system": "system", "user": "user", "human": "user", "prompter": "user", "assistant": "assistant",
         "gpt": "assistant", "model": "assistant", "bot": "assistant"}  # fmt: skip
NOT_NUMBERS = {"nan": "NaN", "inf": "Infinity", "-inf": "-Infinity"}


class BadValue(Exception):
    """One field of one row cannot be kept as it is; `reason` is one sentence."""

    def __init__(self, name: str, reason: str) -> None:
        super().__init__(reason)
        self.name, self.reason = name, reason


def clean_values(given: Mapping[str, Any]) -> dict[str, Any]:
    """The fields of an example as they are stored, from whatever types a file or a form gives.

    Numbers, true and false become text; line ends become line feeds. Raises BadValue for what cannot be kept:
    an empty instruction or output, a list or object for a text, NUL characters, lone surrogates, NaN, more than
    2 MB, an unknown split.
    """
    cleaned: dict[str, Any] = {name: as_text(name, given[name]) for name in TEXTS if name in given}
    for name in LONGEST:
        if name in cleaned:
            cleaned[name] = _short(name, cleaned[name].strip())
    for name in REQUIRED:
        if name in cleaned and not cleaned[name].strip():
            raise BadValue(name, f"The {name} is empty.")
    if "tags" in given:
        cleaned["tags"] = _tags(given["tags"])
    if "wanted_split" in given:
        cleaned["wanted_split"] = _split(given["wanted_split"])
    if "history" in given:
        cleaned["history"] = _history(given["history"])
    return cleaned


def as_text(name: str, value: Any) -> str:
    """`value` as text with line feeds as line ends. Raises BadValue."""
    text = value if isinstance(value, str) else _told(name, value)
    _check_characters(name, text)
    return text.replace("\r\n", "\n").replace("\r", "\n") if "\r" in text else text


def _told(name: str, value: Any) -> str:
    """What is no text, as one. Raises BadValue."""
    if value is None:
        return ""
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, float) and not math.isfinite(value):
        told = NOT_NUMBERS.get(str(value), value)
        raise BadValue(name, f"The {name} is {told}, which is not a number that can be kept.")
    if isinstance(value, list | dict | tuple | set | bytes):
        raise BadValue(name, f"The {name} is {kind_of(value)}; a text is needed.")
    return str(value)


def _check_characters(name: str, text: str) -> None:
    if len(text) > MAX_FIELD or (len(text) > MAX_FIELD // 4 and len(text.encode("utf-8", "replace")) > MAX_FIELD):
        raise BadValue(
            name, f"The {name} has {len(text):,} characters; a field may have at most {MAX_FIELD // 10**6} MB."
        )
    if "\0" in text:
        raise BadValue(name, f"The {name} holds a NUL character (U+0000) at character {text.index(chr(0)) + 1}.")
    if text.isascii():
        return
    try:
        text.encode("utf-8")
    except UnicodeEncodeError as error:
        raise BadValue(name, f"The {name} is not valid UTF-8 at character {error.start + 1}.") from error


def _short(name: str, text: str) -> str:
    label = "id" if name == "key" else name
    if len(text) > LONGEST[name]:
        raise BadValue(name, f"The {label} has {len(text)} characters; at most {LONGEST[name]} can be kept.")
    return text


def _tags(value: Any) -> list[str]:
    value = from_json(value, list)
    if isinstance(value, str):
        value = value.replace(";", ",").split(",")
    if value is None:
        return []
    if not isinstance(value, list | tuple):
        raise BadValue("tags", f"The tags are {kind_of(value)}; a list or a text with commas is needed.")
    return list(dict.fromkeys(tag for item in value if (tag := _tag(item))))


def _tag(item: Any) -> str:
    if isinstance(item, dict | list | tuple | bytes):
        raise BadValue("tags", f"One of the tags is {kind_of(item)}; a text is needed.")
    return as_text("tags", item).strip()


def _split(value: Any) -> str:
    text = as_text("split", value).strip().casefold()
    if text and text not in SPLITS:
        raise BadValue("split", f"The split is “{text[:40]}”; known are train, validation and test.")
    return SPLITS.get(text, "")


def plain_json(name: str, value: Any) -> Any:
    """`value` as what JSON and the database can keep, of bytes only how many. Raises BadValue, naming the column."""
    if isinstance(value, dict):
        return {as_text(name, key): plain_json(name, item) for key, item in value.items()}
    if isinstance(value, list | tuple):
        return [plain_json(name, item) for item in value]
    if value is None or isinstance(value, bool | int):
        return value
    if isinstance(value, bytes):  # a picture, say; nothing here could show it, and its row has a text all the same
        return f"{len(value):,} bytes, not kept"
    text = as_text(name, value)
    return value if isinstance(value, float) else text


# --- chats --------------------------------------------------------------------------------------
def from_chat(name: str, value: Any) -> dict[str, Any]:
    """System text, earlier turns, last question and last answer of a chat. Raises BadValue."""
    said = turns(name, value)
    system = "\n\n".join(turn["content"] for turn in said if turn["role"] == "system")
    spoken = [turn for turn in said if turn["role"] != "system"]
    if not spoken or spoken[-1]["role"] != "assistant":
        raise BadValue(name, "The chat does not end with an answer of the assistant.")
    _refuse_disorder(name, spoken)
    found = {"instruction": spoken[-2]["content"], "output": spoken[-1]["content"], "history": spoken[:-2]}
    return found | ({"system": system} if system else {})


def _refuse_disorder(name: str, said: Sequence[Mapping[str, str]]) -> None:
    if [turn["role"] for turn in said] != ["user", "assistant"] * (len(said) // 2):
        raise BadValue(
            name, f"The turns of the {name} do not alternate between user and assistant, beginning with the user."
        )


def _history(value: Any) -> list[dict[str, str]]:
    """Earlier turns, of user and assistant in turn; also as pairs of question and answer, or as JSON in a cell."""
    given = as_turns(from_json(value, list))
    found = turns("history", given) if given not in (None, "") else []
    _refuse_disorder("history", found)
    return found


def turns(name: str, value: Any) -> list[dict[str, str]]:
    """The turns of a chat as role and content, from a list or its JSON. Raises BadValue."""
    if isinstance(value, str):
        try:
            value = json.loads(value)
        except ValueError as error:
            raise BadValue(name, f"The {name} are a text that is not JSON; a list of turns is needed.") from error
    if not isinstance(value, list | tuple):
        raise BadValue(name, f"The {name} are {kind_of(value)}; a list of turns is needed.")
    return [_turn(name, item) for item in value]


def _turn(name: str, item: Any) -> dict[str, str]:
    if not isinstance(item, dict):
        raise BadValue(name, f"A turn of the {name} is {kind_of(item)}; an object with role and content is needed.")
    said = item.get("role", item.get("from"))
    role = ROLES.get(said.casefold()) if isinstance(said, str) else None
    if role is None:
        raise BadValue(name, f"A turn has the role “{str(said)[:40]}”; known are system, user and assistant.")
    content = item.get("content", item.get("value"))
    if isinstance(content, list) and all(isinstance(part, dict) and part.get("type") == "text" for part in content):
        content = "".join(as_text(name, part.get("text")) for part in content)
    if content is None:
        raise BadValue(name, f"A turn of the {said} has no content.")
    return {"role": role, "content": as_text(name, content)}
