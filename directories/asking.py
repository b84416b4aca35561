"""Work with a directory, written as one sequence and run a step at a time.

A piece of work is a generator: it yields what a connector is asked, and is given the answer, or
the error.  What is asked runs on the loop of the connectors; everything in between runs in the
thread of whoever runs the work, where the ORM is.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Coroutine, Generator
from concurrent.futures import Future
from typing import Any, Final, TypeVar

from directories.connections import submit
from directories.connectors.errors import ConnectorError, DirectoryUnavailableError

logger = logging.getLogger(__name__)

T = TypeVar("T")
Asking = Generator[Coroutine[Any, Any, Any], Any, T]

VERB_DEADLINE_SECONDS: Final = 45
"""When a check, a look-up or a page is given up; shorter than the lease."""


async def in_time(question: Coroutine[Any, Any, T]) -> T:
    """Ask within the deadline; a directory that hangs is DirectoryUnavailableError.

    So is an error of ours: met for one person, it must not stop the drain that serves the others.
    """
    try:
        async with asyncio.timeout(VERB_DEADLINE_SECONDS):
            return await question
    except TimeoutError:
        raise DirectoryUnavailableError("The directory did not answer in time.") from None
    except ConnectorError:
        raise
    except Exception:
        logger.exception("A connector failed")
        raise DirectoryUnavailableError("An internal error; the log has it.") from None


def run(work: Asking[T]) -> T:
    """Run a piece of work to its end, waiting for each answer."""
    try:
        question = next(work)
        while True:
            answer: Future[Any] = submit(question)
            if error := answer.exception():
                question = work.throw(error)
            else:
                question = work.send(answer.result())
    except StopIteration as end:
        result: T = end.value
        return result
