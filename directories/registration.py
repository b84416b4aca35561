"""Adding a directory, and giving it new credentials."""

from __future__ import annotations

import logging
from typing import Any

from django.core.exceptions import ValidationError
from django.core.validators import validate_email
from django.db import transaction
from django.utils import timezone

from accounts.models import User
from directories.connections import endpoints, seal_credentials
from directories.connectors import CONNECTORS
from directories.connectors.errors import CredentialsError
from directories.models import Directory
from directories.signals import directory_added, directory_wants_worker

logger = logging.getLogger(__name__)


def add_directory(*, directory: Directory, credentials: str | bytes, actor: User | None) -> None:
    """Save a new directory with the text of its credentials file, and have it checked.

    Raises ValidationError with what to mend.
    """
    directory.domain = directory.domain.strip().lower()
    if CONNECTORS[directory.kind].needs_admin_email:
        try:
            validate_email(directory.admin_email)
        except ValidationError:
            raise ValidationError(
                {"admin_email": "Name the administrator the service account acts as."}
            ) from None
    elif directory.admin_email:
        raise ValidationError({"admin_email": f"{directory.get_kind_display()} has none."})
    parsed = _parse(directory, credentials)
    directory.client_id = parsed["client_id"]
    directory.credentials, directory.credentials_changed_at = b"", timezone.now()
    directory.full_clean()
    with transaction.atomic():
        directory.save()
        # What is sealed is bound to the row's id, so the row comes first.
        directory.credentials = seal_credentials(directory, parsed)
        directory.save(update_fields=["credentials"])
        directory_added.send(sender=Directory, directory=directory)
        request_check(directory=directory)
    logger.info("directories.directory.add: %s by %s", directory.pk, actor and actor.pk)


def replace_credentials(
    *, directory: Directory, credentials: str | bytes, actor: User | None
) -> None:
    """Give a directory new credentials, and have it checked; raises ValidationError."""
    parsed = _parse(directory, credentials)
    if directory.tenant_id and parsed.get("tenant_id", directory.tenant_id) != directory.tenant_id:
        raise ValidationError(
            {"credentials": "These are of another tenant. Add that one as a directory of its own."}
        )
    with transaction.atomic():
        directory.credentials = seal_credentials(directory, parsed)
        directory.client_id = parsed["client_id"]
        directory.credentials_changed_at = timezone.now()
        directory.save(update_fields=["credentials", "client_id", "credentials_changed_at"])
        request_check(directory=directory)
    logger.info("directories.directory.credentials: %s by %s", directory.pk, actor and actor.pk)


def request_check(*, directory: Directory) -> None:
    """Have a worker check the connection as soon as it can."""
    directory.check_requested_at = timezone.now()
    directory.save(update_fields=["check_requested_at"])
    directory_wants_worker.send(sender=Directory, directory_id=directory.pk)


def _parse(directory: Directory, credentials: str | bytes) -> dict[str, Any]:
    try:
        return CONNECTORS[directory.kind].parse_credentials(credentials, endpoints())
    except CredentialsError as error:
        raise ValidationError({"credentials": str(error)}) from None
