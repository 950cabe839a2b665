"""Which addresses of a network no program may ask, whoever names them: the machine's own, and a cloud's metadata."""

import ipaddress
import socket

METADATA = {ipaddress.ip_address(text) for text in ("100.100.100.200", "168.63.129.16", "192.0.0.192", "fd00:ec2::254")}
Address = ipaddress.IPv4Address | ipaddress.IPv6Address


def spelled(host: str) -> list[Address]:
    """The address that `host` spells, in whatever notation (decimal, hexadecimal, IPv6); none for a name."""
    return _found(host, socket.AI_NUMERICHOST)


def resolved(host: str) -> list[Address]:
    """The addresses behind `host`, a name or an address; none where nobody here knows the name."""
    return _found(host, 0)


def forbidden(address: Address) -> bool:
    """Link-local, multicast or unspecified, or the metadata service of a cloud."""
    if isinstance(address, ipaddress.IPv6Address) and address.ipv4_mapped:
        address = address.ipv4_mapped
    return address.is_link_local or address.is_multicast or address.is_unspecified or address in METADATA


def _found(host: str, flags: int) -> list[Address]:
    try:
        found = socket.getaddrinfo(host, None, type=socket.SOCK_STREAM, flags=flags)
    except (OSError, UnicodeError):
        return []
    return [ipaddress.ip_address(str(entry[4][0]).partition("%")[0]) for entry in found]
