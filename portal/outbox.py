"""The outbox: mails are rows first, so that each is sent once, and no failure is forgotten."""

from __future__ import annotations

import logging
from collections.abc import Iterable
from datetime import datetime, timedelta
from smtplib import SMTPRecipientsRefused
from time import monotonic
from typing import Final

from celery import current_app
from django.core.mail import get_connection
from django.core.mail.backends.base import BaseEmailBackend
from django.db import transaction
from django.utils import timezone
from kombu.exceptions import OperationalError

from accounts import links
from portal import mails
from portal.models import Mail

logger = logging.getLogger(__name__)

CLAIM: Final = timedelta(minutes=2)
"""How long a claimed mail belongs to its sender; longer than the mail server's time-out."""
BACKOFF_AT_MOST: Final = timedelta(hours=6)
"""The delay after a failure starts at a claim's length and doubles up to this."""
GIVE_UP_AFTER: Final = timedelta(days=5)
"""A mail that could not be sent for so long is not tried again, unless an operator asks."""
SLICE: Final = timedelta(seconds=60)
"""How long one run sends; the next one goes on."""
TO_COMPANY: Final = (Mail.Kind.BOUND, Mail.Kind.PASSWORD_LATE, Mail.Kind.DRIFT)
"""Mails that go wherever the person's company address is when they leave."""
SENDER: Final = "portal.tasks.send_mails"
"""The task's name; its module imports this one."""
EXPIRES_SECONDS: Final = 30
"""A message that no worker took is of no use: beat sends another."""


def queue(new: Iterable[Mail], *, is_urgent: bool = True) -> None:
    """Queue mails inside the caller's transaction; one whose key its address has had is not.

    Beat sends within seconds what is not urgent.
    """
    if Mail.objects.bulk_create(new, ignore_conflicts=True) and is_urgent:
        transaction.on_commit(_wake_sender, robust=True)


def _wake_sender() -> None:
    try:
        current_app.send_task(SENDER, retry=False, expires=EXPIRES_SECONDS)
    except OperationalError as error:
        logger.warning("The broker cannot be reached, beat will send the mails: %s", error)


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
            _readdress(mail)
            try:
                connection.open()  # kept for the mails that follow
                mails.message(mail, connection).send()
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


def is_claimed(mail: Mail, now: datetime) -> bool:
    """Say whether a sender has a mail in hand."""
    return mail.claimed_until is not None and mail.claimed_until > now


def send_now(chosen: Iterable[Mail]) -> int:
    """Have mails that wait sent at once, also those given up; returns how many."""
    now = timezone.now()
    with transaction.atomic():
        count = (
            Mail.objects.filter(Mail.WAITING, pk__in=[mail.pk for mail in chosen])
            .exclude(claimed_until__gt=now)
            .update(next_attempt_at=now)
        )
        transaction.on_commit(_wake_sender, robust=True)
    return count


def _claim() -> Mail | None:
    """Take the mail that is due for longest; None when there is none."""
    while True:
        now = timezone.now()
        mail = (
            Mail.objects.filter(Mail.WAITING, next_attempt_at__lte=now)
            .select_related("user", "binding__directory", "link", "login_event")
            .order_by("next_attempt_at", "pk")
            .first()
        )
        if mail is None:
            return None
        is_last = mail.created_at < now - GIVE_UP_AFTER
        delay = min(CLAIM * 2 ** min(mail.attempts, 16), BACKOFF_AT_MOST)
        # Written before the call, so that a crash cannot make a tight loop.
        claim = {
            "attempts": mail.attempts + 1,
            "claimed_until": now + CLAIM,
            "next_attempt_at": None if is_last else now + delay,
        }
        if Mail.objects.filter(Mail.WAITING, pk=mail.pk, attempts=mail.attempts).update(**claim):
            mail.attempts += 1
            return mail


def _record(mail: Mail, **values: object) -> int:
    """Note what came of a claim, where it is still ours; the number of attempts is its fence."""
    return Mail.objects.filter(Mail.WAITING, pk=mail.pk, attempts=mail.attempts).update(
        claimed_until=None, **values
    )


def _readdress(mail: Mail) -> None:
    """Send to the person's present company address what was meant for that."""
    if mail.kind in TO_COMPANY and mail.address != mail.user.email:
        mail.address = mail.user.email
        Mail.objects.filter(pk=mail.pk).update(address=mail.address)


def _is_still_true(mail: Mail) -> bool:
    user, binding, link = mail.user, mail.binding, mail.link
    match mail.kind:
        case Mail.Kind.BOUND if binding is not None:
            return binding.ended_at is None and user.may_sign_in
        case Mail.Kind.WELCOME | Mail.Kind.RESET if link is not None:
            link.user = user
            return links.is_usable(link)
        case Mail.Kind.DRIFT if binding is not None:
            is_open = binding.ended_at is None and binding.drifted_at is not None
            return is_open and user.may_sign_in
        case Mail.Kind.PASSWORD_LATE if binding is not None:
            is_old = binding.pushed_password_version != user.password_version
            return binding.ended_at is None and user.is_active and is_old
        case _:
            return True


def _text(error: OSError) -> str:
    return f"{type(error).__name__}: {error}"[:1000]
