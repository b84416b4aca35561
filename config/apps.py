from django.apps import AppConfig
from django.contrib.admin import apps as admin


class ConfigConfig(AppConfig):
    name = "config"
    default = True

    def ready(self) -> None:
        # Makes it the current app: without this, tasks would go to Celery's default broker.
        from config import celery  # noqa: F401


class AdminConfig(admin.SimpleAdminConfig):
    """Loads nothing: ``config.urls`` does, and a worker has no pages."""

    default_site = "config.admin_site.LatchkeyAdminSite"
    default = False
