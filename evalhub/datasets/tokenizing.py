"""How many tokens a text has for a model: by the tokenizer in the model's own folder, loaded in workers alone."""

from collections.abc import Callable, Sequence
from pathlib import Path

from django.conf import settings
from django.utils.module_loading import import_string

from evalhub.accounts.models import Project
from evalhub.errors import Refused

FILE = "tokenizer.json"


def known(project: Project) -> dict[str, Path]:
    """{model's name: folder of its tokenizer}, of the project's models."""
    found: dict[str, Path] = import_string(settings.TOKENIZERS)(project)
    return found


def folder_of(project: Project, model: str) -> Path:
    """The folder of this model's tokenizer. Raises Refused where there is none here."""
    folders = known(project)
    if model not in folders:
        there = f"there are {', '.join(folders)}" if folders else "no model of this project has one"
        raise Refused(f"“{model}” has no tokenizer on this machine; {there}.", field="model")
    return folders[model]


def counter(folder: Path) -> Callable[[Sequence[str]], list[int]]:
    """texts → tokens of each, without special ones. Raises Refused where the folder has no tokenizer to read."""
    path = folder / FILE
    if not path.is_file():
        raise Refused(f"{folder.name} has no {FILE}, so lengths cannot be counted in its tokens.", field="tokenizer")
    try:
        from tokenizers import Tokenizer  # noqa: PLC0415  (the web does without it)

        tokenizer = Tokenizer.from_file(str(path))
    except ImportError as error:
        raise Refused("This machine has no tokenizer library; a worker with requirements/ml.txt has it.") from error
    except Exception as error:  # the library raises bare Exceptions
        raise Refused(f"The tokenizer of {folder.name} cannot be read: {error}.", field="tokenizer") from error
    tokenizer.no_truncation()
    tokenizer.no_padding()

    def count(texts: Sequence[str]) -> list[int]:
        return [len(found.ids) for found in tokenizer.encode_batch_fast(list(texts), add_special_tokens=False)]

    return count
