"""What the portal does when somebody was bound, or a password has arrived."""

from __future__ import annotations

import logging
from collections.abc import Sequence
from typing import Any

from django.db import transaction
from django.dispatch import receiver
from kombu.exceptions import OperationalError

from directories.models import Binding
from directories.signals import bindings_created
from passwordsync.models import SyncJob
from passwordsync.signals import job_finished
from portal import notifications, outbox
from portal.tasks import send_mails

logger = logging.getLogger(__name__)


@receiver(bindings_created)
def tell_bound_people(*, bindings: Sequence[Binding], **_kwargs: Any) -> None:
    outbox.queue_bind_mails(bindings)
    transaction.on_commit(_wake_sender, robust=True)


@receiver(job_finished)
def tell_password_updated(*, job: SyncJob, **_kwargs: Any) -> None:
    notifications.password_updated(job)


def _wake_sender() -> None:
    try:
        send_mails.apply_async(retry=False)
    except OperationalError as error:
        logger.warning("The broker cannot be reached, beat will send the mails: %s", error)
