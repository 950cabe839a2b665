"""The one door of both programs: exit status, one sentence, and an end in time whatever holds the main thread."""

import errno
import json
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

import pytest

from runkit.door import Program, enter, what_broke
from runkit.folder import (
    EXIT_BUSY,
    EXIT_CANCELLED,
    EXIT_DONE,
    EXIT_FAILED,
    EXIT_REFUSED,
    RunCancelled,
    RunFolder,
    RunRefused,
    read_json,
)

ROOT = Path(__file__).parents[2]


def program(perform: Callable[[RunFolder], None]) -> Program:
    return Program("toy", perform, lambda error: f"It broke: {error}.", RunFolder)


def raising(error: Exception) -> Callable[[RunFolder], None]:
    def perform(folder: RunFolder) -> None:
        raise error

    return perform


@pytest.mark.parametrize(
    ("perform", "status", "message"),
    [
        (lambda folder: folder.finish({}), EXIT_DONE, None),
        (raising(RunRefused("Not like this.")), EXIT_REFUSED, "Not like this."),
        (raising(ValueError("oh")), EXIT_FAILED, "It broke: oh."),
        (raising(RunCancelled("Stopped.")), EXIT_CANCELLED, None),
    ],
)
def test_it_ends_with_a_status_and_leaves_one_sentence(
    tmp_path: Path, perform: Callable[[RunFolder], None], status: int, message: str | None
) -> None:
    assert enter(program(perform), [str(tmp_path)]) == status
    assert (read_json(tmp_path / "error.json") or {}).get("message") == message


def test_it_takes_what_breaks_while_it_stops_for_no_failure(tmp_path: Path) -> None:
    def perform(folder: RunFolder) -> None:
        folder.stopping = True
        raise ValueError("a pool was torn down")

    assert enter(program(perform), [str(tmp_path)]) == EXIT_CANCELLED
    assert not (tmp_path / "error.json").exists()


def test_it_says_how_it_is_used_and_which_folder_is_not_there_or_busy(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    toy = program(raising(AssertionError("not reached")))
    assert enter(toy, []) == EXIT_REFUSED
    assert enter(toy, [str(tmp_path / "none")]) == EXIT_REFUSED
    with RunFolder(tmp_path):
        assert enter(toy, [str(tmp_path)]) == EXIT_BUSY
    said = capsys.readouterr().err.splitlines()
    assert said[0] == "Usage: python -m toy FOLDER"
    assert said[1].endswith("none does not exist.")
    assert said[2] == f"Another process is working in {tmp_path.name}."


def test_it_says_on_standard_error_what_a_full_disk_keeps_out_of_the_folder(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "events.jsonl").symlink_to("/dev/full")
    assert enter(program(lambda folder: folder.log("x")), [str(tmp_path)]) == EXIT_FAILED
    assert "It broke: [Errno 28]" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("error", "said"),
    [
        (OSError(errno.ENOSPC, "full"), "disk"),
        (OSError(errno.EDQUOT, "quota"), "disk"),
        (RuntimeError("PytorchStreamWriter failed writing file data.pkl"), "disk"),
        (MemoryError(), "memory"),
        (RuntimeError("CUDA out of memory. Tried to allocate 2 GiB"), "memory"),
        (KeyError("x"), "The run broke off: KeyError: 'x'"),
    ],
)
def test_it_knows_a_full_disk_and_a_want_of_memory_by_their_words(error: Exception, said: str) -> None:
    assert what_broke(error, disk_full="disk", memory_gone="memory") == said


def test_it_ends_with_its_children_though_something_deaf_holds_it(tmp_path: Path) -> None:
    script = (
        "import json, multiprocessing, sys, time\n"
        "from pathlib import Path\n"
        "from runkit.door import Program, enter, leave\n"
        "from runkit.folder import RunFolder\n"
        "def perform(folder):\n"
        "    child = multiprocessing.get_context('fork').Process(target=time.sleep, args=(60,))\n"
        "    child.start()\n"
        "    (folder.path / 'child.json').write_text(json.dumps(child.pid))\n"
        "    while True:\n"
        "        time.sleep(60)\n"
        "take = lambda path: RunFolder(path, grace_seconds=0.5)\n"
        "leave(enter(Program('toy', perform, str, take), sys.argv[1:]))\n"
    )
    process = subprocess.Popen([sys.executable, "-c", script, str(tmp_path)], cwd=ROOT)
    note = tmp_path / "child.json"
    deadline = time.monotonic() + 30
    while not note.exists() or not note.read_text():
        assert time.monotonic() < deadline
        time.sleep(0.02)
    process.send_signal(signal.SIGTERM)
    assert process.wait(10) == EXIT_CANCELLED
    child = Path(f"/proc/{json.loads(note.read_text())}/stat")
    assert not child.exists() or child.read_text().rpartition(")")[2].split()[0] == "Z"
