"""Numbers that identify a person or an account, told from others by their check digits and ranges."""

import ipaddress

# Length by country: the registry of ISO 13616 (SWIFT).
_IBAN = {
    15: "NO", 16: "BE", 18: "DK FI FK FO GL NL SD", 19: "MK SI", 20: "AT BA EE KZ LT LU MN XK", 21: "CH HR LI LV",
    22: "BG BH CR DE GB GE IE ME RS VA", 23: "AE GI IL IQ OM SO TL", 24: "AD CZ ES MD PK RO SA SE SK TN VG",
    25: "LY PT ST", 26: "IS TR", 27: "BI DJ FR GR IT MC MR SM", 28: "AL AZ BY CY DO GT HN HU LB NI PL SV",
    29: "BR EG PS QA UA", 30: "JO KW MU", 31: "MT SC", 32: "LC", 33: "RU",
}  # fmt: skip
IBAN_LENGTHS = {country: length for length, countries in _IBAN.items() for country in countries.split()}
_SHAPES = (
    ("4", (13, 16, 19)),
    ("34", (15,)),
    ("37", (15,)),
    ("36", (14,)),
    ("30", (14,)),
    ("6011", (16,)),
    ("65", (16,)),
)
_RANGES = ((51, 55, 2), (2221, 2720, 4), (3528, 3589, 4), (644, 659, 3))


def is_iban(text: str) -> bool:
    """Whether the length fits the country and the remainder by 97 is 1 (ISO 13616, ISO 7064)."""
    compact = "".join(text.split()).upper()
    if IBAN_LENGTHS.get(compact[:2]) != len(compact) or not compact.isalnum() or not compact.isascii():
        return False
    return int("".join(str(int(sign, 36)) for sign in compact[4:] + compact[:4])) % 97 == 1


def is_card(text: str) -> bool:
    """Whether numbers of this beginning and length are issued, and the check digit is right (Luhn, ISO 7812)."""
    digits = "".join(sign for sign in text if sign.isdecimal())
    return len(set(digits)) > 2 and _issued(digits) and _luhn(digits)


def _issued(digits: str) -> bool:
    if any(digits.startswith(start) and len(digits) in lengths for start, lengths in _SHAPES):
        return True
    return len(digits) == 16 and any(low <= int(digits[:width]) <= high for low, high, width in _RANGES)


def _luhn(digits: str) -> bool:
    doubled = [int(digit) * (2 if at % 2 else 1) for at, digit in enumerate(reversed(digits))]
    return sum(number - 9 if number > 9 else number for number in doubled) % 10 == 0


def is_public_address(text: str) -> bool:
    """Whether this is an IP address of the public internet, and looks like no version number."""
    try:
        address = ipaddress.ip_address(text)
    except ValueError:
        return False
    if isinstance(address, ipaddress.IPv6Address):
        return address.is_global and text.count(":") > 3
    return address.is_global and not address.is_multicast and sum(len(part) > 1 for part in text.split(".")) > 1
