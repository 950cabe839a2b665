"""The formats of an export: what each is called and good for, whether it streams, and how it is written."""

import shutil
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from pathlib import Path

from evalhub.datasets.exporting import columnar, folder, lines, workbook
from evalhub.datasets.exporting.extracts import SMALL, Extract
from evalhub.datasets.shapes import ALPACA, SHAPES
from evalhub.errors import Refused
from evalhub.progress import Heard, told

Lines = Callable[[Extract, str], Iterator[str]]
Write = Callable[[Extract, str, Path], None]


@dataclass(frozen=True)
class Format:
    """One format. `lines` where it is text that streams, otherwise `write`; `shaped` where a shape can be chosen."""

    label: str
    note: str
    ending: str
    kind: str  # media type
    lines: Lines | None = None
    write: Write | None = None
    shaped: bool = False


FORMATS = {
    "jsonl": Format("JSONL", "One object a line. What training programs read.", ".jsonl", "application/x-ndjson",
                    lines=lines.jsonl, shaped=True),
    "csv": Format("CSV, exact", "Every text as it is, for programs.", ".csv", "text/csv", lines=lines.plain_csv),
    "spreadsheet": Format("CSV for spreadsheets",
                          "A quote before each cell that would run as a formula; an import takes it off again.",
                          ".csv", "text/csv", lines=lines.spreadsheet_csv),
    "xlsx": Format("XLSX", "A workbook; no cell can become a formula.", ".xlsx",
                   "application/vnd.openxmlformats-officedocument.spreadsheetml.sheet", write=workbook.write),
    "parquet": Format("Parquet", "Compressed columns, for programs.", ".parquet", "application/vnd.apache.parquet",
                      write=columnar.write, shaped=True),
    "folder": Format("Hugging Face folder", "A Parquet file for each split, and a dataset card; as ZIP.", "",
                     "application/zip", write=folder.write, shaped=True),
}  # fmt: skip


@dataclass(frozen=True)
class Writing:
    """A format with the shape of its rows."""

    name: str
    shape: str

    @property
    def format(self) -> Format:
        return FORMATS[self.name]

    def file_name(self, extract: Extract) -> str:
        shape = f"-{self.shape}" if self.shape != ALPACA else ""
        return f"{extract.name}{shape}{self.format.ending}"

    def streams(self, extract: Extract) -> bool:
        """Whether it is answered at once; otherwise a worker writes it."""
        return self.format.lines is not None and extract.count <= SMALL

    def blocks(self, extract: Extract) -> Iterator[bytes]:
        """The file's bytes as they come; only of formats that stream."""
        if self.format.lines is None:
            raise ValueError(f"{self.name} does not stream.")
        return lines.in_blocks(self.format.lines(extract, self.shape))


def writing(name: str, shape: str = ALPACA) -> Writing:
    """Raises Refused for a format or shape that is not there, or a shape that the format cannot have."""
    if name not in FORMATS:
        raise Refused(f"There is no format “{name[:40]}”; there are {', '.join(FORMATS)}.", field="format")
    if shape not in SHAPES:
        raise Refused(f"There is no shape “{shape[:40]}”; there are {', '.join(SHAPES)}.", field="shape")
    if shape != ALPACA and not FORMATS[name].shaped:
        raise Refused(f"{FORMATS[name].label} has one shape, {ALPACA}: a cell cannot hold messages.", field="shape")
    return Writing(name, shape)


def write_export(extract: Extract, chosen: Writing, path: Path, *, heard: Heard | None = None) -> None:
    """The file (or folder) at `path`, whole or not at all. Raises Refused, and OSError where it cannot be written."""
    if path.is_dir():
        raise Refused(f"{path} is there already; name a folder that is not.")
    part = path.with_name(f"{path.name}.part")
    counted = replace(extract, rows=lambda: told(extract.rows(), extract.count, heard))
    try:
        _write(counted, chosen, part)
        part.replace(path)
    except BaseException:
        shutil.rmtree(part) if part.is_dir() else part.unlink(missing_ok=True)
        raise


def _write(extract: Extract, chosen: Writing, path: Path) -> None:
    if chosen.format.write:
        chosen.format.write(extract, chosen.shape, path)
        return
    with path.open("wb") as file:
        file.writelines(chosen.blocks(extract))
