"""Specification → SVG or PNG for export: tokens resolved from tokens.css, drawn by draw.py in a process of its own."""

import json
import re
import subprocess
import sys
from functools import cache
from pathlib import Path
from typing import Any, Literal

from django.conf import settings

from evalhub.errors import Refused

Theme = Literal["light", "dark"]
Format = Literal["svg", "png"]
DRAW = Path(__file__).with_name("draw.py")
FAMILY = "Source Sans"  # an unquoted family that ends in a digit loses its text in PNGs
FALLBACK = "Liberation Sans, Arial, sans-serif"
SECONDS = 60


def picture(spec: dict[str, Any], *, form: Format = "svg", theme: Theme = "light") -> bytes:
    """The drawn figure. Raises Refused where the drawing program fails."""
    font = _static() / "vendor" / "fonts" / "source-sans-latin.woff2"
    tokens = {**colours(theme), "--sans": f"{FAMILY}, {FALLBACK}" if font.exists() else FALLBACK}
    order = {
        "spec": resolved({**spec, "background": tokens["--paper"], "padding": 16}, tokens),
        "config": resolved({k: v for k, v in theme_config().items() if k not in ("background", "padding")}, tokens),
        "format": form,
        "font": str(font) if font.exists() else "",
        "folder": str(Path(settings.VAR) / "fonts"),
        "family": FAMILY,
    }
    done = subprocess.run(
        [sys.executable, str(DRAW)], input=json.dumps(order).encode(), capture_output=True, timeout=SECONDS, check=False
    )
    if done.returncode:
        reason = done.stderr.decode(errors="replace").strip().splitlines()
        raise Refused(f"The figure could not be drawn: {reason[-1] if reason else 'no reason was given'}.")
    return done.stdout


def resolved(value: Any, tokens: dict[str, str]) -> Any:
    """`value` with every token name replaced, the data left alone: what charts.js does in the browser."""
    if isinstance(value, str):
        return tokens.get(value, value)
    if isinstance(value, list):
        return [resolved(item, tokens) for item in value]
    if isinstance(value, dict):
        return {key: item if key == "data" else resolved(item, tokens) for key, item in value.items()}
    return value


@cache
def theme_config() -> dict[str, Any]:
    """The one theme of all figures, as the browser gets it."""
    config: dict[str, Any] = json.loads((_static() / "charts" / "theme.json").read_text())
    return config


@cache
def colours(theme: Theme) -> dict[str, str]:
    """Token name → colour in one theme, read from tokens.css."""
    text = (_static() / "css" / "tokens.css").read_text()
    pairs = re.findall(r"(--[a-z0-9-]+):\s*light-dark\((#[0-9a-f]+),\s*(#[0-9a-f]+)\)", text)
    return {name: light if theme == "light" else dark for name, light, dark in pairs}


def _static() -> Path:
    return Path(settings.BASE_DIR) / "static"
