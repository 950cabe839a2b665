"""Slows guessing down: five wrong passwords for a name from one address, fifty from anywhere, close it for a while."""

import hashlib

from django.conf import settings
from django.core.cache import cache
from django.http import HttpRequest

TRIES, TRIES_FROM_ANYWHERE = 5, 50
SECONDS = 15 * 60


def client_address(request: HttpRequest | None) -> str:
    """Who calls: the socket's address, or what the trusted proxies (EVALHUB_PROXIES) saw."""
    if request is None:
        return ""
    hops = [hop.strip() for hop in request.headers.get("X-Forwarded-For", "").split(",") if hop.strip()]
    trusted: int = settings.PROXIES
    if trusted and len(hops) >= trusted:
        return hops[-trusted]
    return str(request.META.get("REMOTE_ADDR", ""))


def tries_left(name: str, address: str) -> int:
    """How many wrong passwords may follow before the door closes; 0 = closed."""
    here, anywhere = (int(cache.get(key, 0)) for key in _keys(name, address))
    return max(0, min(TRIES - here, TRIES_FROM_ANYWHERE - anywhere))


def count_failure(name: str, address: str) -> None:
    for key in _keys(name, address):
        cache.add(key, 0, SECONDS)
        cache.incr(key)


def forget_failures(name: str, address: str) -> None:
    cache.delete_many(_keys(name, address))


def _keys(name: str, address: str) -> list[str]:
    person = name.strip().lower()
    return [
        "login-failures:" + hashlib.sha256(part.encode()).hexdigest()
        for part in (f"here\n{person}\n{address}", f"anywhere\n{person}")
    ]
