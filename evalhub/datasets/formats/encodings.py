"""Which encoding a text is in, by the bytes that are given: UTF-8 with or without BOM, UTF-16, -32, or an older one."""

import codecs
import io
from collections.abc import Callable, Iterator
from dataclasses import dataclass

from charset_normalizer import from_bytes

from evalhub.datasets.formats.limits import MAX_LINE
from evalhub.datasets.formats.records import Source, Unreadable
from evalhub.datasets.formats.unpacking import stream_of

LEGACY = {"cp1252", "latin_1", "cp1250", "cp1251", "cp1253", "cp1254", "cp1257", "iso8859_2", "iso8859_5",
          "iso8859_7", "iso8859_9", "iso8859_15", "koi8_r", "mac_roman", "shift_jis", "cp932", "euc_jp", "gb18030",
          "big5", "euc_kr", "cp949"}  # fmt: skip
WESTERN = ("", "latin_1", "cp1250", "cp1252", "cp1254", "cp1257", "iso8859_2", "iso8859_9", "iso8859_15")
MARKS = ((codecs.BOM_UTF8, "utf-8-sig"), (codecs.BOM_UTF32_LE, "utf-32"), (codecs.BOM_UTF32_BE, "utf-32"),
         (codecs.BOM_UTF16_LE, "utf-16"), (codecs.BOM_UTF16_BE, "utf-16"))  # fmt: skip
"""The longer mark first: that of UTF-32 begins as that of UTF-16."""
SAMPLE = 2**16  # bytes of lines that are not UTF-8, from which the encoding is told


@dataclass(frozen=True)
class Bytes:
    """The bytes of a text, as often as `read` is called; not `whole`: they break off somewhere."""

    name: str
    read: Callable[[], Iterator[bytes]]
    whole: bool = True


def text_of(source: Source) -> io.TextIOWrapper:
    """The decoded text, line ends as they are. Bytes that break UTF-8 come as lone surrogates, found per row."""
    return io.TextIOWrapper(stream_of(source), source.encoding, errors="surrogateescape", newline="")


def encoding_of(content: Bytes) -> str:
    """The encoding of all of the text. UTF-8 with single broken lines stays UTF-8: those lines become problems."""
    start = next(content.read(), b"")
    for mark, encoding in MARKS:
        if start.startswith(mark):
            return _checked(content, encoding)
    if b"\0" in start[:4096] and (guess := _utf16_without_mark(start[:4096])):
        return _checked(content, guess)
    if _is_binary(start[:4096]):
        raise Unreadable(
            f"{content.name} is not a text file. JSON, JSONL, CSV, TSV, XLSX, Parquet and Arrow can be read."
        )
    return "utf-8" if _is_utf8(content) else _without_utf8(content)


def _is_utf8(content: Bytes) -> bool:
    """Whether all of it is sound: the usual case, in one pass at the speed of the decoder."""
    try:
        _decode(content, "utf-8", "strict")
    except UnicodeDecodeError:
        return False
    return True


def _decode(content: Bytes, encoding: str, errors: str) -> None:
    decoder = codecs.getincrementaldecoder(encoding)(errors)
    for block in content.read():
        decoder.decode(block)
    decoder.decode(b"", final=content.whole)


def _without_utf8(content: Bytes) -> str:
    sound, broken = _non_ascii_lines(content)
    return _legacy(content.name, broken) if broken and not sound else "utf-8"


def _checked(content: Bytes, encoding: str) -> str:
    """`encoding`, if all of the file follows it (UTF-8 is checked line by line later)."""
    try:
        _decode(content, encoding, "surrogateescape" if encoding == "utf-8-sig" else "strict")
    except UnicodeError as error:
        said = f"{content.name} says it is {encoding.upper()}, but breaks its rules; save it as UTF-8."
        raise Unreadable(said) from error
    return encoding


def _utf16_without_mark(start: bytes) -> str:
    """utf-16-le or -be where every second byte of mostly Latin text is zero."""
    even, odd = start[0::2].count(0), start[1::2].count(0)
    if max(even, odd) < len(start) * 0.3:
        return ""
    return "utf-16-le" if odd > even else "utf-16-be"


def _is_binary(start: bytes) -> bool:
    """Not UTF-8, and with control characters that no text has; single NULs are a row's problem, not the file's."""
    odd = sum(byte < 9 or 13 < byte < 27 for byte in start)
    decoder = codecs.getincrementaldecoder("utf-8")()
    try:
        decoder.decode(start)
    except UnicodeDecodeError:
        return odd > len(start) * 0.05
    return odd > len(start) * 0.5 and len(start) > 1000


def _non_ascii_lines(content: Bytes) -> tuple[int, bytes]:
    """How many lines hold sound multi-byte UTF-8, and the first 64 kB of lines that break it."""
    sound, broken, rest = 0, b"", b""
    for block in content.read():
        *lines, rest = (rest + block).split(b"\n")
        for line in lines:
            sound, broken = _judged(line, sound, broken)
        if len(rest) > MAX_LINE:
            rest = b""
    return _judged(rest, sound, broken) if content.whole or not (sound or broken) else (sound, broken)


def _judged(line: bytes, sound: int, broken: bytes) -> tuple[int, bytes]:
    if line.isascii():
        return sound, broken
    try:
        line.decode("utf-8")
    except UnicodeDecodeError:
        return sound, (broken + b"\n" + line)[:SAMPLE]
    return sound + 1, broken


def _legacy(name: str, sample: bytes) -> str:
    """The most likely encoding of text that is not UTF-8 anywhere. Raises Unreadable."""
    matches = [match for match in from_bytes(sample) if match.encoding in LEGACY]
    best = matches[0].encoding if matches else ""
    if best in WESTERN:  # unless another script speaks against it: short samples say no more than that
        return "cp1252" if _follows(sample, "cp1252") else "latin_1"
    if not _follows(sample, best):
        raise Unreadable(f"The encoding of {name} is not one that can be read; save it as UTF-8.")
    return best


def _follows(sample: bytes, encoding: str) -> bool:
    try:
        sample.decode(encoding)
    except UnicodeDecodeError:
        return False
    return True
