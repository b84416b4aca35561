"""The job in hand, so that every line that is logged meanwhile can name it.

A context variable: coroutines take it along to the loop's thread, where connectors run.
"""

from __future__ import annotations

from contextvars import ContextVar
from typing import Final
from uuid import UUID

current_job: Final[ContextVar[UUID | None]] = ContextVar("current_job", default=None)
