"""The one letter that this room sends by itself: an invitation. Django sends the one about passwords."""

import logging
from smtplib import SMTPException

from django.conf import settings
from django.core.mail import send_mail
from django.template.loader import render_to_string

from evalhub.accounts.actions import INVITATION_DAYS
from evalhub.accounts.models import Invitation

log = logging.getLogger(__name__)


def sends_mail() -> bool:
    """False where letters only reach the server's own log."""
    return not settings.EMAIL_BACKEND.endswith(("console.EmailBackend", "dummy.EmailBackend"))


def send_invitation(invitation: Invitation, link: str) -> bool:
    """Send the link; false if no letter left, so that the page can say: pass it on yourself."""
    text = render_to_string(
        "accounts/invitation_email.txt", {"invitation": invitation, "link": link, "days": INVITATION_DAYS}
    )
    try:
        sent = send_mail(f"Invitation to {invitation.project}", text, None, [invitation.email])
    except (SMTPException, OSError):
        log.exception("The invitation to project %s could not be sent.", invitation.project.slug)
        return False
    return bool(sent) and sends_mail()
