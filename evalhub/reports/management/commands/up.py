"""`make run`: the whole of evalhub on one machine, in one terminal. Ctrl-C stops it."""

import fcntl
import hashlib
import ipaddress
import os
import socket
import sys
import time
from argparse import ArgumentParser
from pathlib import Path
from typing import IO, Any
from urllib.error import URLError
from urllib.parse import urlsplit
from urllib.request import urlopen

from django.conf import settings
from django.core.management import call_command
from django.core.management.base import BaseCommand, CommandError
from django.db import connection
from django.db.migrations.executor import MigrationExecutor

from evalhub.demo.people import PASSWORD, PEOPLE, open_to_everybody
from evalhub.supervisor import Child, Supervisor

WORRY_SECONDS = 20.0


class Command(BaseCommand):
    help = "Start the web and the workers of one machine, with the demo project; Ctrl-C stops them."
    requires_system_checks: list[str] = []  # a quick start; `make lint` runs them  # noqa: RUF012 (Django's own name)

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument("--port", type=int, default=8000)
        parser.add_argument("--bind", default="127.0.0.1", help="0.0.0.0 lets other machines in")
        parser.add_argument("--threads", type=int, default=8, help="requests the web answers at a time")
        parser.add_argument("--no-demo", action="store_true", help="make no demo project")

    def handle(self, *args: Any, **options: Any) -> None:
        if settings.PRODUCTION:
            raise CommandError("`up` is for one machine; production runs one process per role: docs/deployment.md.")
        started = time.monotonic()
        refuse_taken_port(options["bind"], options["port"])
        with only_one_in(settings.VAR):
            self.prepare()
            refuse_open_doors(options["bind"], making=not options["no_demo"])
            address = f"http://{shown_host(options['bind'])}:{options['port']}"
            greeter = Greeter(address, started, demo=not options["no_demo"], command=self)
            supervisor = Supervisor(children(options), environment(address), say=self.say)
            supervisor.run(greeter.tick)
        self.say("Stopped. Everything is kept; `make run` goes on.")

    def say(self, sentence: str) -> None:
        self.stdout.write(sentence)
        self.stdout.flush()

    def prepare(self) -> None:
        """Migrations and static files, where they changed."""
        if pending_migrations():
            self.say("Preparing the database")
            call_command("migrate", verbosity=0, interactive=False)
        stamp, now = settings.STATIC_ROOT / ".collected", static_fingerprint()
        if not stamp.exists() or stamp.read_text() != now:
            self.say("Collecting static files")
            call_command("collectstatic", verbosity=0, interactive=False, clear=True)
            stamp.write_text(now)


class Greeter:
    """Says where the log-in page is once it answers, then what the demo is doing."""

    def __init__(self, address: str, started: float, *, demo: bool, command: Command) -> None:
        self.address, self.started, self.demo, self.command = address, started, demo, command
        self.greeted = self.worried = False
        self.progress = settings.VAR / "logs" / "demo-progress.log"
        self.progress.unlink(missing_ok=True)
        self.read = 0

    def tick(self) -> None:
        if self.greeted:
            self.tell_progress()
        elif answers(f"{self.address}/login/"):
            self.greeted = True
            self.greet()
        elif not self.worried and time.monotonic() - self.started > WORRY_SECONDS:
            self.worried = True
            self.command.say(f"The web does not answer yet; its log may tell why: {settings.VAR / 'logs' / 'web.log'}")

    def greet(self) -> None:
        say = self.command.say
        say(f"\n  evalhub  {self.address}  ({time.monotonic() - self.started:.1f} s)\n")
        if self.demo:
            for person in PEOPLE:
                say(f"  {person.username:<14} {PASSWORD:<16} {person.does}")
            say("\n  The demo project makes itself in the background; its pages can be used meanwhile.")
        say(f"  Data and logs: {settings.VAR}. Ctrl-C stops everything.\n")

    def tell_progress(self) -> None:
        if not self.progress.exists():
            return
        with self.progress.open(encoding="utf-8") as file:
            file.seek(self.read)
            for line in file:
                self.command.say(f"  demo: {line.rstrip()}")
            self.read = file.tell()


