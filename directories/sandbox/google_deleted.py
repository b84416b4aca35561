"""Google's users: deleting them, and taking that back."""

from __future__ import annotations

from directories.sandbox.google_call import Call
from directories.sandbox.google_errors import (
    GoogleError,
    invalid,
    not_found,
    unknown_name,
)
from directories.sandbox.google_users import RESTORABLE_SECONDS, check_may_write, find


def remove(call: Call) -> None:
    account = find(call)
    check_may_write(call, account)
    call.customer.remove(account, call.world.clock.now())


def undelete(call: Call) -> None:
    """Restore a user, named by the immutable id alone, into an organizational unit."""
    body = call.body()
    for name in body:
        if name != "orgUnitPath":
            raise unknown_name(name)
    unit = body.get("orgUnitPath", "/")
    if unit not in call.customer.org_units:
        raise invalid("INVALID_OU_ID")
    account = call.customer.restorable(call.world.clock.now(), RESTORABLE_SECONDS).get(call.key)
    if account is None:
        raise not_found()
    check_may_write(call, account)
    if call.customer.account(account.address) is not None:
        raise GoogleError(409, "duplicate", "Entity already exists.")
    account.attributes["orgUnitPath"] = unit
    call.customer.restore(account)
