"""Draws one chart outside the web process, whose memory V8 would double: JSON on stdin, SVG or PNG on stdout.

Run: python evalhub/reports/draw.py < {"spec", "config", "format": "svg" | "png", "font": woff2, "folder", "family"}
The variable web font is made into static TTFs in `folder` once, since the drawing program reads nothing else.
"""

import json
import sys
from pathlib import Path
from typing import Any

import vl_convert
from fontTools.ttLib import TTFont
from fontTools.varLib.instancer import instantiateVariableFont

WIDTH = 860  # pixels of a figure on paper
WEIGHTS = {"Regular": 400, "SemiBold": 600}


def draw(order: dict[str, Any]) -> bytes:
    """The picture of order["spec"], drawn with order["config"]."""
    if order["font"]:
        vl_convert.register_font_directory(str(fonts(Path(order["font"]), Path(order["folder"]), order["family"])))
    spec = {**order["spec"], "width": WIDTH}
    if order["format"] == "png":
        return bytes(vl_convert.vegalite_to_png(spec, vl_version="6.4", config=order["config"], scale=2))
    return str(vl_convert.vegalite_to_svg(spec, vl_version="6.4", config=order["config"])).encode()


def fonts(source: Path, folder: Path, family: str) -> Path:
    """The folder of static fonts made from the variable one."""
    folder.mkdir(parents=True, exist_ok=True)
    for style, weight in WEIGHTS.items():
        target = folder / f"{family.replace(' ', '')}-{style}.ttf"
        if not target.exists():
            _static(source, target, family, style, weight)
    return folder


def _static(source: Path, target: Path, family: str, style: str, weight: int) -> None:
    """One weight under our family's name, written whole or not at all."""
    font = instantiateVariableFont(TTFont(source), {"wght": weight})
    font.flavor = None
    own = family if style == "Regular" else f"{family} {style}"
    names = {1: own, 2: "Regular", 4: f"{family} {style}", 6: target.stem, 16: family, 17: style}
    for number, text in names.items():
        font["name"].setName(text, number, 3, 1, 0x409)
    part = target.with_suffix(".part")
    font.save(part)
    part.replace(target)


if __name__ == "__main__":
    sys.stdout.buffer.write(draw(json.load(sys.stdin)))
