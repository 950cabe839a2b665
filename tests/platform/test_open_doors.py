"""Off this machine the demo's accounts are open doors: `up` refuses before anything listens."""

import os
import subprocess
import sys
from pathlib import Path

import pytest
from django.core.management import CommandError

from evalhub.accounts.models import User
from evalhub.demo.create import House, make_people
from evalhub.reports.management.commands.up import environment, only_this_machine, refuse_open_doors
from tests.platform.test_up import free_port

ROOT = Path(__file__).resolve().parents[2]
OPEN = "published password"


def starts(bind: str, *, making: bool) -> bool:
    try:
        refuse_open_doors(bind, making=making)
    except CommandError as refused:
        return OPEN not in str(refused) or "DEMO=no" not in str(refused)
    return True


@pytest.mark.django_db
@pytest.mark.parametrize("bind", ["0.0.0.0", "192.168.1.5", "::", "", "evalhub.example.org"])
def test_it_lets_nobody_in_with_a_password_that_everybody_knows(bind: str) -> None:
    assert not starts(bind, making=True)
    assert starts(bind, making=False)
    make_people(House())
    assert not starts(bind, making=False)


@pytest.mark.django_db
def test_it_opens_once_every_demo_account_is_closed_or_has_a_password_of_its_own() -> None:
    make_people(House())
    changed = User.objects.get(username="admin.demo")
    changed.set_password("correct horse battery")
    changed.save()
    assert not starts("0.0.0.0", making=True)
    User.objects.exclude(pk=changed.pk).update(is_active=False)
    assert starts("0.0.0.0", making=True)


@pytest.mark.django_db
@pytest.mark.parametrize("bind", ["127.0.0.1", "127.0.0.2", "::1", "localhost"])
def test_it_minds_no_demo_on_this_machine_alone(bind: str) -> None:
    assert only_this_machine(bind)
    assert starts(bind, making=True)


def test_the_web_answers_at_the_address_that_it_was_bound_to() -> None:
    hosts = environment("http://192.168.1.5:8000")["EVALHUB_ALLOWED_HOSTS"].split(",")
    assert {"192.168.1.5", "localhost"} <= set(hosts)


@pytest.mark.slow
def test_up_says_so_in_a_sentence(tmp_path: Path) -> None:
    kept = {name: value for name, value in os.environ.items() if not name.startswith(("EVALHUB_", "DJANGO_"))}
    command = [sys.executable, "manage.py", "up", "--port", str(free_port()), "--bind", "0.0.0.0"]
    done = subprocess.run(
        command, check=False, cwd=ROOT, env={**kept, "EVALHUB_VAR": str(tmp_path)}, capture_output=True, text=True,
        timeout=90,
    )  # fmt: skip
    assert done.returncode != 0
    assert OPEN in done.stderr
    assert "Traceback" not in done.stderr


@pytest.mark.parametrize(("given", "told"), [([], False), (["DEMO=no"], True)])
def test_make_passes_on_that_no_demo_is_wanted(given: list[str], told: bool) -> None:
    shown = subprocess.run(["make", "-n", "run", *given], cwd=ROOT, capture_output=True, text=True, check=True).stdout
    assert ("--no-demo" in shown) is told
