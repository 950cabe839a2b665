"""Logging in by user name or e-mail, with few tries, and by API token."""

import hashlib
from datetime import timedelta
from typing import Any

from django.contrib.auth.backends import ModelBackend
from django.core.exceptions import PermissionDenied
from django.db.models import Q
from django.http import HttpRequest
from django.utils import timezone
from rest_framework.authentication import BaseAuthentication, get_authorization_header
from rest_framework.exceptions import AuthenticationFailed
from rest_framework.request import Request

from evalhub.accounts.lockout import client_address, count_failure, forget_failures, tries_left
from evalhub.accounts.models import ApiToken, User

NOTED_EVERY = timedelta(hours=1)


def key_hash(key: str) -> str:
    """sha256 of a random key: enough for a key of 256 bits, and quick."""
    return hashlib.sha256(key.encode()).hexdigest()


class NameOrEmailBackend(ModelBackend):
    """Django's own checks, with an e-mail address accepted where a user name is."""

    def authenticate(
        self, request: HttpRequest | None, username: str | None = None, password: str | None = None, **kwargs: Any
    ) -> User | None:
        if username is None or password is None:
            return None
        address = client_address(request)
        if not tries_left(username, address):
            raise PermissionDenied
        user = self._checked(username, password)
        if user is None:
            count_failure(username, address)
        else:
            forget_failures(username, address)
        return user

    def _checked(self, username: str, password: str) -> User | None:
        user = User.objects.filter(Q(username=username) | Q(email__iexact=username)).order_by("id").first()
        if user is None:
            User().set_password(password)  # as slow as a real check: who has an account stays unknown
            return None
        return user if user.check_password(password) and self.user_can_authenticate(user) else None


def note_use(token: ApiToken) -> None:
    """Note that a key is in use, at most once an hour: a script that only reads leaves the database in peace."""
    now = timezone.now()
    if token.last_used_at is None or token.last_used_at < now - NOTED_EVERY:
        ApiToken.objects.filter(pk=token.pk, last_used_at=token.last_used_at).update(last_used_at=now)


class TokenAuthentication(BaseAuthentication):
    """`Authorization: Token KEY` (or Bearer), compared by hash."""

    def authenticate(self, request: Request) -> tuple[User, ApiToken] | None:
        words = get_authorization_header(request).decode("latin-1").split()
        if len(words) != 2 or words[0].lower() not in ("token", "bearer"):
            return None
        token = ApiToken.objects.select_related("user").filter(key_hash=key_hash(words[1]), revoked_at=None).first()
        if token is None or not token.user.is_active:
            raise AuthenticationFailed("This API token is unknown or has been revoked.")
        note_use(token)
        return token.user, token

    def authenticate_header(self, request: Request) -> str:
        return "Token"
