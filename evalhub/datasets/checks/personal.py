"""Personal data: e-mail addresses, phone numbers, IBANs, payment cards and public IP addresses."""

import re
from collections.abc import Callable, Iterator

from evalhub.datasets.checks.identifiers import is_card, is_iban, is_public_address
from evalhub.datasets.checks.masking import masked
from evalhub.datasets.checks.scanning import listed
from evalhub.datasets.checks.text import Text

_EMAIL = re.compile(
    r"(?<![\w.+-])([\w+-][\w.+-]{0,63})"
    r"@((?:[A-Za-z0-9](?:[A-Za-z0-9-]{0,61}[A-Za-z0-9])?\.)+([A-Za-z]{2,24}))(?![\w@-])"
)
_RESERVED = re.compile(r"(?:^|\.)(?:example|test|invalid|localhost|local)$|(?:^|\.)example\.(?:com|org|net|edu)$", re.I)
_NO_PERSON = {"git", "noreply", "no-reply", "donotreply", "do-not-reply"}
_FILE_ENDINGS = {"png", "jpg", "jpeg", "gif", "svg", "webp", "css", "js", "py", "html", "pdf"}
_IBAN = re.compile(r"\b[A-Z]{2}\d{2}(?: ?[A-Z0-9]{2,4}){3,8}\b")
_CARD = re.compile(r"(?<![\w.,-])\d(?:[ -]?\d){12,18}(?![\w-]|[.,]\d)")
_IP4 = re.compile(r"(?<![\w.-])(?:\d{1,3}\.){3}\d{1,3}(?![\w-]|\.\d)")
_IP6 = re.compile(r"(?<![\w:.])(?:[0-9A-Fa-f]{1,4}:|::){2,7}[0-9A-Fa-f:]{1,20}(?![\w:])")
_VERSION = re.compile(
    r"(?:\bv|version|release|build|firmware|driver|kernel|§|section|chapter|clause|update)[ .:=\"'-]*$", re.IGNORECASE
)
_NUMBER = r"(?:\(0?\d{1,5}\)[ .\-/]?)?\d(?:[ .\-/]?\d){5,13}"
_PHONE = re.compile(
    rf"(?<![\w+.])(?P<international>\+[1-9]\d{{0,2}}[ .\-/]?{_NUMBER})(?![\w-])"
    r"|(?<![\w.+-])(?P<american>(?:1[ .-])?(?:\([2-9]\d{2}\) ?|[2-9]\d{2}[.-])[2-9]\d{2}[.-]\d{4})(?![\w-]|\.\d)"
    rf"|\b(?:phone|tel|telephone|mobile|cell|call|fax|telefon|mobil|handy|rufnummer|tél|téléphone|teléfono|móvil|"
    rf"telefono|cellulare)(?:efonnummer| ?number)?(?: me| us)?(?: (?:at|on|is|unter))?[.:]* {{0,2}}"
    rf"(?P<told>\(?0?\+?{_NUMBER})(?![\w-]|[.,]\d)",
    re.IGNORECASE,
)
_DOTTED = re.compile(r"\d\.\d{1,3}\.\d{1,3}\.\d")
_SEVEN_DIGITS = re.compile(r"\d(?:[ .()/-]{0,3}\d){6}")
LONE_DIGITS = 2  # of a phone number stand by themselves at most
TOLL_FREE = {"800", "833", "844", "855", "866", "877", "888"}
Found = tuple[str, str]  # what it is, the value


def personal(text: str) -> Iterator[Found]:
    """(what it is, its value) of every piece of personal data, none of them twice."""
    taken = ""
    for find in _finders(text):
        for what, value in find(text):
            if value not in taken:
                taken += f"\n{value}"
                yield what, value


def _finders(text: str) -> list[Callable[[str], Iterator[Found]]]:
    """Those that have a chance, in order: digits of an IBAN are no phone number."""
    finders: list[Callable[[str], Iterator[Found]]] = [_emails] if "@" in text else []
    numbers = _SEVEN_DIGITS.search(text) is not None
    finders += [_ibans, _cards] if numbers else []
    finders += [_addresses] if _DOTTED.search(text) or text.count(":") > 3 else []
    return [*finders, _phones] if numbers else finders


def scan(text: Text) -> str:
    """Which personal data there is and where; its values are masked."""
    return told(text, personal)


def told(text: Text, find: Callable[[str], Iterator[Found]]) -> str:
    """ "In the output: e-mail address an•••, phone number +4•••", the first of each sort; "" where there is nothing."""
    for name, part in text.parts():
        shown: dict[str, str] = {}
        counts: dict[str, int] = {}
        for what, value in find(part):
            shown.setdefault(what, masked(value))
            counts[what] = counts.get(what, 0) + 1
        if counts:
            found = listed({f"{what} {shown[what]}": number for what, number in counts.items()})
            return f"In the {name}: {found}."
    return ""


def _emails(text: str) -> Iterator[Found]:
    for match in _EMAIL.finditer(text):
        user, host, ending = match.groups()
        if not (_RESERVED.search(host) or user.casefold() in _NO_PERSON or ending.casefold() in _FILE_ENDINGS):
            yield "e-mail address", match.group()


def _ibans(text: str) -> Iterator[Found]:
    for match in _IBAN.finditer(text):
        words = match.group().split(" ")
        tails = (" ".join(words[:end]) for end in range(len(words), 0, -1))
        if found := next((tail for tail in tails if is_iban(tail)), ""):
            yield "IBAN", found


def _cards(text: str) -> Iterator[Found]:
    return (("card number", match.group()) for match in _CARD.finditer(text) if is_card(match.group()))


def _addresses(text: str) -> Iterator[Found]:
    for pattern in (_IP4, _IP6):
        for match in pattern.finditer(text):
            before = text[max(0, match.start() - 20) : match.start()]
            if is_public_address(match.group()) and not _VERSION.search(before):
                yield "IP address", match.group()


def _phones(text: str) -> Iterator[Found]:
    for match in _PHONE.finditer(text):
        value = next(group for group in match.groups() if group)
        digits = "".join(sign for sign in value if sign.isdecimal())
        lone = sum(len(group) == 1 for group in re.findall(r"\d+", value))
        if 7 <= len(digits) <= 15 and lone <= LONE_DIGITS and not _nobodys(digits):
            yield "phone number", value


def _nobodys(digits: str) -> bool:
    """555-555-5555, 123-456-7890 and the like, 555-01xx, which is kept free for stories, and toll-free numbers."""
    made_up = len(set(digits[-7:])) < 3 or "1234567" in digits or "55501" in digits[-8:]
    return made_up or (len(digits) in (10, 11) and digits[-10:-7] in TOLL_FREE)
