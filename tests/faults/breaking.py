"""A worker and a web process that break at a named step, once, where a test arms it.

A step is armed by a file of its name in ``BREAKS_DIR`` that holds the signal; whoever takes the
file sends that signal to its own process.  The product has no part in this: its functions are
wrapped here.
"""

from __future__ import annotations

import os
import signal
import threading
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

from django.core.wsgi import get_wsgi_application

os.environ.setdefault("DJANGO_SETTINGS_MODULE", "config.settings")
application = get_wsgi_application()

# Only now that Django is set up.
from config.celery import app  # noqa: E402
from directories.connectors import ConnectorKind  # noqa: E402
from directories.connectors.base import Push, Receipt  # noqa: E402
from passwordsync import jobs, outcomes  # noqa: E402

__all__ = ["app", "web"]

FOLDER = Path(os.environ["BREAKS_DIR"])
STOPPED_FOR = 300
"""Seconds that pass for a process while it is stopped: longer than any claim."""


def break_at(step: str) -> None:
    """Break here, if a test wants it and no other process was first."""
    armed = FOLDER / step
    try:
        taken = armed.rename(FOLDER / f"{step}.{os.getpid()}")
    except FileNotFoundError:
        return
    number = signal.Signals[taken.read_text()]
    if number == signal.SIGSTOP:
        real = time.monotonic
        time.monotonic = lambda: real() + STOPPED_FOR
    # To this very thread: sent to the process, it could run on for a moment.
    signal.pthread_kill(threading.get_ident(), number)


def _claim(claim: Callable[..., Any]) -> Callable[..., Any]:
    def claim_and_break(*args: Any, **kwargs: Any) -> Any:
        claimed = claim(*args, **kwargs)
        for job in claimed:
            break_at(f"claimed-{job.binding.directory.kind}")
        return claimed

    return claim_and_break


def _connect(connect: Callable[..., Any]) -> Callable[..., Any]:
    def connect_to_break(kind: ConnectorKind, *args: Any) -> Any:
        connector = connect(kind, *args)
        name = kind.module.rpartition(".")[2]
        push = connector.push

        async def push_and_break(what: Push) -> Receipt:
            break_at(f"sending-{name}")
            receipt: Receipt = await push(what)
            return receipt

        connector.push = push_and_break
        return connector

    return connect_to_break


def _succeeded(succeeded: Callable[..., Any]) -> Callable[..., Any]:
    def break_and_record(directory: Any, *args: Any, **kwargs: Any) -> Any:
        break_at(f"recording-{directory.kind}")
        return succeeded(directory, *args, **kwargs)

    return break_and_record


def _finish_sent(finish_sent: Callable[..., Any]) -> Callable[..., Any]:
    def break_and_finish(*args: Any) -> Any:
        break_at("locking")
        return finish_sent(*args)

    return break_and_finish


def _send_task(send_task: Callable[..., Any]) -> Callable[..., Any]:
    def break_and_send(*args: Any, **kwargs: Any) -> Any:
        break_at("waking")
        return send_task(*args, **kwargs)

    return break_and_send


def web() -> Any:
    """Make the WSGI application of a web process that breaks before it wakes a directory."""
    app.send_task = _send_task(app.send_task)
    return application


# Beat is what finds lost work: nobody has to wait five seconds for each proof of it.
app.conf.beat_schedule["wake-directories"]["schedule"] = 1
jobs.claim = _claim(jobs.claim)
ConnectorKind.connect = _connect(ConnectorKind.connect)  # type: ignore[method-assign]
outcomes.succeeded = _succeeded(outcomes.succeeded)
jobs.finish_sent = _finish_sent(jobs.finish_sent)
