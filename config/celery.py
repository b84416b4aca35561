"""The Celery app; its settings are the CELERY_ ones."""

import os
from typing import Any

from celery import Celery
from celery.signals import setup_logging

os.environ.setdefault("DJANGO_SETTINGS_MODULE", "config.settings")
# Celery has a worker load every page for Django's checks, and throws away what they find.
os.environ.setdefault("CELERY_SKIP_CHECKS", "1")

app = Celery("latchkey")
app.config_from_object("django.conf:settings", namespace="CELERY")
app.autodiscover_tasks()
# By its name: this module is imported before there are models.
app.steps["worker"].add("config.workers:Presence")


@setup_logging.connect
def leave_logging_alone(**_kwargs: Any) -> None:
    """Keep workers and beat from adding handlers and levels of Celery's own to LOGGING's."""
