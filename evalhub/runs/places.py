"""Where a model may lie: which folders of this machine, which addresses; and what of a folder's path is shown."""

import ipaddress
import socket
from pathlib import Path
from urllib.parse import SplitResult

from django.conf import settings

from evalhub.errors import Refused

METADATA_NAMES = {
    "metadata",
    "metadata.google.internal",
    "metadata.goog",
    "instance-data",
    "instance-data.ec2.internal",
}
METADATA = {ipaddress.ip_address(text) for text in ("100.100.100.200", "168.63.129.16", "192.0.0.192", "fd00:ec2::254")}
Address = ipaddress.IPv4Address | ipaddress.IPv6Address


def allowed_folder(folder: Path) -> Path:
    """The folder's real path, if it lies under settings.MODEL_ROOTS; else Refused, whether it is there or not."""
    real = folder.expanduser().resolve()
    if any(real.is_relative_to(root.resolve()) for root in settings.MODEL_ROOTS):
        return real
    raise Refused(
        f"{folder} is not under a folder that models may be taken from: evalhub's data folder, its demo folder, and "
        "those that EVALHUB_MODEL_ROOTS names. The person who runs this server can add it there.",
        field="reference",
    )


def allowed_host(parts: SplitResult) -> None:
    """Raise Refused for a host that no endpoint may have: one that the settings leave out, or a metadata service."""
    host = (parts.hostname or "").rstrip(".").lower()
    if settings.ENDPOINT_HOSTS and host not in settings.ENDPOINT_HOSTS:
        raise Refused(
            f"Endpoints may only lie on the hosts that EVALHUB_ENDPOINT_HOSTS names; {host} is not one of them. "
            "The person who runs this server can add it there.",
            field="reference",
        )
    if host in METADATA_NAMES or any(forbidden(address) for address in addresses(host)):
        raise Refused(
            f"{host} is a link-local or metadata address: what answers there is the machine's own, not a model.",
            field="reference",
        )


def addresses(host: str) -> list[Address]:
    """The address that `host` spells, in whatever notation (decimal, hexadecimal, IPv6); none for a name."""
    try:
        found = socket.getaddrinfo(host, None, type=socket.SOCK_STREAM, flags=socket.AI_NUMERICHOST)
    except (OSError, UnicodeError):
        return []
    return [ipaddress.ip_address(str(entry[4][0]).partition("%")[0]) for entry in found]


def forbidden(address: Address) -> bool:
    """Link-local, multicast or unspecified, or the metadata service of a cloud."""
    if isinstance(address, ipaddress.IPv6Address) and address.ipv4_mapped:
        address = address.ipv4_mapped
    return address.is_link_local or address.is_multicast or address.is_unspecified or address in METADATA


def shown(reference: str, *, whole: bool = False) -> str:
    """A hub id or an address as it is; of a folder's path its name, the path itself only where `whole`."""
    return reference if whole or not reference.startswith("/") else f"local folder {Path(reference).name}"
