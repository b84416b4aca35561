"""The outbox: mails are rows first, so that each is sent once, and no failure is forgotten."""

from __future__ import annotations

import logging
from collections.abc import Iterable
from datetime import timedelta
from smtplib import SMTPRecipientsRefused
from time import monotonic
from typing import Final
from urllib.parse import urlsplit

from django.conf import settings
from django.core.mail import EmailMultiAlternatives, get_connection
from django.core.mail.backends.base import BaseEmailBackend
from django.template.loader import render_to_string
from django.utils import timezone

from accounts.models import User
from directories.models import Binding
from portal.models import Mail

logger = logging.getLogger(__name__)

CLAIM: Final = timedelta(minutes=2)
"""How long a claimed mail belongs to its sender; longer than the mail server's time-out."""
BACKOFF_AT_MOST: Final = timedelta(hours=6)
"""The delay after a failure starts at a claim's length and doubles up to this."""
GIVE_UP_AFTER: Final = timedelta(days=5)
"""A mail that could not be sent for so long stays in the outbox with its error."""
SLICE: Final = timedelta(seconds=60)
"""How long one run sends; the next one goes on."""


def queue_bind_mails(bindings: Iterable[Binding]) -> None:
    """Queue "you were added to X" for active people with a password; once for each binding.

    User and directory of each binding have to be loaded.
    """
    Mail.objects.bulk_create(
        (
            Mail(kind=Mail.Kind.BOUND, binding=binding, address=binding.user.email)
            for binding in bindings
            if _may_sign_in(binding.user)
        ),
        ignore_conflicts=True,
    )


def send_due() -> int:
    """Send what is due; returns how many mails were sent.

    May run many times at once: each mail is claimed by one of them.  A crash between the mail
    server's answer and our note of it sends the mail again, under the same Message-ID.
    """
    sent = 0
    end = monotonic() + SLICE.total_seconds()
    connection: BaseEmailBackend = get_connection()
    try:
        while monotonic() < end and (mail := _claim()) is not None:
            if not _is_still_true(mail):
                _record(mail, cancelled_at=timezone.now())
                continue
            try:
                connection.open()  # kept for the mails that follow
                _message(mail, connection).send()
            except OSError as error:  # SMTPException is one
                logger.warning("Mail %d could not be sent: %s", mail.pk, type(error).__name__)
                _record(mail, error=_text(error))
                if not isinstance(error, SMTPRecipientsRefused):
                    break  # about the server rather than this one address
            else:
                sent += _record(mail, sent_at=timezone.now(), error="")
    finally:
        connection.close()
    return sent


def _claim() -> Mail | None:
    """Take the mail that is due for longest; None when there is none."""
    while True:
        now = timezone.now()
        mail = (
            Mail.objects.filter(
                Mail.WAITING, next_attempt_at__lte=now, created_at__gt=now - GIVE_UP_AFTER
            )
            .select_related("binding__user", "binding__directory")
            .order_by("next_attempt_at", "pk")
            .first()
        )
        if mail is None:
            return None
        # Written before the call, so that a crash cannot make a tight loop.
        claim = {
            "attempts": mail.attempts + 1,
            "claimed_until": now + CLAIM,
            "next_attempt_at": now + min(CLAIM * 2 ** min(mail.attempts, 16), BACKOFF_AT_MOST),
        }
        if Mail.objects.filter(Mail.WAITING, pk=mail.pk, attempts=mail.attempts).update(**claim):
            mail.attempts += 1
            return mail


def _record(mail: Mail, **values: object) -> int:
    """Note what came of a claim, where it is still ours; the number of attempts is its fence."""
    return Mail.objects.filter(Mail.WAITING, pk=mail.pk, attempts=mail.attempts).update(
        claimed_until=None, **values
    )


def _is_still_true(mail: Mail) -> bool:
    return mail.binding.ended_at is None and _may_sign_in(mail.binding.user)


def _may_sign_in(user: User) -> bool:
    return user.is_active and user.has_usable_password()


def _message(mail: Mail, connection: BaseEmailBackend) -> EmailMultiAlternatives:
    context = {
        "person": mail.binding.user,
        "directory": mail.binding.directory,
        "portal_url": settings.PORTAL_URL,
    }
    folder = f"mail/{mail.kind}"
    message = EmailMultiAlternatives(
        subject=" ".join(render_to_string(f"{folder}/subject.txt", context).split()),
        body=render_to_string(f"{folder}/body.txt", context).strip() + "\n",
        to=[mail.address],
        headers={"Message-ID": _message_id(mail), "Auto-Submitted": "auto-generated"},
        connection=connection,
    )
    message.attach_alternative(render_to_string(f"{folder}/body.html", context), "text/html")
    return message


def _message_id(mail: Mail) -> str:
    """Name a mail the same at every attempt."""
    host = urlsplit(settings.PORTAL_URL).hostname or "localhost"
    return f"<{mail.kind}.{mail.pk}.{mail.created_at:%Y%m%d%H%M%S%f}@{host}>"


def _text(error: OSError) -> str:
    return f"{type(error).__name__}: {error}"[:1000]
