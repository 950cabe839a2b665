"""manage.py train --project SLUG --model NAME: train a LoRA adapter on a frozen version."""

from argparse import ArgumentParser
from typing import Any

from evalhub.accounts.models import Project, User
from evalhub.runs import actions
from evalhub.runs.management import base
from evalhub.runs.models import Run
from training.presets import ABOUT, DEFAULT_PRESET, PRESETS
from training.spec import SETTINGS


class Command(base.RunCommand):
    help = "Train a LoRA adapter on the train split of a frozen version."

    def add_arguments(self, parser: ArgumentParser) -> None:
        super().add_arguments(parser)
        base.add_version_arguments(parser)
        parser.add_argument("--model", required=True, metavar="NAME", help="The base model's name in the registry.")
        presets = " ".join(f"{name}: {ABOUT[name]}" for name in PRESETS).replace("%", "%%")
        parser.add_argument("--preset", default=DEFAULT_PRESET, metavar="NAME",
                            help=f"Where the settings start from (default: %(default)s). {presets}")  # fmt: skip
        base.add_set_argument(parser, "epochs=1 or targets=q_proj,v_proj", SETTINGS)

    def request(self, project: Project, by: User, options: dict[str, Any], *, send: bool) -> Run:
        return actions.request_training(
            project,
            base=base.model_named(project, options["model"]),
            version=base.version_named(project, options["dataset"], options["number"]),
            by=by,
            preset=options["preset"],
            settings=base.chosen_values(options["chosen"]),
            name=options["name"],
            send=send,
        )