def children(options: dict[str, Any]) -> list[Child]:
    """The web, a worker per queue (the first with the clock), and the demo's maker."""
    logs: Path = settings.VAR / "logs"
    python = sys.executable
    bind = f"{options['bind']}:{options['port']}"
    gunicorn = [python, "-m", "gunicorn", "evalhub.wsgi", "--bind", bind, "--worker-class", "gthread"]
    gunicorn += ["--workers", "1", "--threads", str(options["threads"]), "--worker-tmp-dir", str(settings.VAR)]
    found = [
        Child("web", [*gunicorn, "--graceful-timeout", "3", "--access-logfile", "-"], logs / "web.log"),
        Child("cpu worker", [*worker("cpu"), "--beat"], logs / "worker-cpu.log"),
        Child("gpu worker", worker("gpu"), logs / "worker-gpu.log", nice=5),
    ]
    if not options["no_demo"]:
        make_demo = [python, "manage.py", "make_demo", "--follow", "--progress", str(logs / "demo-progress.log")]
        found.append(Child("demo", make_demo, logs / "demo.log", once=True, nice=5))
    return found


def worker(queue: str) -> list[str]:
    """One process, one job at a time: the heavy work happens in a process of its own anyway."""
    celery = [sys.executable, "-m", "celery", "-A", "evalhub", "worker", "--queues", queue, "--hostname", f"{queue}@%h"]
    return [*celery, "--pool", "solo", "--without-gossip", "--without-mingle", "--loglevel", "INFO"]


def environment(address: str) -> dict[str, str]:
    """Ours, and the address we were bound to among those that the web answers at."""
    values = {"EVALHUB_BASE_URL": address, "PYTHONUNBUFFERED": "1"} | dict(os.environ)
    hosts = dict.fromkeys([*settings.ALLOWED_HOSTS, urlsplit(address).hostname or "localhost"])
    return values | {"EVALHUB_VAR": str(settings.VAR), "EVALHUB_ALLOWED_HOSTS": ",".join(hosts)}


def shown_host(bind: str) -> str:
    return "127.0.0.1" if bind in ("0.0.0.0", "::", "") else bind  # noqa: S104 (compared, not bound)


def answers(address: str) -> bool:
    try:
        with urlopen(address, timeout=1) as response:  # noqa: S310 (our own address)
            return bool(response.status == 200)
    except (URLError, OSError):
        return False


def refuse_open_doors(bind: str, *, making: bool) -> None:
    """Raise CommandError where other machines could log in with a password that everybody knows."""
    names = [] if only_this_machine(bind) else open_to_everybody(making=making)
    if names:
        raise CommandError(
            f"Other machines could log in at {bind or 'every address'} with the demo's published password "
            f"({', '.join(names)}). Change the passwords or deactivate these accounts; in a new data folder, start "
            f"without the demo: EVALHUB_VAR=/path make run DEMO=no BIND={bind}."
        )


def only_this_machine(bind: str) -> bool:
    try:
        return bind == "localhost" or ipaddress.ip_address(bind).is_loopback
    except ValueError:
        return False


def refuse_taken_port(bind: str, port: int) -> None:
    with socket.socket() as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind((bind, port))
        except OSError as error:
            raise CommandError(
                f"Port {port} of {bind} cannot be used ({error.strerror}). Stop what listens there, or choose another "
                f"port: make run PORT={port + 1}."
            ) from error


class only_one_in:  # noqa: N801 (reads as a sentence)
    """Refuses a second `up` over the same data folder."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.file: IO[str] | None = None

    def __enter__(self) -> None:
        self.folder.mkdir(parents=True, exist_ok=True)
        self.file = (self.folder / "up.lock").open("w")
        try:
            fcntl.flock(self.file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError as error:
            raise CommandError(
                f"evalhub already runs over {self.folder}. Use that one, or another folder: EVALHUB_VAR=… make run."
            ) from error

    def __exit__(self, *trace: object) -> None:
        if self.file:
            self.file.close()


def pending_migrations() -> bool:
    executor = MigrationExecutor(connection)
    return bool(executor.migration_plan(executor.loader.graph.leaf_nodes()))


def static_fingerprint() -> str:
    """Changes whenever a static file of ours or the set of installed packages does."""
    files = sorted(path for folder in settings.STATICFILES_DIRS for path in Path(folder).rglob("*") if path.is_file())
    facts = [f"{path} {path.stat().st_mtime_ns} {path.stat().st_size}" for path in files]
    facts += [path.read_text() for path in [settings.BASE_DIR / "requirements" / "web.txt"] if path.exists()]
    return hashlib.sha256("\n".join(facts).encode()).hexdigest()
