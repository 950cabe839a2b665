"""The endpoint engine against a real HTTP server that speaks OpenAI's protocol, on loopback."""

import json
import os
import signal
import socket
import subprocess
import sys
import threading
import time
from collections import Counter
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import pytest

from inference import generate
from inference.spec import GenerationSpec
from runkit.folder import EXIT_CANCELLED, RunFolder, RunRefused
from tests.inference import toy

KEY = "right-key"


class Server(ThreadingHTTPServer):
    """Answers with the last message in capitals; `trouble` makes it misbehave."""

    daemon_threads = True

    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), Handler)
        self.trouble = ""
        self.requests: list[dict[str, Any]] = []
        self.seen: Counter[str] = Counter()
        self.released = threading.Event()

    @property
    def address(self) -> str:
        return f"http://127.0.0.1:{self.server_port}/v1"


class Handler(BaseHTTPRequestHandler):
    server: Server

    def do_POST(self) -> None:
        request = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
        text = request["messages"][-1]["content"]
        self.server.seen[text] += 1
        self.server.requests.append(request)
        if self.server.trouble == "elsewhere":
            return self.send_on()
        status = self.status(request, text)
        self.reply(status, self.answer(request, text) if status == 200 else {"error": {"message": "so it is"}})

    def send_on(self) -> None:
        self.send_response(307)
        self.send_header("Location", f"{self.server.address}/elsewhere")
        self.send_header("Content-Length", "0")
        self.end_headers()

    def status(self, request: dict[str, Any], text: str) -> int:
        trouble = self.server.trouble
        if trouble == "hang":
            self.server.released.wait(60)
        if self.headers.get("Authorization") != f"Bearer {KEY}" and trouble != "open":
            return 401
        if request["model"] != "small" or self.path != "/v1/chat/completions":
            return 404
        if trouble == "busy" or (trouble == "busy at first" and self.server.seen[text] < 3):
            return 429
        return 400 if "refuse me" in text else 200

    def answer(self, request: dict[str, Any], text: str) -> dict[str, Any]:
        if self.server.trouble == "another protocol":
            return {"hello": "world"}
        message = {"role": "assistant", "content": f" {text.upper()} "}
        return {
            "id": "1",
            "object": "chat.completion",
            "created": 1,
            "model": "small-2",
            "choices": [{"index": 0, "message": message, "finish_reason": "stop"}],
            "usage": {"prompt_tokens": len(text.split()), "completion_tokens": 2, "total_tokens": 0},
        }

    def reply(self, status: int, body: dict[str, Any]) -> None:
        block = json.dumps(body).encode()
        self.send_response(status)
        self.send_header("Content-Type", "application/json")
        self.send_header("Retry-After-Ms", "10")
        self.send_header("Content-Length", str(len(block)))
        self.end_headers()
        self.wfile.write(block)

    def log_message(self, format: str, *args: Any) -> None:
        pass


@pytest.fixture
def server(monkeypatch: pytest.MonkeyPatch) -> Iterator[Server]:
    monkeypatch.setenv("TOY_ENDPOINT_KEY", KEY)
    monkeypatch.setenv("NO_PROXY", "127.0.0.1")
    running = Server()
    thread = threading.Thread(target=running.serve_forever, daemon=True)
    thread.start()
    yield running
    running.released.set()
    running.shutdown()
    running.server_close()
    thread.join()


def spec(server: Server, **changes: Any) -> dict[str, Any]:
    plain = toy.generation(Path("small"), engine="openai", endpoint=server.address)
    return {**plain, "endpoint_key_variable": "TOY_ENDPOINT_KEY", **changes}


def here(path: Path, values: dict[str, Any], rows: list[dict[str, Any]] | None = None) -> Path:
    toy.run_folder(path, values, toy.questions() if rows is None else rows)
    with RunFolder(path) as folder:
        generate.run(folder, GenerationSpec.from_dict(folder.spec))
    return path


def refusal(path: Path, values: dict[str, Any]) -> str:
    with pytest.raises(RunRefused) as refused:
        here(path, values)
    return str(refused.value)


def test_it_asks_an_endpoint_and_keeps_what_it_says(server: Server, tmp_path: Path) -> None:
    sampling = {"temperature": 0.5, "max_tokens": 9, "stop": ["END"], "top_k": 3}
    folder = here(tmp_path, spec(server, sampling=sampling, latency_prompts=2))
    row = next(row for row in toy.answers(folder) if row["id"] == "q1")
    assert (row["text"], row["output_tokens"], row["finish_reason"]) == ("1. RAIN", 2, "stop")
    assert row["details"] == {"served_model": "small-2"}
    request = server.requests[0]
    assert (request["temperature"], request["max_tokens"], request["stop"], request["top_k"]) == (0.5, 9, ["END"], 3)
    assert "repetition_penalty" not in request
    result = toy.result(folder)
    assert result["latency"]["n"] == 2
    assert result["probe"] is None
    assert result["device"] == server.address
    assert not any(KEY in file.read_text() for file in folder.iterdir())


def test_it_waits_and_asks_again_where_the_endpoint_is_busy(server: Server, tmp_path: Path) -> None:
    server.trouble = "busy at first"
    assert toy.result(here(tmp_path, spec(server)))["failed"] == 0
    assert set(server.seen.values()) == {3}


