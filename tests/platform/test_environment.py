"""Settings from the environment alone: what production needs stops the start by name, and nothing weak is left on."""

import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
from django.core.exceptions import ImproperlyConfigured

from evalhub.environment import Environment, code_hash, kept_secret

ROOT = Path(__file__).resolve().parents[2]
PRODUCTION = {
    "EVALHUB_MODE": "production",
    "EVALHUB_SECRET_KEY": "k" * 30 + "".join(chr(65 + n) for n in range(26)),
    "EVALHUB_ALLOWED_HOSTS": "evalhub.example.org",
    "EVALHUB_BASE_URL": "https://evalhub.example.org",
    "EVALHUB_DATABASE_URL": "postgresql://evalhub@db/evalhub",
    "EVALHUB_BROKER_URL": "redis://redis:6379/0",
    "EVALHUB_CACHE_URL": "redis://redis:6379/1",
}


def manage(*words: str, folder: Path, **environment: str) -> subprocess.CompletedProcess[str]:
    kept = {name: value for name, value in os.environ.items() if not name.startswith(("EVALHUB_", "DJANGO_"))}
    return subprocess.run(
        [sys.executable, "manage.py", *words],
        cwd=ROOT, env={**kept, "EVALHUB_VAR": str(folder), **environment}, capture_output=True, text=True, timeout=120,
        check=False,
    )  # fmt: skip


def code(folder: Path, statement: str, **environment: str) -> str:
    kept = {name: value for name, value in os.environ.items() if not name.startswith(("EVALHUB_", "DJANGO_"))}
    words = [sys.executable, "-c", f"import evalhub.settings as s; {statement}"]
    environment = {**kept, "EVALHUB_VAR": str(folder), **environment}
    return subprocess.run(
        words, cwd=ROOT, env=environment, capture_output=True, text=True, check=True, timeout=60
    ).stdout.strip()


@pytest.mark.parametrize("name", [name for name in PRODUCTION if name not in ("EVALHUB_MODE", "EVALHUB_CACHE_URL")])
def test_it_stops_a_production_start_with_the_name_of_what_is_missing(name: str, tmp_path: Path) -> None:
    ended = manage("check", folder=tmp_path, **{k: v for k, v in PRODUCTION.items() if k != name})
    assert ended.returncode != 0
    assert f"{name} is not set; production needs it. See docs/deployment.md." in ended.stderr


def test_it_stops_where_a_bucket_comes_without_its_keys(tmp_path: Path) -> None:
    ended = manage("check", folder=tmp_path, **PRODUCTION, EVALHUB_S3_BUCKET="evalhub")
    assert "EVALHUB_S3_ACCESS_KEY is not set" in ended.stderr


def test_it_has_nothing_to_warn_of_in_production(tmp_path: Path) -> None:
    ended = manage("check", "--deploy", "--fail-level", "WARNING", folder=tmp_path, **PRODUCTION,
                   EVALHUB_HSTS_SUBDOMAINS="1")  # fmt: skip
    assert (ended.returncode, ended.stdout.strip()) == (0, "System check identified no issues (0 silenced).")


def test_it_makes_no_demo_and_starts_no_second_machine_in_production(tmp_path: Path) -> None:
    for command in ("make_demo", "up"):
        ended = manage(command, folder=tmp_path, **PRODUCTION)
        assert ended.returncode == 1
        assert "production" in ended.stderr
        assert "Traceback" not in ended.stderr


def test_it_uses_sqlite_with_a_write_ahead_log_and_immediate_transactions_by_default(tmp_path: Path) -> None:
    options = code(tmp_path, "d = s.DATABASES['default']; print(d['NAME'], d['OPTIONS'])")
    assert str(tmp_path / "db.sqlite3") in options
    assert "'transaction_mode': 'IMMEDIATE'" in options
    assert "journal_mode=WAL" in options


def test_it_sends_letters_once_a_mail_host_is_named(tmp_path: Path) -> None:
    assert "console" in code(tmp_path, "print(s.EMAIL_BACKEND)")
    assert "smtp" in code(tmp_path, "print(s.EMAIL_BACKEND)", EVALHUB_EMAIL_HOST="mail.example.org")


