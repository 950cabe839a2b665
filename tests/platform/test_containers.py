"""docker-compose.yml and Dockerfile, as far as they can be tried without a container engine: their shape, and every
command, path and variable in them."""

import os
import re
import shlex
import subprocess
import sys
from pathlib import Path
from typing import Any

import jsonschema
import pytest
import yaml

from tests import parts
from tests.platform.test_environment import PRODUCTION

ROOT = Path(__file__).resolve().parents[2]
COMPOSE: dict[str, Any] = yaml.safe_load((ROOT / "docker-compose.yml").read_text())
SERVICES: dict[str, Any] = COMPOSE["services"]
DOCKERFILE = (ROOT / "Dockerfile").read_text()
OURS = [name for name, service in SERVICES.items() if "build" in service]

WORDS = {"type": "array", "items": {"type": "string"}, "minItems": 1}
CONDITIONS = ["service_healthy", "service_completed_successfully"]
SCHEMA = {  # the part of the Compose specification that the file uses
    "type": "object",
    "required": ["name", "services", "volumes"],
    "additionalProperties": False,
    "patternProperties": {"^x-": {}},
    "properties": {
        "name": {"type": "string"},
        "volumes": {"type": "object"},
        "services": {
            "type": "object",
            "additionalProperties": {
                "type": "object",
                "required": ["image"],
                "additionalProperties": False,
                "properties": {
                    "image": {"type": "string"},
                    "env_file": {
                        "type": "array",
                        "items": {
                            "type": "object", "required": ["path"], "additionalProperties": False,
                            "properties": {"path": {"type": "string"}, "required": {"type": "boolean"}},
                        },
                    },
                    "build": {
                        "type": "object", "required": ["context", "target"], "additionalProperties": False,
                        "properties": {"context": {"const": "."}, "target": {"enum": ["web", "gpu"]}},
                    },
                    "command": WORDS,
                    "environment": {"type": "object", "additionalProperties": {"type": ["string", "number"]}},
                    "volumes": WORDS,
                    "ports": WORDS,
                    "profiles": WORDS,
                    "restart": {"enum": ["no", "unless-stopped"]},
                    "depends_on": {
                        "type": "object",
                        "additionalProperties": {
                            "type": "object", "required": ["condition"],
                            "properties": {"condition": {"enum": CONDITIONS}},
                        },
                    },
                    "healthcheck": {
                        "type": "object", "additionalProperties": False,
                        "anyOf": [{"required": ["test", "interval", "timeout"]}, {"required": ["disable"]}],
                        "properties": {
                            "test": WORDS, "interval": {"type": "string"}, "timeout": {"type": "string"},
                            "start_period": {"type": "string"}, "retries": {"type": "integer"},
                            "disable": {"const": True},
                        },
                    },
                    "deploy": {"type": "object"},
                },
            },
        },
    },
}  # fmt: skip


def run(words: list[str], folder: Path, **more: str) -> subprocess.CompletedProcess[str]:
    kept = {name: value for name, value in os.environ.items() if not name.startswith(("EVALHUB_", "DJANGO_"))}
    environment = {**kept, **PRODUCTION, "EVALHUB_VAR": str(folder), **more}
    return subprocess.run(
        words, cwd=ROOT, env=environment, capture_output=True, text=True, timeout=120, check=False
    )  # fmt: skip


def test_it_has_the_shape_of_a_compose_file() -> None:
    jsonschema.validate(COMPOSE, SCHEMA)


def test_it_has_every_role_and_every_volume_and_dependency_it_names() -> None:
    assert {"web", "worker-cpu", "worker-gpu", "beat", "vllm", "postgres", "redis"} <= set(SERVICES)
    for service in SERVICES.values():
        assert {volume.partition(":")[0] for volume in service.get("volumes", [])} <= set(COMPOSE["volumes"])
        assert set(service.get("depends_on", {})) <= set(SERVICES)


def test_it_waits_for_health_only_where_health_is_checked() -> None:
    for service in SERVICES.values():
        for name, wanted in service.get("depends_on", {}).items():
            assert wanted["condition"] != "service_healthy" or "healthcheck" in SERVICES[name]
    assert [name for name in SERVICES if "healthcheck" not in SERVICES[name]] == []
    assert [name for name in SERVICES if SERVICES[name]["healthcheck"].get("disable")] == ["migrate"]


def test_it_asks_for_a_page_only_where_pages_are_served() -> None:
    """The web image's own check would call every other process of that image unhealthy."""
    pages = [name for name in OURS if ":8000/" in " ".join(SERVICES[name]["healthcheck"].get("test", []))]
    assert pages == ["web"]


@pytest.mark.parametrize("name", ["worker-cpu", "worker-gpu", "beat"])
def test_it_finds_a_worker_unhealthy_where_no_broker_answers(name: str, tmp_path: Path) -> None:
    program, *words = SERVICES[name]["healthcheck"]["test"][1:]
    assert program == "python"
    ended = run([sys.executable, *words], tmp_path, EVALHUB_BROKER_URL="redis://127.0.0.1:1/0")
    assert ended.returncode != 0
    assert "ConnectionError" in ended.stderr
    if not parts.missing("redis"):
        assert run([sys.executable, *words], tmp_path, EVALHUB_BROKER_URL=parts.redis_server()).returncode == 0


