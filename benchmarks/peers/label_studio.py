"""Label Studio on loopback, with a project of its own. `python -m benchmarks.peers.label_studio` installs it.

It lives in an environment of its own (EVALHUB_PEER_VENV, default: a folder of the system's temporary folder), and a
data folder that is deleted afterwards. It is told to send nothing anywhere.
"""

import os
import subprocess
import sys
import tempfile
import venv
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import requests

from benchmarks.tasks import CRITERIA, tasks
from tests.browser.processes import free_port, running, wait_for

VERSION = "1.23.0"
NAME = f"Label Studio {VERSION}"
USER, PASSWORD, TOKEN = "rater@example.org", "correct-horse-battery", "0123456789abcdef" * 2 + "01234567"
SILENT = {"COLLECT_ANALYTICS": "0", "LATEST_VERSION_CHECK": "0", "SENTRY_DSN": "", "FRONTEND_SENTRY_DSN": ""}


class NotInstalled(Exception):
    """pip could not install the peer; the message is the tail of what it said."""


@dataclass(frozen=True)
class Peer:
    """A running Label Studio with one project of side-by-side tasks."""

    url: str
    project: int

    @property
    def login_page(self) -> str:
        return f"{self.url}/user/login/"

    @property
    def labelling_page(self) -> str:
        return f"{self.url}/projects/{self.project}/data?labeling=1"


def environment() -> Path:
    return Path(os.environ.get("EVALHUB_PEER_VENV") or Path(tempfile.gettempdir()) / "peer-venv")


def install() -> Path:
    """The folder of Label Studio's environment, made and filled if need be. Raises NotInstalled."""
    folder = environment()
    if installed_version(folder) != VERSION:
        print(f"Installing {NAME} (once; some minutes)", file=sys.stderr)
        venv.create(folder, with_pip=True)
        command = [str(folder / "bin" / "pip"), "install", "--quiet", f"label-studio=={VERSION}"]
        done = subprocess.run(command, capture_output=True, text=True, check=False)
        if done.returncode:
            raise NotInstalled(done.stderr[-1500:])
    return folder


def installed_version(folder: Path) -> str:
    """The version of Label Studio in an environment; empty where there is none."""
    python = folder / "bin" / "python"
    if not python.exists():
        return ""
    script = "from importlib.metadata import version; print(version('label-studio'))"
    done = subprocess.run([str(python), "-c", script], capture_output=True, text=True, check=False)
    return done.stdout.strip()


@contextmanager
def started() -> Iterator[Peer]:
    """Label Studio with its project, until the block ends."""
    folder = install()
    with tempfile.TemporaryDirectory(prefix="label-studio-") as data:
        port = free_port()
        url, log = f"http://127.0.0.1:{port}", Path(data) / "log"
        variables = {
            **SILENT,
            "LABEL_STUDIO_BASE_DATA_DIR": data,
            "LABEL_STUDIO_USERNAME": USER,
            "LABEL_STUDIO_PASSWORD": PASSWORD,
            "LABEL_STUDIO_USER_TOKEN": TOKEN,
            "LABEL_STUDIO_ENABLE_LEGACY_API_TOKEN": "true",
        }
        command = [str(folder / "bin" / "label-studio"), "start", "--no-browser", "--data-dir", data]
        command += ["--internal-host", "127.0.0.1", "--port", str(port)]
        with running(command, log=log, environment=variables) as process:
            wait_for(f"{url}/user/login/", process, log=log)
            yield Peer(url, make_project(url))


def make_project(url: str) -> int:
    """The id of a project whose tasks show two texts side by side with four ratings each."""
    made = post(f"{url}/api/projects/", {"title": "Side by side", "label_config": labelling()})
    rows = [{"task": f"{row['instruction']}\n\n{row['input']}", "a": row["a"], "b": row["b"]} for row in tasks()]
    post(f"{url}/api/projects/{made['id']}/import", rows)
    return int(made["id"])


def post(url: str, body: Any) -> Any:
    answer = requests.post(url, json=body, headers={"Authorization": f"Token {TOKEN}"}, timeout=60)
    answer.raise_for_status()
    return answer.json()


def labelling() -> str:
    """Label Studio's own description of the page."""
    columns = "".join(
        f'<View style="flex:1"><Text name="{side}" value="${side}"/>{ratings(side)}</View>' for side in "ab"
    )
    return f'<View><Text name="task" value="$task"/><View style="display:flex">{columns}</View></View>'


def ratings(side: str) -> str:
    return "".join(
        f'<Header value="{name}"/><Rating name="{name.lower()}_{side}" toName="{side}" maxRating="10"/>'
        for name in CRITERIA
    )


if __name__ == "__main__":
    install()
    print(f"{NAME} stands in an environment of its own.")
