"""Whether this process answers, and whether the installation is well.

Anybody may ask, so the answers name parts and nothing of them: no host, version or person.
"""

from __future__ import annotations

import logging
import threading
import time
from collections.abc import Callable, Iterable
from concurrent.futures import Future
from datetime import datetime
from typing import Final

from celery import current_app
from django.conf import settings
from django.core.cache import cache
from django.db import connection
from django.http import HttpRequest, HttpResponse, HttpResponseBase
from django.urls import resolve
from django.utils import timezone
from django.views.decorators.cache import never_cache
from django.views.decorators.http import require_safe

from accounts import parts
from accounts.key_pairs import KeyFormatError
from accounts.models import Part
from accounts.sealing import CREDENTIALS, PASSWORDS, KeyMissingError

logger = logging.getLogger(__name__)

ADDRESSES: Final = {"/healthz", "/readyz"}
ANSWER_SECONDS: Final = 1
"""How long an answer is waited for."""
FRESH_SECONDS: Final = 1
"""How long what was found is told again, however many ask."""


class HealthMiddleware:
    """Answers before all others: a probe knows no https, no name of ours, no session."""

    def __init__(self, get_response: Callable[[HttpRequest], HttpResponseBase]) -> None:
        self._get_response = get_response

    def __call__(self, request: HttpRequest) -> HttpResponseBase:
        if request.path_info not in ADDRESSES:
            return self._get_response(request)
        answer: HttpResponseBase = resolve(request.path_info).func(request)
        return answer


@require_safe
@never_cache
def healthz(request: HttpRequest) -> HttpResponse:
    """Say that this process answers; nothing else is touched."""
    return _plain("well\n")


@require_safe
@never_cache
def readyz(request: HttpRequest) -> HttpResponse:
    """Say which parts are well, and of the others what is wrong and since when."""
    for look in LOOKS:
        look.begin()
    troubles = {name: trouble for look in LOOKS for name, trouble in look.end().items()}
    return _plain(
        "".join(f"{name}: {trouble or 'well'}\n" for name, trouble in troubles.items()),
        status=503 if any(troubles.values()) else 200,
    )


def _plain(text: str, status: int = 200) -> HttpResponse:
    return HttpResponse(
        text,
        status=status,
        content_type="text/plain; charset=utf-8",
        headers={"X-Content-Type-Options": "nosniff"},
    )


class Look:
    """A look at what may hang: in a thread of its own, and one at a time.

    So what hangs costs one thread, however many ask.  ``names`` are the parts it tells about, of
    which the others depend on the first; ``look`` gives the sentences about those not well.
    """

    def __init__(self, *names: str, look: Callable[[], dict[str, str]]) -> None:
        self._names = names
        self._look = look
        self._lock = threading.Lock()
        self._found: Future[dict[str, str]] = Future()
        self._found.set_result({})
        self._began_at = float("-inf")
        self._noticed_at: dict[str, datetime] = {}

    def begin(self) -> None:
        """Look again, unless that is under way, or was done just now."""
        with self._lock:
            now = time.monotonic()
            if self._found.done() and now > self._began_at + FRESH_SECONDS:
                found: Future[dict[str, str]] = Future()
                name = f"look at {self._names[0]}"
                threading.Thread(target=self._run, args=(found,), name=name, daemon=True).start()
                # Only now: nobody would answer for a thread that did not start.
                self._found, self._began_at = found, now

    def end(self) -> dict[str, str]:
        """Wait for what was found; gives for each part what is wrong, "" where it is well."""
        with self._lock:
            found, until = self._found, self._began_at + ANSWER_SECONDS
        try:
            troubles = found.result(timeout=max(0, until - time.monotonic()))
        except TimeoutError:
            troubles = self._no_answer()
        return {name: self._since(name, troubles.get(name, "")) for name in self._names}

    def _run(self, found: Future[dict[str, str]]) -> None:
        try:
            troubles = self._look()
        except Exception as error:  # noqa: BLE001  whatever stops the look, it is not well
            logger.warning("The %s is not well: %r", self._names[0], error)
            troubles = self._no_answer()
        found.set_result(troubles)
        connection.close()

    def _no_answer(self) -> dict[str, str]:
        first, *others = self._names
        unknown = f"It is not known while the {first} does not answer."
        return {first: "It does not answer; the log may say why."} | dict.fromkeys(others, unknown)

    def _since(self, name: str, trouble: str) -> str:
        if not trouble:
            self._noticed_at.pop(name, None)
            return ""
        since = self._noticed_at.setdefault(name, timezone.now())
        return f"not well since {since:%Y-%m-%d %H:%M:%S} UTC. {trouble}"


def _look_at_database() -> dict[str, str]:
    """Read the marks of the parts that have no address, and judge by them."""
    seen = parts.seen_lately()
    has_beat = any(mark.name == parts.BEAT for mark in seen)
    workers = [mark for mark in seen if mark.name != parts.BEAT]
    return {"beat": "" if has_beat else _why_no_beat(), "keys": _judge_keys(workers)}


def _why_no_beat() -> str:
    beat = Part.objects.filter(name=parts.BEAT).first()
    seen = f"last seen at {beat.seen_at:%Y-%m-%d %H:%M:%S} UTC" if beat else "never seen"
    return f"It was {seen}: beat, or every worker of the queue default, has stopped."


def _judge_keys(workers: Iterable[Part]) -> str:
    """Say which key of this process a worker cannot open with."""
    held = [set(worker.opens) for worker in workers]
    if settings.EMBEDDED:
        # Here they are at hand; they are rotated, and a mark may be of the time before.
        held = [parts.keys_held()]
    if not held:
        return "No worker of the queue directories was seen lately: have one run."
    sentences = []
    for ring in (CREDENTIALS, PASSWORDS):
        try:
            key_id = ring.public_key().key_id.hex()
        except (KeyMissingError, KeyFormatError) as error:
            return f"{ring.public_setting}: {error}"
        if any(key_id not in one for one in held):
            sentences.append(
                f"A worker of the queue directories cannot open what is sealed to "
                f"{ring.public_setting}: its {ring.private_setting} lacks the key to it."
            )
    return " ".join(sentences)


def _look_at_broker() -> dict[str, str]:
    # As a message would be sent: one attempt, over a connection of its own.
    with current_app.connection_for_write() as broker:
        _ = broker.default_channel
    return {}


def _look_at_cache() -> dict[str, str]:
    cache.set("config.health", value=True, timeout=60)
    return {}


LOOKS: Final = (
    Look("database", "beat", "keys", look=_look_at_database),
    Look("broker", look=_look_at_broker),
    Look("cache", look=_look_at_cache),
)
