"""Running a piece of a drain's work alone, without the drain."""

from __future__ import annotations

from concurrent.futures import Future
from typing import Any, TypeVar

from directories.asking import Asking
from directories.connections import submit

T = TypeVar("T")


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
