"""Makes the demo project, or what is still missing of it. `make run` does this in the background."""

import time
from argparse import ArgumentParser
from pathlib import Path
from typing import Any

from django.conf import settings
from django.core.management.base import CommandError

from evalhub.accounts.commands import TellingCommand, Told
from evalhub.demo.create import STEPS, Broken, House, one_round

ROUND_SECONDS = 2.0
SAY_EVERY_SECONDS = 15.0
READY = "The demo is complete: raters find two studies at My studies, everybody else begins at Home."


class Command(TellingCommand):
    help = "Make the demo project; a second time makes what is missing."

    def add_arguments(self, parser: ArgumentParser) -> None:
        super().add_arguments(parser)
        parser.add_argument("--follow", action="store_true", help="leave jobs to the workers, and wait for them")
        parser.add_argument("--progress", type=Path, help="a file to which progress is written too")

    def perform(self, options: dict[str, Any]) -> Told:
        if settings.PRODUCTION:
            raise CommandError("The demo has passwords that everybody knows; it is not made in production.")
        teller = Teller(options["progress"], self)
        broken = follow(House(in_line=not options["follow"]), teller)
        if broken:
            raise CommandError(" ".join(dict.fromkeys(broken)))
        teller.say(READY)
        return Told({"project": "content-copy", "steps": [name for name, _ in STEPS]})


class Teller:
    """Says each thing once, and the state of a long job now and then."""

    def __init__(self, path: Path | None, command: Command) -> None:
        self.path, self.command = path, command
        self.said: set[str] = set()
        self.waited_for = ""
        self.last = 0.0
        self.begun = time.monotonic()

    def done(self, name: str) -> None:
        if name not in self.said:
            self.said.add(name)
            self._write(f"{len(self.said)} of {len(STEPS)}  {name}  ({time.monotonic() - self.begun:.0f} s)")

    def waiting(self, sentence: str) -> None:
        if sentence != self.waited_for and time.monotonic() - self.last >= SAY_EVERY_SECONDS:
            self.waited_for = sentence
            self._write(sentence)

    def say(self, sentence: str) -> None:
        self._write(sentence)

    def _write(self, line: str) -> None:
        self.last = time.monotonic()
        self.command.stderr.write(line)
        if self.path:
            self.path.parent.mkdir(parents=True, exist_ok=True)
            with self.path.open("a", encoding="utf-8") as file:
                file.write(line + "\n")


def follow(house: House, teller: Teller) -> list[str]:
    """Rounds over the steps until none waits; returns what is broken for good."""
    while True:
        broken: list[str] = []
        waiting: list[str] = []
        for name, reason in one_round(house):
            if reason is None:
                teller.done(name)
            else:
                (broken if isinstance(reason, Broken) else waiting).append(str(reason))
        if not waiting or (broken and not house.busy):
            return broken
        teller.waiting(waiting[0])
        time.sleep(ROUND_SECONDS)
