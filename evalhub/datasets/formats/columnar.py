"""Parquet and Arrow, a few rows at a time; texts that a dictionary repeats are held once."""

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from evalhub.datasets.formats.limits import check_unpacked
from evalhub.datasets.formats.records import Record, Source, Unreadable
from evalhub.datasets.formats.unpacking import plain_file

AT_ONCE = 500  # rows

# pyarrow is imported where it is used: 45 MB in every web process, for formats that few bring.


def columns_of(source: Source) -> list[str]:
    with _opened(source) as batches:
        return [str(name) for name in batches.names]


def columnar_rows(source: Source) -> Iterator[Record]:
    """The rows in order. Raises Unreadable where they unpack to more than a file may."""
    line = size = 0
    with _opened(source) as batches:
        for batch in batches:
            columns = [_listed(column) for column in batch.columns]
            size += sum(len(value) for column in columns for value in column if isinstance(value, str | bytes))
            check_unpacked(source.name, size)
            for values in zip(*columns, strict=True):
                line += 1
                yield Record(line, dict(zip(batches.names, values, strict=True)))


def _listed(column: Any) -> list[Any]:
    """A column as Python values; of a dictionary's texts each is made once. Bytes that are UTF-8 are text."""
    import pyarrow  # noqa: PLC0415  (see above)

    if pyarrow.types.is_binary(column.type) or pyarrow.types.is_large_binary(column.type):
        return [_as_text(value) for value in column.to_pylist()]
    if not pyarrow.types.is_dictionary(column.type):
        return list(column.to_pylist())
    texts = column.dictionary.to_pylist()
    return [None if place is None else texts[place] for place in column.indices.to_pylist()]


def _as_text(value: bytes | None) -> str | bytes | None:
    """Older programs write texts as bytes, and say so nowhere."""
    try:
        return None if value is None else value.decode()
    except UnicodeDecodeError:
        return value


class _Batches:
    """The column names of a file and its rows in small batches."""

    def __init__(self, names: list[str], batches: Any) -> None:
        self.names, self.batches = [str(name) for name in names], batches

    def __iter__(self) -> Iterator[Any]:
        for batch in self.batches:
            for start in range(0, batch.num_rows, AT_ONCE):
                yield batch.slice(start, AT_ONCE)


@contextmanager
def _opened(source: Source) -> Iterator[_Batches]:
    """The file's batches. Raises Unreadable, also in the middle."""
    import pyarrow  # noqa: PLC0415  (see above)

    opener = _parquet if source.format == "parquet" else _arrow
    with plain_file(source) as path:
        try:
            with opener(source, str(path)) as batches:
                yield batches
        except (pyarrow.ArrowException, OSError, ValueError) as error:
            raise Unreadable(f"{source.name} begins like {_kind(source)} file but is broken.") from error


def _kind(source: Source) -> str:
    return "a Parquet" if source.format == "parquet" else "an Arrow"


@contextmanager
def _parquet(source: Source, path: str) -> Iterator[_Batches]:
    import pyarrow.parquet  # noqa: PLC0415  (see above)

    with pyarrow.parquet.ParquetFile(path) as plain:
        _check_chunks(source.name, plain.metadata)
        schema = plain.schema_arrow
    texts = [field.name for field in schema if _is_text(field.type)]
    with pyarrow.parquet.ParquetFile(path, read_dictionary=texts) as table:
        yield _Batches(schema.names, table.iter_batches(batch_size=AT_ONCE))


def _is_text(kind: Any) -> bool:
    import pyarrow  # noqa: PLC0415  (see above)

    return bool(pyarrow.types.is_string(kind) or pyarrow.types.is_large_string(kind))


def _check_chunks(name: str, metadata: Any) -> None:
    """Raises Unreadable for a file, or one column of a row group, that unpacks like a bomb."""
    total = 0
    for group in range(metadata.num_row_groups):
        for place in range(metadata.num_columns):
            chunk = metadata.row_group(group).column(place)
            total += chunk.total_uncompressed_size
            check_unpacked(name, chunk.total_uncompressed_size, chunk.total_compressed_size)
    check_unpacked(name, total)


@contextmanager
def _arrow(source: Source, path: str) -> Iterator[_Batches]:
    """An IPC file, or an IPC stream as `save_to_disk` writes it; mapped, so that memory stays flat."""
    import pyarrow  # noqa: PLC0415  (see above)

    with pyarrow.memory_map(path) as mapped:
        try:
            stored = pyarrow.ipc.open_file(mapped)
            batches = (stored.get_batch(place) for place in range(stored.num_record_batches))
            names = stored.schema.names
        except pyarrow.ArrowInvalid:
            mapped.seek(0)
            stored = pyarrow.ipc.open_stream(mapped)
            batches, names = iter(stored), stored.schema.names
        yield _Batches(names, batches)