def test_it_keeps_a_refused_prompts_error_and_answers_the_others(server: Server, tmp_path: Path) -> None:
    rows = [*toy.questions(2), {"id": "bad", "messages": [{"role": "user", "content": "refuse me"}]}]
    errors = {row["id"]: row["error"] for row in toy.answers(here(tmp_path, spec(server), rows))}
    assert errors.pop("bad").startswith("The endpoint answered 400")
    assert set(errors.values()) == {""}


@pytest.mark.parametrize(
    ("trouble", "changes", "sentence"),
    [
        ("", {"endpoint_key_variable": "TOY_WRONG_KEY"}, "refused the key in TOY_WRONG_KEY (401)"),
        ("", {"endpoint_key_variable": ""}, "refused a request without a key (401)"),
        ("", {"base_model": "huge"}, "knows no model “huge” at this address"),
        ("busy", {"engine_arguments": {"max_retries": 1}}, "too many requests were sent"),
        ("another protocol", {}, "does not speak the OpenAI protocol"),
        ("elsewhere", {}, "points to another address (307)"),
    ],
)
def test_it_says_in_one_sentence_what_is_wrong_with_the_endpoint(
    server: Server,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    trouble: str,
    changes: dict[str, Any],
    sentence: str,
) -> None:
    monkeypatch.setenv("TOY_WRONG_KEY", "wrong-key")
    server.trouble = trouble
    said = refusal(tmp_path, spec(server, **changes))
    assert sentence in said
    assert "wrong-key" not in said
    assert toy.answers(tmp_path) == []


def test_it_says_that_nothing_answers_at_an_address(server: Server, tmp_path: Path) -> None:
    server.trouble = "open"
    nowhere = spec(server, endpoint="http://user:word@127.0.0.1:9/v1", engine_arguments={"max_retries": 0})
    said = refusal(tmp_path, nowhere)
    assert said == "The endpoint http://127.0.0.1:9/v1 cannot be reached; check the address and that it runs."


@pytest.mark.parametrize("host", ["169.254.169.254", "[::ffff:a9fe:a9fe]", "friendly.example.net"])
def test_it_asks_no_metadata_service_whatever_its_name(
    server: Server, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, host: str
) -> None:
    behind = [(socket.AF_INET, socket.SOCK_STREAM, 6, "", ("169.254.169.254", 0))]
    real = socket.getaddrinfo
    monkeypatch.setattr(socket, "getaddrinfo", lambda name, *a, **k: behind if "ly." in name else real(name, *a, **k))
    assert "link-local or metadata address" in refusal(tmp_path, spec(server, endpoint=f"http://{host}/v1"))


def test_it_keeps_a_timeout_as_that_prompts_error(server: Server, tmp_path: Path) -> None:
    server.trouble = "hang"
    arguments = {"timeout_seconds": 0.2, "max_retries": 0}
    said = refusal(tmp_path, spec(server, engine_arguments=arguments))
    assert "None of the 6 prompts could be answered. The first reason: No answer within" in said


def test_it_goes_on_after_trouble_without_asking_twice(server: Server, tmp_path: Path) -> None:
    here(tmp_path, spec(server), toy.questions(3))
    (tmp_path / "result.json").unlink()
    here(tmp_path, spec(server), toy.questions(6))
    assert set(server.seen.values()) == {1}
    assert len(toy.answers(tmp_path)) == 6
    assert toy.result(tmp_path)["resumed"] == 3


def test_it_stops_soon_while_a_server_keeps_silent(server: Server, tmp_path: Path) -> None:
    server.trouble = "hang"
    process = toy.started(toy.run_folder(tmp_path, spec(server), toy.questions()))
    wait_for_requests(server)
    process.send_signal(signal.SIGTERM)
    asked = time.monotonic()
    process.communicate(timeout=20)
    assert process.returncode == EXIT_CANCELLED
    assert time.monotonic() - asked < 9  # five where nothing else runs


def test_it_ends_when_the_process_that_started_it_is_gone(server: Server, tmp_path: Path) -> None:
    server.trouble = "hang"
    folder = toy.run_folder(tmp_path, spec(server), toy.questions())
    parent = subprocess.Popen([sys.executable, "-c", PARENT, str(folder)], cwd=toy.ROOT, stdout=subprocess.PIPE)
    assert parent.stdout is not None
    child = int(parent.stdout.readline())
    wait_for_requests(server)
    parent.kill()
    parent.wait()
    deadline = time.monotonic() + 10
    while alive(child):
        assert time.monotonic() < deadline, "the run outlived its parent"
        time.sleep(0.1)
    parent.stdout.close()


PARENT = """
import os, subprocess, sys, time
environment = {**os.environ, "EVALHUB_PARENT_PID": str(os.getpid())}
child = subprocess.Popen([sys.executable, "-m", "inference", sys.argv[1]], env=environment)
print(child.pid, flush=True)
time.sleep(120)
"""


def wait_for_requests(server: Server) -> None:
    deadline = time.monotonic() + 60
    while not server.requests:
        assert time.monotonic() < deadline
        time.sleep(0.05)


def alive(pid: int) -> bool:
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    state = Path(f"/proc/{pid}/stat")  # a zombie that nobody reaps is dead too
    return not state.exists() or state.read_text().rpartition(")")[2].split()[0] != "Z"
