"""The job in hand, so that every line that is logged meanwhile can name it.

A context variable: coroutines take it along to the loop's thread, where connectors run.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from typing import Final
from uuid import UUID

current_job: Final[ContextVar[UUID | None]] = ContextVar("current_job", default=None)


@contextmanager
def working_on(job_id: UUID) -> Iterator[None]:
    """Name a job in the lines that are logged within, and in what is started there."""
    token = current_job.set(job_id)
    try:
        yield
    finally:
        current_job.reset(token)
