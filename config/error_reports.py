"""Error reports that cannot hold a secret: no frame variables, no posted data."""

from __future__ import annotations

from typing import Any

from django.views.debug import ExceptionReporter


class PlainExceptionReporter(ExceptionReporter):
    """Reports where an error happened and nothing of what was in memory there."""

    def get_traceback_frames(self) -> list[dict[str, Any]]:
        return [{**frame, "vars": []} for frame in super().get_traceback_frames()]

    def get_traceback_data(self) -> dict[str, Any]:
        data = super().get_traceback_data()
        hidden: dict[str, Any] = {
            "filtered_POST_items": [],
            "request_FILES_items": [],
            "request_COOKIES_items": [],
        }
        return {**data, **hidden, "settings": {}, "user_str": "", "request_meta": {}}
