"""Where a model may lie: which folders of this machine, which addresses; and what of a folder's path is shown."""

from pathlib import Path
from urllib.parse import SplitResult

from django.conf import settings

from evalhub.errors import Refused
from runkit.addresses import forbidden, spelled

METADATA_NAMES = {
    "metadata",
    "metadata.google.internal",
    "metadata.goog",
    "instance-data",
    "instance-data.ec2.internal",
}
KEY_HOMES = {"EVALHUB_KEY_OPENAI": "api.openai.com"}  # where a key may go without being told


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
    host = host_of(parts)
    if settings.ENDPOINT_HOSTS and host not in settings.ENDPOINT_HOSTS:
        raise Refused(
            f"Endpoints may only lie on the hosts that EVALHUB_ENDPOINT_HOSTS names; {host} is not one of them. "
            "The person who runs this server can add it there.",
            field="reference",
        )
    if host in METADATA_NAMES or any(map(forbidden, spelled(host))):
        raise Refused(
            f"{host} is a link-local or metadata address: what answers there is the machine's own, not a model.",
            field="reference",
        )


def allowed_key(variable: str, parts: SplitResult) -> None:
    """Raise Refused for a key of this server on its way to a host that its operator has not named for it."""
    host = host_of(parts)
    if host in settings.ENDPOINT_HOSTS or (parts.scheme == "https" and host == KEY_HOMES.get(variable)):
        return
    raise Refused(
        f"The key in {variable} is sent only to hosts that EVALHUB_ENDPOINT_HOSTS names; {host} is not one of them. "
        "The person who runs this server can add it there.",
        field="key_variable",
    )


def host_of(parts: SplitResult) -> str:
    return (parts.hostname or "").rstrip(".").lower()


def shown(reference: str, *, whole: bool = False) -> str:
    """A hub id or an address as it is; of a folder's path its name, the path itself only where `whole`."""
    return reference if whole or not reference.startswith("/") else f"local folder {Path(reference).name}"
