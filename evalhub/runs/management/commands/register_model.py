"""manage.py register_model REFERENCE --project SLUG --name NAME: add a model to the registry."""

from argparse import ArgumentParser
from typing import Any

from evalhub.accounts.commands import ProjectCommand, Told
from evalhub.accounts.models import Project, User
from evalhub.accounts.permissions import Right
from evalhub.runs import actions, reading
from evalhub.runs.management import base
from evalhub.runs.models import Model


class Command(ProjectCommand):
    right = Right.RUN
    help = "Add a base model (hub id or local folder of safetensors) or an OpenAI-compatible endpoint."

    def add_arguments(self, parser: ArgumentParser) -> None:
        super().add_arguments(parser)
        parser.add_argument("reference", help="Hub id, local folder, or address of the endpoint.")
        parser.add_argument("--name", required=True)
        parser.add_argument("--kind", default=Model.Kind.BASE, choices=[Model.Kind.BASE, Model.Kind.ENDPOINT])
        base.add_set_argument(parser, "key_variable=EVALHUB_KEY_OPENAI or model=gpt-4.1-mini")

    def act(self, project: Project, by: User, options: dict[str, Any]) -> Told:
        model = actions.register_model(
            project,
            name=options["name"],
            reference=options["reference"],
            by=by,
            kind=options["kind"],
            facts=base.chosen_values(options["chosen"]),
        )
        values = {"model": model.name, "kind": model.kind, "reference": model.reference, "hash": model.content_hash}
        unchecked = reading.unchecked(model)
        lines = [f"“{model.name}” is registered: {model.get_kind_display().lower()} {model.reference}.", unchecked]
        return Told(values | {"unchecked": unchecked}, [line for line in lines if line])
