"""Looking before pushing: is the directory who it says, and which account is this person's?

Only a worker, or a command where the private keys are, can do either.
"""

from __future__ import annotations

import logging
from datetime import timedelta
from typing import Final

from django.db import IntegrityError, transaction
from django.utils import timezone

from directories.asking import Asking, in_time
from directories.connections import connector_for, submit
from directories.connectors.base import Account, Check
from directories.connectors.errors import (
    AccountError,
    ConnectorError,
    DirectoryRefusedError,
    PermissionDeniedError,
)
from directories.models import Binding, Directory

logger = logging.getLogger(__name__)

PROBE_AFTER: Final = timedelta(seconds=30)
"""The first probe of a paused directory; each that fails doubles the next one's delay …"""
PROBE_AT_MOST: Final = timedelta(minutes=10)
"""… up to this."""
LOCATE_AGAIN: Final = timedelta(minutes=1)
"""When to look for an account again after a look that could not tell."""
REFUSALS_TO_PAUSE: Final = 3
"""So many ordinary people refused in a row, and it is the directory, not they."""


def check(directory: Directory) -> bool:
    """Check the connection, write down what was found, pause or resume; True if it is good."""
    requested_at = directory.check_requested_at
    try:
        found: Check = submit(in_time(connector_for(directory).check())).result()
    except DirectoryRefusedError as error:
        pause(directory, error.message)
        good = False
    except ConnectorError as error:
        # It could not be told: what worked before goes on, a new directory waits.
        if not directory.tenant_id or directory.is_paused:
            pause(directory, error.message)
        logger.warning("Directory %s could not be checked: %s", directory.pk, error.message)
        good = False
    else:
        _found(directory, found)
        good = True
    # A check that was asked for meanwhile is done again.
    Directory.objects.filter(pk=directory.pk, check_requested_at=requested_at).update(
        check_requested_at=None
    )
    directory.refresh_from_db()
    return good


def _found(directory: Directory, found: Check) -> None:
    directory.tenant_id = found.tenant_id
    directory.verified_domains = sorted(found.verified_domains)
    directory.federated_domains = sorted(found.federated_domains)
    directory.check_warnings = list(found.warnings)
    directory.checked_at = timezone.now()
    # After refusals the next pause is longer still, until a push succeeds.
    directory.probes = directory.probes if directory.refusals_in_row else 0
    directory.save(
        update_fields=[
            "tenant_id",
            "verified_domains",
            "federated_domains",
            "check_warnings",
            "checked_at",
            "probes",
        ]
    )
    # What an operator paused meanwhile stays paused.
    Directory.objects.filter(pk=directory.pk, paused_by=None).update(
        paused_at=None, probe_at=None, paused_reason=""
    )


def pause(directory: Directory, reason: str) -> None:
    """Pause a directory as a whole, for one reason, and set the next probe.

    Where an operator paused it, theirs counts.
    """
    now = timezone.now()
    delay = min(PROBE_AFTER * 2 ** min(directory.probes, 10), PROBE_AT_MOST)
    Directory.objects.filter(pk=directory.pk, paused_by=None).update(
        paused_at=directory.paused_at or now,
        paused_reason=reason,
        probe_at=now + delay,
        probes=directory.probes + 1,
    )
    directory.refresh_from_db(fields=["paused_at", "paused_reason", "probe_at", "probes"])
    logger.warning("Directory %s is paused: %s", directory.pk, reason)


def to_locate(directory: Directory, *, limit: int) -> list[Binding]:
    """Take bindings whose account is to be looked for; whoever is taken and lost is found again."""
    now = timezone.now()
    waiting = list(
        Binding.objects.select_related("user")
        .filter(directory=directory, ended_at=None, locate_at__lte=now)
        .order_by("locate_at")[:limit]
    )
    Binding.objects.filter(pk__in=[binding.pk for binding in waiting]).update(
        locate_at=now + LOCATE_AGAIN
    )
    return waiting


