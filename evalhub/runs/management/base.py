"""What the commands of this room share: a run done here or by a worker, and what its parts are named."""

import json
from argparse import ArgumentParser
from collections.abc import Sequence
from contextlib import closing
from typing import Any

from django.core.management.base import CommandError

from evalhub.accounts.commands import ProjectCommand, Told
from evalhub.accounts.models import Project, User
from evalhub.accounts.permissions import Right
from evalhub.datasets.models import Split, Version
from evalhub.jobs.commands import check_waiting
from evalhub.runs import actions
from evalhub.runs.management.sentences import sentences
from evalhub.runs.models import GenerationRun, Model, Run


class RunCommand(ProjectCommand):
    """A command that asks for a run, and does it here or lets a worker do it."""

    right = Right.RUN

    def add_arguments(self, parser: ArgumentParser) -> None:
        super().add_arguments(parser)
        parser.add_argument("--queue", action="store_true", help="Let a worker do it.")
        parser.add_argument("--no-wait", action="store_true", help="With --queue: do not wait for its end.")
        parser.add_argument("--name", default="", help="The run's name; else one is made from its parts.")

    def act(self, project: Project, by: User, options: dict[str, Any]) -> Told:
        check_waiting(options)
        run = self.request(project, by, options, send=options["queue"])
        if options["queue"] and options["no_wait"]:
            return told(run)
        with closing(self.bar(run.name)) as bar:
            run = (actions.wait if options["queue"] else actions.perform)(run, progress=bar)
        return told(run, error="" if run.state == Run.State.SUCCEEDED else run.message or f"The run has {run.state}.")

    def request(self, project: Project, by: User, options: dict[str, Any], *, send: bool) -> Run:
        raise NotImplementedError


def told(run: Run, *, error: str = "") -> Told:
    """A run in sentences, and as a script wants it."""
    answer = {"run": run.pk, "kind": run.kind, "name": run.name, "state": run.state, "message": run.message}
    if run.kind == Run.Kind.TRAINING and run.training.adapter:
        answer["model"] = run.training.adapter.name
    return Told({**answer, "result": summary(run.result)}, [] if error else sentences(run), error)


def summary(result: dict[str, Any]) -> dict[str, Any]:
    """The result without its long lists."""
    return {name: value for name, value in result.items() if name not in ("history", "template", "probe")}


def add_version_arguments(parser: ArgumentParser) -> None:
    parser.add_argument("--dataset", metavar="NAME", help="Name or slug; may be left out where there is only one.")
    parser.add_argument("--version", dest="number", type=int, metavar="N", help="Else the latest.")


def version_named(project: Project, dataset: str | None, number: int | None) -> Version:
    """The version asked for: of the dataset by name or slug, the latest where no number is given."""
    versions = Version.objects.filter(dataset__project=project).select_related("dataset__project")
    if dataset:
        versions = versions.filter(dataset__name=dataset) | versions.filter(dataset__slug=dataset)
    elif versions.values("dataset").distinct().count() > 1:
        raise CommandError("This project has several datasets; name one with --dataset.")
    if number:
        versions = versions.filter(number=number)
    found = versions.order_by("-number").first()
    if found is None:
        raise CommandError("There is no such version; freeze one first (manage.py freeze_version).")
    return found


def model_named(project: Project, name: str) -> Model:
    model = Model.objects.select_related("base").filter(project=project, name=name).first()
    if model is None:
        known = ", ".join(project.models.values_list("name", flat=True)[:10]) or "none"
        raise CommandError(f"There is no model “{name}” in this project; there are: {known}.")
    return model


def generation_named(project: Project, run: int) -> GenerationRun:
    made = GenerationRun.objects.select_related("run__project", "version").filter(run__project=project, run=run).first()
    if made is None:
        raise CommandError(f"Run {run} is no generation run of this project.")
    return made


def add_split_argument(parser: ArgumentParser) -> None:
    parser.add_argument("--split", default=Split.TEST, choices=Split.values)


def add_set_argument(parser: ArgumentParser, example: str, known: Sequence[str] = ()) -> None:
    there_are = f" There are: {', '.join(known)}." if known else ""
    parser.add_argument("--set", dest="chosen", action="append", default=[], metavar="KEY=VALUE",
                        help=f"A setting, e.g. {example}; may be given several times.{there_are}")  # fmt: skip


def chosen_values(pairs: list[str]) -> dict[str, Any]:
    """{"epochs": 1} of ["epochs=1"]: values are JSON where they can be, else text; commas make a list of targets."""
    values: dict[str, Any] = {}
    for pair in pairs:
        key, equals, text = pair.partition("=")
        if not equals:
            raise CommandError(f"“{pair}” is not KEY=VALUE.")
        values[key.strip()] = text.split(",") if key.strip() in ("targets", "stop") else value_of(text)
    return values


def value_of(text: str) -> Any:
    try:
        return json.loads(text)
    except ValueError:
        return text
