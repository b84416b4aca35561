"""Drift: passwords that somebody else changed over there, noticed by a scan.

A scan reads a directory a page at a time, under the lease of its drain, when nobody waits.  What
is found is judged and written down by ``passwordsync.findings``.
"""

from __future__ import annotations

import logging
from collections.abc import Collection
from datetime import timedelta
from typing import Final

from django.db import transaction
from django.utils import timezone

from accounts.models import SealedPassword
from directories.asking import Asking, in_time
from directories.connections import connector_for
from directories.connectors.base import AccountState, Actor, ScanPage
from directories.connectors.errors import ConnectorError, ThrottledError
from directories.models import Binding, Directory
from passwordsync import due, findings, outcomes, queueing
from passwordsync.models import LoginCheck
from passwordsync.wake import wake

logger = logging.getLogger(__name__)

OVERLAP: Final = timedelta(hours=2)
"""How far back before the last scan events are read again: they arrive late."""
REREAD: Final = timedelta(days=3)
"""How far back the first scan reads them, and one each day: some arrive days late."""
REREAD_EVERY: Final = timedelta(days=1)
"""How often that is done."""
AGAIN: Final = timedelta(minutes=1)
"""When a scan that failed is begun again, and a question that had no answer is asked again."""
ASK_EVERY: Final = timedelta(seconds=2)
"""How often a directory is asked who changed a password; Microsoft allows 5 requests in 10 s."""
LOGGED_WITHIN: Final = timedelta(hours=1)
"""How long after a change a directory may still learn who made it."""


def request_scans() -> int:
    """Have every directory that is connected scanned; returns how many are."""
    now = timezone.now()
    connected = Directory.objects.exclude(tenant_id="").filter(paused_at=None)
    count = connected.filter(scan_requested_at=None).update(scan_requested_at=now)
    wake(connected.values_list("pk", flat=True))
    return count


def is_scan_due(directory: Directory) -> bool:
    """Say whether a page of a scan is to be read now."""
    requested_at = directory.scan_requested_at
    return requested_at is not None and requested_at <= timezone.now()


def read_page(directory: Directory) -> Asking[None]:
    """Read one page of the scan that is asked for."""
    now = timezone.now()
    # The same on every page of a scan: what it is computed from changes at its end.
    started_at = directory.scan_started_at or now
    since = (directory.scanned_at or started_at) - OVERLAP
    is_reread = directory.reread_at is None or directory.reread_at <= started_at - REREAD_EVERY
    if is_reread:
        since = min(since, started_at - REREAD)
    asked_at = timezone.now()
    try:
        connector = connector_for(directory)
        page: ScanPage = yield in_time(connector.scan(directory.scan_cursor, since))
    except ConnectorError as error:
        _failed(directory, error)
        return
    with transaction.atomic():
        skew = page.provider_now - asked_at
        findings.note(directory, page.states, skew=skew, scan_began_at=started_at)
        if page.cursor:
            _save(directory, scan_cursor=page.cursor, scan_started_at=started_at, scan_problem="")
        else:
            findings.note_deleted(directory, scan_began_at=started_at)
            _save(
                directory,
                scan_cursor="",
                scan_started_at=None,
                scan_requested_at=None,
                scanned_at=started_at,
                scan_problem="",
                reread_at=started_at if is_reread else directory.reread_at,
            )


def unnamed(directory: Directory) -> Binding | None:
    """Find a binding whose actor is to be asked for, where a scan did not tell; or None.

    One at a time: the limit on reading the audit log is low.
    """
    now = timezone.now()
    if directory.ask_actor_at is not None and directory.ask_actor_at > now:
        return None
    return (
        Binding.objects.filter(Binding.LIVE, directory=directory, drift_actor_wanted_at__lte=now)
        .order_by("drift_actor_wanted_at")
        .first()
    )


def name(directory: Directory, binding: Binding) -> Asking[None]:
    """Ask who changed the password of a binding."""
    now = timezone.now()
    # Where it is mended already, that is when it was last seen to change.
    changed_at = binding.drifted_at or binding.password_seen_at or now
    live = Binding.objects.filter(Binding.LIVE, pk=binding.pk)
    try:
        connector = connector_for(directory)
        actor = yield in_time(connector.password_actor(binding.external_id, changed_at))
    except ConnectorError as error:
        later = timezone.now() + max(AGAIN, timedelta(seconds=error.retry_after_seconds or 0))
        # Behind the others, in case it is about this account.
        live.update(drift_actor_wanted_at=later)
        _save(directory, ask_actor_at=later)
        outcomes.pause_if_refused(directory, error)
        return
    _save(directory, ask_actor_at=timezone.now() + ASK_EVERY)
    if actor is None and changed_at > now - LOGGED_WITHIN:
        live.update(drift_actor_wanted_at=now + AGAIN)
        return
    actor = actor or Actor()
    live.update(drift_by=actor.kind, drift_actor=actor.name[:320], drift_actor_wanted_at=None)
    if actor.kind != Binding.DriftBy.ADMINISTRATOR:
        live.update(held_password_version=None)


def unanswered(
    directory: Directory, *, limit: int, besides: Collection[int] = ()
) -> list[LoginCheck]:
    """Find questions that logins left, the oldest first, ``besides`` those being answered."""
    return list(
        LoginCheck.objects.filter(binding__directory=directory)
        .exclude(pk__in=besides)
        .select_related("binding__user", "sealed_password", "login_event")
        .order_by("pk")[:limit]
    )


def answer(directory: Directory, check: LoginCheck) -> Asking[None]:
    """Answer a question that a login left.

    Where the password there is another one, the login's own goes there now.
    """
    binding = check.binding
    asked_at = timezone.now()
    states: list[AccountState] = []
    skew = timedelta()
    try:
        connector = connector_for(directory)
        change = yield in_time(connector.password_changed_at(binding.external_id))
        skew = change.provider_now - asked_at
        states = [
            AccountState(external_id=binding.external_id, password_changed_at=change.changed_at)
        ]
    except ConnectorError as error:
        # It cannot tell now: the next scan does.
        outcomes.pause_if_refused(directory, error)
    with transaction.atomic():
        findings.note(directory, states, skew=skew)
        due_jobs, _at_peace = due.refreshed(Binding.objects.filter(pk=binding.pk))
        sealed = check.sealed_password.copy()
        # With its password the question goes, too.
        SealedPassword.objects.filter(pk=check.sealed_password_id).delete()
        drifted = [job for job in due_jobs if job.binding.drifted_at is not None]
        queueing.queue(drifted, login_event=check.login_event, sealed=sealed)


def _failed(directory: Directory, error: ConnectorError) -> None:
    """Wait, and begin anew where the cursor may be the cause."""
    after = AGAIN
    if isinstance(error, ThrottledError):
        after = max(after, timedelta(seconds=error.retry_after_seconds or 0))
    else:
        directory.scan_cursor, directory.scan_started_at = "", None
    logger.warning("The scan of directory %s waits: %s", directory.pk, error.message)
    _save(
        directory,
        scan_requested_at=timezone.now() + after,
        scan_problem=error.message,
        scan_cursor=directory.scan_cursor,
        scan_started_at=directory.scan_started_at,
    )
    outcomes.pause_if_refused(directory, error)


def _save(directory: Directory, **values: object) -> None:
    for name, value in values.items():
        setattr(directory, name, value)
    directory.save(update_fields=list(values))
