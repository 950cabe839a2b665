"""Which models of a project have a tokenizer on this machine; datasets ask by the name in settings.TOKENIZERS."""

from pathlib import Path

from evalhub.accounts.models import Project
from evalhub.runs.models import Model


def tokenizers_of(project: Project) -> dict[str, Path]:
    """{model's name: folder with its tokenizer.json}, of base models in folders."""
    bases = Model.objects.filter(project=project, kind=Model.Kind.BASE, reference__startswith="/").order_by("name")
    folders = {name: Path(reference) for name, reference in bases.values_list("name", "reference")}
    return {name: folder for name, folder in folders.items() if (folder / "tokenizer.json").is_file()}
