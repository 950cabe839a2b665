"""Reads settings from the environment; a missing required one stops the start with its name."""

import hashlib
import os
import secrets
from collections.abc import Mapping
from pathlib import Path

from django.core.exceptions import ImproperlyConfigured


class Environment:
    """Typed access to EVALHUB_* variables; in production, `required` refuses a missing one."""

    def __init__(self, values: Mapping[str, str] | None = None) -> None:
        self.values = os.environ if values is None else values

    @property
    def production(self) -> bool:
        return self.text("EVALHUB_MODE", "embedded") == "production"

    def text(self, name: str, default: str = "") -> str:
        return self.values.get(name, "") or default

    def number(self, name: str, default: int) -> int:
        try:
            return int(self.text(name, str(default)))
        except ValueError as error:
            raise ImproperlyConfigured(f"{name} must be a whole number.") from error

    def flag(self, name: str, default: bool = False) -> bool:
        return self.text(name, "1" if default else "0").lower() in {"1", "true", "yes", "on"}

    def words(self, name: str, default: str = "") -> list[str]:
        return [word.strip() for word in self.text(name, default).split(",") if word.strip()]

    def required(self, name: str, embedded: str) -> str:
        """The value of `name`; `embedded` stands in for it outside production only."""
        value = self.text(name)
        if not value and self.production:
            raise ImproperlyConfigured(f"{name} is not set; production needs it. See docs/deployment.md.")
        return value or embedded


def kept_secret(path: Path) -> str:
    """The secret stored in `path`, made on first use and readable by its owner only."""
    if not path.exists():
        path.parent.mkdir(parents=True, exist_ok=True)
        descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
        with os.fdopen(descriptor, "w") as file:
            file.write(secrets.token_urlsafe(48))
    return path.read_text().strip()


def code_hash(folder: Path) -> str:
    """Twelve hex digits of the sha256 of all Python files below `folder`: another release, another hash."""
    content = hashlib.sha256()
    for path in sorted(folder.rglob("*.py")):
        content.update(path.relative_to(folder).as_posix().encode() + path.read_bytes())
    return content.hexdigest()[:12]
