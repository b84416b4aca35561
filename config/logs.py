"""What logs never hold: the links that are mailed to set a password."""

from __future__ import annotations

import logging
import re
from typing import Final

TOKEN: Final = re.compile(r"(/(?:set-up|first-administrator)/)[^/\s\"']+")


class WithoutTokens(logging.Filter):
    """Shortens addresses that hold a token; Django logs the address of each failed request."""

    def filter(self, record: logging.LogRecord) -> bool:
        message = record.getMessage()
        shortened = TOKEN.sub(r"\1…", message)
        if shortened != message:
            record.msg, record.args = shortened, None
        return True
