"""manage.py generate --project SLUG --model NAME: answer the prompts of a split."""

from argparse import ArgumentParser
from typing import Any

from evalhub.accounts.models import Project, User
from evalhub.runs import actions
from evalhub.runs.management import base
from evalhub.runs.models import Run
from inference.spec import SAMPLING_SETTINGS


class Command(base.RunCommand):
    help = "Let a model answer the prompts of one split of a frozen version."

    def add_arguments(self, parser: ArgumentParser) -> None:
        super().add_arguments(parser)
        base.add_version_arguments(parser)
        base.add_split_argument(parser)
        parser.add_argument("--model", required=True, metavar="NAME", help="A base model, an adapter or an endpoint.")
        parser.add_argument("--engine", default="", choices=["", "transformers", "vllm", "openai"])
        base.add_set_argument(parser, "temperature=0 or max_tokens=64", SAMPLING_SETTINGS)

    def request(self, project: Project, by: User, options: dict[str, Any], *, send: bool) -> Run:
        return actions.request_generation(
            project,
            model=base.model_named(project, options["model"]),
            version=base.version_named(project, options["dataset"], options["number"]),
            by=by,
            split=options["split"],
            sampling=base.chosen_values(options["chosen"]),
            engine=options["engine"],
            name=options["name"],
            send=send,
        )
