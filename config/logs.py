"""How lines are logged: with the job they are about, and without the links that set a password."""

from __future__ import annotations

import json
import logging
import re
from datetime import UTC, datetime
from typing import Final

from passwordsync.current_job import current_job

TOKEN: Final = re.compile(r"(/(?:set-up|first-administrator)/)[^/\s\"']+")


class WithoutTokens(logging.Filter):
    """Shortens addresses that hold a token; Django logs the address of each failed request."""

    def filter(self, record: logging.LogRecord) -> bool:
        message = record.getMessage()
        shortened = TOKEN.sub(r"\1…", message)
        if shortened != message:
            record.msg, record.args = shortened, None
        return True


class WithJob(logging.Filter):
    """Adds ``job``, the id of the sync job that a line is about; "-" for none."""

    def filter(self, record: logging.LogRecord) -> bool:
        record.job = str(current_job.get() or "-")
        return True


class JsonLines(logging.Formatter):
    """One JSON object a line, for whatever collects the logs in production."""

    def format(self, record: logging.LogRecord) -> str:
        line = {
            "at": datetime.fromtimestamp(record.created, UTC).isoformat(timespec="milliseconds"),
            "level": record.levelname,
            "logger": record.name,
            "job": getattr(record, "job", "-"),
            "message": record.getMessage(),
        }
        if record.exc_info:
            line["error"] = self.formatException(record.exc_info)
        return json.dumps(line, ensure_ascii=False)