def is_directory_to_blame(
    directory: Directory, binding: Binding, error: PermissionDeniedError
) -> bool:
    """Say whether one 403 is more than this person's: several people's in a row pause all.

    Somebody who was refused before is no news.  The count is kept through a probe, so that the
    next refusal pauses again at once, for longer, until a push succeeds.
    """
    if binding.problem == Binding.Problem.PERMISSION_DENIED:
        return False
    directory.refusals_in_row += 1
    directory.save(update_fields=["refusals_in_row"])
    if directory.refusals_in_row < REFUSALS_TO_PAUSE:
        return False
    if not directory.is_paused:
        count = directory.refusals_in_row
        pause(directory, f"{count} people in a row were refused. {error.message}")
    return True


def locate(binding: Binding) -> Asking[bool]:
    """Find a binding's account and write down what was found; True if it may be pushed to.

    Raises ConnectorError where the directory cannot be asked at all.
    """
    directory = binding.directory
    try:
        account: Account = yield in_time(connector_for(directory).find(binding.user.email))
    except ConnectorError as error:
        if isinstance(error, AccountError) or (
            isinstance(error, PermissionDeniedError)
            and not is_directory_to_blame(directory, binding, error)
        ):
            block(binding, error.code, error.message)
            return False
        logger.warning("The account of binding %s is looked for later: %s", binding.pk, error)
        Binding.objects.filter(pk=binding.pk).update(locate_at=timezone.now() + LOCATE_AGAIN)
        raise
    if account.privileges and not directory.allows_privileged:
        roles = ", ".join(account.privileges)
        block(
            binding,
            Binding.Problem.PRIVILEGED,
            f"The account holds administrative roles over there ({roles}). Take them away, or "
            "allow privileged accounts for this directory.",
        )
        return False
    claimed = binding.claimed_external_id
    if not binding.external_id and claimed and claimed != account.external_id:
        block(
            binding,
            Binding.Problem.MISMATCH,
            "The earlier system had another account for this person than the one that has their "
            "address now. Unbind and bind again if this one is meant.",
        )
        return False
    if binding.external_id and binding.external_id != account.external_id:
        block(
            binding,
            Binding.Problem.MISMATCH,
            "The address now belongs to another account than the one bound. Unbind and bind again "
            "if that is meant.",
        )
        return False
    if _was_somebody_elses(binding, account):
        block(
            binding,
            Binding.Problem.TAKEN,
            "The account was bound to somebody else before. An administrator has to bind this one.",
        )
        return False
    binding.external_id, binding.external_address = account.external_id, account.address
    binding.locate_at = None
    # Found is not yet allowed: only a push that succeeds shows that.
    if binding.problem != Binding.Problem.PERMISSION_DENIED:
        binding.problem, binding.problem_text = Binding.Problem.NONE, ""
    try:
        with transaction.atomic():
            binding.save(
                update_fields=[
                    "external_id",
                    "external_address",
                    "locate_at",
                    "problem",
                    "problem_text",
                ]
            )
    except IntegrityError:
        binding.external_id = ""
        block(
            binding,
            Binding.Problem.TAKEN,
            "The account is bound to somebody else already. End that binding first.",
        )
        return False
    return True


def _was_somebody_elses(binding: Binding, account: Account) -> bool:
    """Say whether an operator, not an administrator, hands one person's account to another."""
    actor = binding.bound_by
    if actor is None or actor.is_superuser:
        return False
    before = Binding.objects.filter(directory=binding.directory_id, external_id=account.external_id)
    return before.exclude(user=binding.user_id).exists()


def block(binding: Binding, code: str, text: str) -> None:
    """Write down that an operator has to act on this one person; the next login tries again."""
    known = code in Binding.Problem.values
    binding.problem = Binding.Problem(code) if known else Binding.Problem.OTHER
    binding.problem_text = text
    binding.locate_at = None
    binding.save(update_fields=["problem", "problem_text", "locate_at"])