def test_it_lets_its_user_write_wherever_a_volume_is_mounted() -> None:
    base = DOCKERFILE[DOCKERFILE.index("AS base") : DOCKERFILE.index("AS web")]
    made, owned = re.search(r"mkdir -p (.+?) &&", base), re.search(r"chown -R evalhub (.+)", base)
    assert made
    assert owned
    for name in OURS:
        for target in (Path(volume.split(":")[1]) for volume in SERVICES[name].get("volumes", [])):
            assert str(target) in made[1].split()
            assert any(target.is_relative_to(folder) for folder in owned[1].split())


def test_it_shares_no_volume_with_a_container_of_another_user() -> None:
    ours = {volume.partition(":")[0] for name in OURS for volume in SERVICES[name].get("volumes", [])}
    others = [v.partition(":")[0] for name in SERVICES if name not in OURS for v in SERVICES[name].get("volumes", [])]
    assert not ours & set(others)


def test_it_passes_on_every_documented_setting_but_the_folders_of_the_image() -> None:
    table = (ROOT / "docs" / "deployment.md").read_text().partition("## Containers")[0]
    documented = set(re.findall(r"`(EVALHUB_[A-Z0-9_]+)`", table))
    given = set.intersection(*(set(SERVICES[name]["environment"]) for name in OURS))
    assert documented - given == {
        "EVALHUB_VAR",
        "EVALHUB_RUNS_FOLDER",
        "EVALHUB_STATIC_ROOT",
    }


def test_it_gives_the_keys_of_endpoints_to_the_worker_that_asks_them_alone() -> None:
    assert [name for name in SERVICES if "env_file" in SERVICES[name]] == ["worker-cpu"]
    assert SERVICES["worker-cpu"]["env_file"] == [{"path": "keys.env", "required": False}]


@pytest.mark.parametrize("name", OURS)
def test_it_gives_each_process_all_that_production_needs(name: str) -> None:
    given = set(SERVICES[name]["environment"])
    assert set(PRODUCTION) <= given
    source = "".join(path.read_text() for path in (ROOT / "evalhub").rglob("*.py"))
    assert [variable for variable in given if variable not in source] == []


def test_it_tells_which_secret_is_missing() -> None:
    needed = set(re.findall(r"\$\{(\w+):\?is not set\}", (ROOT / "docker-compose.yml").read_text()))
    assert needed == {"EVALHUB_SECRET_KEY", "EVALHUB_ALLOWED_HOSTS", "EVALHUB_BASE_URL", "POSTGRES_PASSWORD"}


@pytest.mark.parametrize("name", OURS)
def test_it_starts_processes_with_commands_that_exist(name: str, tmp_path: Path) -> None:
    program, *words = SERVICES[name]["command"]
    if program == "gunicorn":
        ended = run([sys.executable, "-m", "gunicorn", *words, "--check-config"], tmp_path)
    elif program == "python":
        ended = run([sys.executable, *words, "--help"], tmp_path)
    else:  # an unknown option is refused before the help is shown
        ended = run([sys.executable, "-m", program, *words, "--help"], tmp_path)
    assert ended.returncode == 0, ended.stderr


def test_it_serves_both_queues() -> None:
    queues = [c[c.index("--queues") + 1] for s in SERVICES.values() if "--queues" in (c := s.get("command", []))]
    assert sorted(queues) == ["cpu", "gpu"]


def test_it_copies_only_what_is_there() -> None:
    copies = re.findall(r"^COPY (?!--from)(.+) \S+$", DOCKERFILE, re.MULTILINE)
    paths = [path for line in copies for path in shlex.split(line)]
    assert paths
    assert [path for path in paths if not (ROOT / path).exists()] == []


def test_it_copies_every_package_that_the_web_imports() -> None:
    for package in ("evalhub", "runkit", "training", "inference", "templates"):
        assert f"COPY {package} {package}" in DOCKERFILE


def test_it_keeps_torch_out_of_the_web_image() -> None:
    web = DOCKERFILE[DOCKERFILE.index("AS web") : DOCKERFILE.index("AS gpu")]
    assert "requirements/web.txt" in web
    assert "ml.txt" not in web
    assert re.search(r"^USER evalhub$", web, re.MULTILINE)


def test_it_collects_static_files_as_the_image_does(tmp_path: Path) -> None:
    line = re.search(r"RUN EVALHUB_VAR=\S+ EVALHUB_STATIC_ROOT=\S+ python (manage.py collectstatic \S+)", DOCKERFILE)
    assert line
    target = tmp_path / "collected"
    kept = {name: value for name, value in os.environ.items() if not name.startswith(("EVALHUB_", "DJANGO_"))}
    environment = {**kept, "EVALHUB_VAR": str(tmp_path), "EVALHUB_STATIC_ROOT": str(target)}
    subprocess.run([sys.executable, *line[1].split()], cwd=ROOT, env=environment, check=True, capture_output=True)
    assert (target / "staticfiles.json").exists()


def test_it_leaves_secrets_and_data_out_of_the_build() -> None:
    ignored = set((ROOT / ".dockerignore").read_text().split())
    assert {".git", "var", ".env", "keys.env", ".venv", "node_modules"} <= ignored
