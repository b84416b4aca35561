"""The all-in-one server: pages, worker and beat in one process.

The main thread owns the signals and watches the others; where one of them dies, the process ends
with an error, so that whatever started it can start it again.
"""

from __future__ import annotations

import logging
import os
import signal
import sys
import threading
from collections.abc import Callable
from typing import Any, Final

from celery import Celery
from celery.beat import EmbeddedService
from celery.worker import WorkController
from celery.worker import state as worker_state
from django.core.wsgi import get_wsgi_application
from waitress.server import create_server

logger = logging.getLogger(__name__)

WEB_THREADS: Final = 8
STOP_SECONDS: Final = 4
"""How long the parts have to stop by themselves."""


class Server:
    """The three parts, each in its thread."""

    def __init__(self, app: Celery, *, host: str, port: int) -> None:
        self.http: Any = create_server(
            get_wsgi_application(), host=host, port=port, threads=WEB_THREADS, ident="latchkey"
        )
        self.worker = WorkController(
            app=app,
            queues=["directories", "default"],
            without_heartbeat=True,
            without_mingle=True,
            without_gossip=True,
        )
        self.beat = EmbeddedService(app, thread=True, scheduler_cls="celery.beat:Scheduler")
        self.stopping = threading.Event()
        self.died: list[str] = []

    def run(self, *, on_ready: Callable[[], None]) -> int:
        """Serve until told to stop; returns the exit status."""
        for number in (signal.SIGINT, signal.SIGTERM):
            signal.signal(number, lambda *_: self.stopping.set())
        threads = [
            self._start("web", self.http.run),
            self._start("worker", self.worker.start),
            self._start("beat", self.beat.run),
        ]
        on_ready()
        while not self.stopping.wait(timeout=0.5):
            pass
        threading.Thread(target=self._stop_parts, daemon=True).start()
        for thread in threads:
            thread.join(timeout=STOP_SECONDS / len(threads))
        return 1 if self.died else 0

    def _start(self, name: str, run: Callable[[], object]) -> threading.Thread:
        def watched() -> None:
            try:
                run()
            except BaseException:
                logger.exception("The %s stopped", name)
            finally:
                if not self.stopping.is_set():
                    self.died.append(name)
                    self.stopping.set()

        thread = threading.Thread(target=watched, name=name, daemon=True)
        thread.start()
        return thread

    def _stop_parts(self) -> None:
        worker_state.should_stop = os.EX_OK
        self.http.close()
        self.beat.stop()
        self.worker.stop()


def leave(status: int) -> None:
    """End the process at once, whatever still hangs in it."""
    logging.shutdown()
    sys.stdout.flush()
    sys.stderr.flush()
    os._exit(status)
