"""How large a file, a row and a field may be, so that nothing that unpacks without end fills memory or disk."""

from evalhub.datasets.formats.records import Unreadable

MAX_FIELD = 2_000_000  # bytes in one field
MAX_LINE = 16_000_000  # characters in one row
MAX_BYTES = 4 * 2**30  # bytes of a file once unpacked
MAX_SHEET = 512 * 2**20  # bytes of a spreadsheet once unpacked
MAX_COLUMNS = 1000  # of a spreadsheet
MAX_BLANK = 10_000  # rows of a spreadsheet without content, one after the other
MAX_RATIO = 200  # times its packed size; text packs to a tenth, a bomb to a thousandth
RATIO_FROM = 64 * 2**20  # bytes unpacked below which the ratio does not matter
MAX_PARTS = 10_000  # files in a folder


def check_unpacked(name: str, unpacked: int, packed: int | None = None) -> None:
    """Raises Unreadable for more than MAX_BYTES, or for what unpacks like a bomb."""
    if unpacked > MAX_BYTES:
        raise Unreadable(f"{name} is longer than {MAX_BYTES // 2**20:,} MB unpacked; split it into parts.")
    if packed is not None and unpacked > RATIO_FROM and unpacked > MAX_RATIO * packed:
        raise Unreadable(f"{name} unpacks to more than {MAX_RATIO} times its size; import what is in it.")
