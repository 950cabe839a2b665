"""The run folder: one holder at a time, events that survive a crash, a stop that is heard."""

import json
import os
import signal
import subprocess
import sys
import threading
import time
from pathlib import Path

import pytest

from runkit import folder as protocol
from runkit.folder import (
    EventReader,
    FolderBusy,
    RunCancelled,
    RunFolder,
    RunRefused,
    read_json,
    read_jsonl,
    write_json,
)

ROOT = Path(__file__).parents[2]


def test_it_tells_events_to_whoever_reads(tmp_path: Path):
    reader = EventReader(tmp_path)
    assert reader.new() == []
    with RunFolder(tmp_path) as folder:
        folder.log("Ünïcode")
        folder.progress(1, 2)
        assert [event["kind"] for event in reader.new()] == ["log", "progress"]
        folder.emit("metric", step=1)
        assert [event["kind"] for event in reader.new()] == ["metric"]
    assert reader.new() == []


def test_it_reads_a_half_written_line_only_when_it_is_whole(tmp_path: Path):
    reader = EventReader(tmp_path)
    path = tmp_path / protocol.EVENTS
    path.write_text('{"kind": "log"}\n{"kind": "met')
    assert [event["kind"] for event in reader.new()] == ["log"]
    with path.open("a") as file:
        file.write('ric"}\n')
    assert [event["kind"] for event in reader.new()] == ["metric"]


@pytest.mark.parametrize("before", ["", '{"kind": "log"}\n'])
def test_it_cuts_a_half_written_line_before_it_goes_on(tmp_path: Path, before: str):
    (tmp_path / protocol.EVENTS).write_text(before + '{"kind": "metr')
    with RunFolder(tmp_path) as folder:
        folder.emit("resumed", done=1)
    kinds = [json.loads(line)["kind"] for line in (tmp_path / protocol.EVENTS).read_text().splitlines()]
    assert kinds == ["log"] * bool(before) + ["resumed"]


def test_it_passes_over_a_line_that_a_crash_spoilt(tmp_path: Path):
    (tmp_path / protocol.EVENTS).write_text('{"kind": "log"}\n{"ki\n[1]\n\n{"kind": "metric"}\n')
    assert [event["kind"] for event in EventReader(tmp_path).new()] == ["log", "metric"]


def test_it_belongs_to_one_process_at_a_time(tmp_path: Path):
    with RunFolder(tmp_path):
        other = RunFolder(tmp_path)
        with pytest.raises(FolderBusy), other:
            pass
    with RunFolder(tmp_path):
        pass


def test_it_forgets_the_error_of_an_earlier_try(tmp_path: Path):
    with RunFolder(tmp_path) as folder:
        folder.fail("It broke.", "Traceback")
    assert read_json(tmp_path / protocol.ERROR) == {"message": "It broke.", "detail": "Traceback"}
    with RunFolder(tmp_path):
        assert read_json(tmp_path / protocol.ERROR) is None


def test_it_refuses_without_a_spec(tmp_path: Path):
    with RunFolder(tmp_path) as folder, pytest.raises(RunRefused, match=r"spec\.json is missing"):
        _ = folder.spec


def test_it_hears_sigterm_and_gives_the_signals_back(tmp_path: Path):
    before = signal.getsignal(signal.SIGTERM)
    with RunFolder(tmp_path) as folder:
        folder.check()
        os.kill(os.getpid(), signal.SIGTERM)
        time.sleep(0.05)
        with pytest.raises(RunCancelled):
            folder.check()
    assert signal.getsignal(signal.SIGTERM) is before
    assert signal.set_wakeup_fd(-1) == -1


def test_it_ends_a_program_that_does_not_stop_by_itself(tmp_path: Path):
    """The main thread is inside one long operation, where Python runs no signal handler."""
    script = (
        "import hashlib, sys; from pathlib import Path; from runkit.folder import RunFolder\n"
        "with RunFolder(Path(sys.argv[1]), grace_seconds=0.3) as folder:\n"
        "    folder.log('busy')\n"
        "    hashlib.pbkdf2_hmac('sha256', b'', b'', 2**31 - 1)\n"
    )
    process = subprocess.Popen([sys.executable, "-c", script, str(tmp_path)], cwd=ROOT)
    try:
        while not EventReader(tmp_path).new():
            time.sleep(0.02)
        process.terminate()
        assert process.wait(20) == protocol.EXIT_CANCELLED
    finally:
        process.kill()
        process.wait()


def test_it_leaves_no_threads_behind(tmp_path: Path):
    before = threading.active_count()
    with RunFolder(tmp_path, grace_seconds=5):
        pass
    end = time.monotonic() + 5
    while threading.active_count() > before and time.monotonic() < end:
        time.sleep(0.02)
    assert threading.active_count() == before


def test_it_beats_and_stops_when_its_parent_is_gone(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(protocol, "HEARTBEAT_SECONDS", 0.02)
    monkeypatch.setenv(protocol.PARENT_VARIABLE, "1")
    with RunFolder(tmp_path) as folder:
        end = time.monotonic() + 5
        while not folder.stopping and time.monotonic() < end:
            time.sleep(0.01)
        assert folder.stopping
    assert "heartbeat" in {event["kind"] for event in EventReader(tmp_path).new()}


def test_it_writes_json_whole_or_not_at_all(tmp_path: Path):
    path = tmp_path / "result.json"
    write_json(path, {"a": 1})
    with pytest.raises(TypeError):
        write_json(path, {"a": object()})
    assert read_json(path) == {"a": 1}
    assert read_json(tmp_path / "none.json") is None


def test_it_reads_rows_up_to_a_cut_off_one(tmp_path: Path):
    path = tmp_path / "rows.jsonl"
    path.write_text('{"id": 1}\n{"id": 2}\n{"id":')
    assert [row["id"] for row in read_jsonl(path)] == [1, 2]
    assert list(read_jsonl(tmp_path / "none.jsonl")) == []
