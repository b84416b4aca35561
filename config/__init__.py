"""Settings, URLs, the Celery app and the all-in-one server."""
