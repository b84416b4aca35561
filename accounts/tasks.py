"""Celery tasks; each tolerates arguments of a newer release and has a body of one call.

CELERY_TASK_ROUTES in the settings says which queue each goes to.
"""

from __future__ import annotations

from typing import Any

from celery import shared_task

from accounts import key_rotation


@shared_task
def rotate_password_keys(**_newer: Any) -> None:
    key_rotation.rotate()