def test_it_keeps_a_secret_of_its_own_that_nobody_else_can_read(tmp_path: Path) -> None:
    first, second = kept_secret(tmp_path / "s"), kept_secret(tmp_path / "s")
    assert first == second
    assert len(first) >= 50
    assert (tmp_path / "s").stat().st_mode & 0o077 == 0


def test_it_reads_numbers_flags_and_words() -> None:
    env = Environment({"A": "7", "B": "yes", "C": "x, y,,", "D": "seven"})
    assert (env.number("A", 1), env.flag("B"), env.words("C"), env.number("E", 3)) == (7, True, ["x", "y"], 3)
    with pytest.raises(ImproperlyConfigured, match="D must be a whole number"):
        env.number("D", 1)


@pytest.fixture
def object_store(monkeypatch: pytest.MonkeyPatch) -> Iterator[str]:
    """A real S3 interface over HTTP, of this process."""
    from moto.server import ThreadedMotoServer

    for name in ("AWS_CA_BUNDLE", "HTTP_PROXY", "HTTPS_PROXY", "http_proxy", "https_proxy"):
        monkeypatch.delenv(name, raising=False)
    server = ThreadedMotoServer(ip_address="127.0.0.1", port=0)
    server.start()
    host, port = server.get_host_and_port()
    yield f"http://{host}:{port}"
    server.stop()


def test_it_keeps_files_in_a_bucket_where_one_is_named(object_store: str, tmp_path: Path) -> None:
    import boto3

    keys = {"EVALHUB_S3_ACCESS_KEY": "a", "EVALHUB_S3_SECRET_KEY": "b", "EVALHUB_S3_REGION": "eu-central-1"}
    made = boto3.client(
        "s3", endpoint_url=object_store, aws_access_key_id="a", aws_secret_access_key="b", region_name="eu-central-1"
    )
    made.create_bucket(Bucket="evalhub", CreateBucketConfiguration={"LocationConstraint": "eu-central-1"})
    ended = manage(
        "shell", "-c",
        "from django.core.files.storage import default_storage as s;"
        "from django.core.files.base import ContentFile as C;"
        "n = s.save('imports/a.jsonl', C(b'one')); m = s.save('imports/a.jsonl', C(b'two'));"
        "print('kept', s.open(n).read(), s.open(m).read(), n != m)",
        folder=tmp_path, EVALHUB_S3_BUCKET="evalhub", EVALHUB_S3_ENDPOINT=object_store, **keys,
    )  # fmt: skip
    assert "kept b'one' b'two' True" in ended.stdout, ended.stderr[-2000:]
    assert len(made.list_objects_v2(Bucket="evalhub")["Contents"]) == 2


def test_it_takes_models_from_the_folders_that_are_named_and_from_that_of_the_demo(tmp_path: Path) -> None:
    var, base, other = (tmp_path / name for name in ("var", "base", "other"))
    base.mkdir()
    named = {"EVALHUB_BASE_MODEL": str(base), "EVALHUB_MODEL_ROOTS": f"{other}, /srv/models"}
    roots = code(var, "print(*s.MODEL_ROOTS, sep=';')", **named).split(";")
    assert roots == [str(var), str(ROOT / "demo"), str(other), "/srv/models", str(base)]
    assert code(var, "print(s.ENDPOINT_HOSTS)", EVALHUB_ENDPOINT_HOSTS="vLLM, api.openai.com") == str(
        ["vllm", "api.openai.com"]
    )


def test_what_other_code_cached_is_not_read(tmp_path: Path) -> None:
    (tmp_path / "shape.py").write_text("a = 1")
    before = code_hash(tmp_path)
    assert code_hash(tmp_path) == before
    (tmp_path / "shape.py").write_text("a = 2")
    assert code_hash(tmp_path) != before
    assert code(tmp_path, "print(s.CACHES['default']['KEY_PREFIX'])").strip() == code_hash(ROOT / "evalhub")
