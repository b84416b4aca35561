"""What a login asks of directories that can tell at once: is the password there still ours?

The login does not wait for the answer; ``passwordsync.drift`` finds it, moments later.
"""

from __future__ import annotations

from collections.abc import Iterable
from datetime import timedelta

from django.conf import settings
from django.utils import timezone

from accounts.models import LoginEvent, SealedPassword
from directories.connectors import CONNECTORS
from directories.models import Binding
from passwordsync.models import LoginCheck
from passwordsync.wake import wake


def leave(bindings: Iterable[Binding], *, login_event: LoginEvent, sealed: SealedPassword) -> None:
    """Have bindings at rest looked at that no recent scan covers; the last login counts.

    User and directory of each have to be loaded; costs nothing where there are none.
    """
    asked = [binding for binding in bindings if _is_to_be_checked(binding)]
    if not asked:
        return
    SealedPassword.objects.filter(login_check__binding__in=asked).delete()
    copies = SealedPassword.objects.bulk_create(sealed.copy() for _ in asked)
    LoginCheck.objects.bulk_create(
        LoginCheck(binding=binding, sealed_password=copy, login_event=login_event)
        for binding, copy in zip(asked, copies, strict=True)
    )
    wake(binding.directory_id for binding in asked)


def _is_to_be_checked(binding: Binding) -> bool:
    directory = binding.directory
    covered_since = timezone.now() - timedelta(seconds=settings.DRIFT_SCAN_SECONDS)
    is_covered = directory.scanned_at is not None and directory.scanned_at > covered_since
    return (
        CONNECTORS[directory.kind].tells_passwords
        and binding.is_managed
        and binding.ended_at is None
        and binding.user.is_active
        and not (directory.is_paused or is_covered)
    )
