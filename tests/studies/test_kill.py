"""The web process is killed between a draft and its submit; what was entered is there when it is back."""

import os
import re
import signal
import sys
import uuid
from pathlib import Path

import pytest
import requests

from tests.browser.processes import free_port, running, wait_for
from tests.browser.stack import PASSWORD, ROOT, database, manage

SEED = """
from evalhub.accounts.models import Membership, Project, User
from evalhub.studies import actions
from tests.studies.ground import arms_of, frozen_version
project = Project.objects.create(slug="content-copy", name="Content copy")
people = []
for name, role in (("ines", "admin"), ("noor", "expert")):
    people.append(User.objects.create_user(name, f"{{name}}@example.org", {password!r}))
    Membership.objects.create(project=project, user=people[-1], role=role)
arms = arms_of(frozen_version(project, people[0]), people[0], "One", "Two")
study = actions.create_study(project, name="Killed", by=people[0], arms=arms, raters=people[1:], overlap=1)
actions.open_study(study, by=people[0])
"""


@pytest.mark.slow
def test_a_draft_survives_the_death_of_the_web_process(tmp_path: Path) -> None:
    with database(tmp_path) as url:
        port = free_port()
        root, log = f"http://127.0.0.1:{port}", tmp_path / "web.log"
        environment = {
            **os.environ, "DJANGO_SETTINGS_MODULE": "evalhub.settings", "EVALHUB_VAR": str(tmp_path),
            "EVALHUB_DATABASE_URL": url, "EVALHUB_DEBUG": "1",
        }  # fmt: skip
        for arguments in (["migrate", "-v0"], ["shell", "--no-imports", "-c", SEED.format(password=PASSWORD)]):
            done = manage(environment, *arguments)
            assert done.returncode == 0, done.stderr
        command = [sys.executable, "manage.py", "runserver", "--noreload", str(port)]
        session = requests.Session()
        with running(command, environment=environment, folder=ROOT, log=log) as web:
            wait_for(f"{root}/login/", web, log=log, patience=60)
            log_in(session, root)
            page = send(session, f"{root}/p/content-copy/rate/killed/").text
            token = re.search(r'data-token="([^"]+)"', page)[1]
            draft = {"number": 1, "scores": {"accuracy-A": 9}, "comment": "nearly done"}
            assert send(session, f"{root}/p/content-copy/rate/killed/{token}/draft/", json=draft).ok
            os.kill(web.pid, signal.SIGKILL)
            web.wait()
        with running(command, environment=environment, folder=ROOT, log=log) as web:
            wait_for(f"{root}/login/", web, log=log, patience=60)
            page = session.get(f"{root}/p/content-copy/rate/killed/", timeout=30).text
            assert f'data-token="{token}"' in page
            assert "nearly done" in page
            form = {f"score:{c}-{x}": "5" for c in ("accuracy", "relevance", "quality", "style") for x in "AB"}
            form |= {"key": str(uuid.uuid4()), "revises": "0"}
            assert (
                "The item is stored."
                in send(session, f"{root}/p/content-copy/rate/killed/{token}/submit/", data=form).text
            )


def log_in(session: requests.Session, root: str) -> None:
    session.get(f"{root}/login/", timeout=30)
    assert send(session, f"{root}/login/", data={"username": "noor", "password": PASSWORD}).ok


def send(session: requests.Session, address: str, **how: object) -> requests.Response:
    headers = {"X-CSRFToken": session.cookies["csrftoken"], "Referer": address}
    return session.post(address, headers=headers, timeout=30, **how)
