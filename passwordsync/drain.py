"""The drain: one at a time for a directory, it does what is most urgent there until none is left.

It is woken by a message that only names the directory; the job table is the queue.  It runs in a
Celery thread, where the ORM is; what connectors are asked runs on the process's event loop.
"""

from __future__ import annotations

import concurrent.futures
import contextvars
import logging
import threading
import time
from collections.abc import Hashable, Sequence
from concurrent.futures import Future
from copy import copy
from dataclasses import dataclass, field, replace
from datetime import timedelta
from typing import Any, Final
from uuid import UUID

from django.conf import settings
from django.db import transaction
from django.db.models import Exists, OuterRef, Q, QuerySet
from django.db.models.functions import Now
from django.utils import timezone

from directories import connections, lease, preflight
from directories.asking import Asking
from directories.budget import Budget
from directories.connections import submit
from directories.connectors.errors import ConnectorError, ThrottledError
from directories.models import Binding, Directory
from passwordsync import drift, jobs, metrics, outcomes, pushing
from passwordsync.current_job import current_job
from passwordsync.models import LoginCheck, Status, SyncJob
from passwordsync.outcomes import Applied
from passwordsync.wake import wake

logger = logging.getLogger(__name__)

SLICE_SECONDS: Final = 30
"""How long one drain begins new work before it makes room for other directories."""
CONCURRENCY: Final = 16
"""Requests under way at once to one directory."""
LOOK_AGAIN_SECONDS: Final = 0.2
"""How often a drain looks for new work while other work is under way."""
TOGETHER_SECONDS: Final = 0.02
"""How long the first of several answers waits for others, to be recorded together."""
RENEW_SECONDS: Final = 1
"""How often the lease is renewed, and an operator's pause looked for."""


PATIENCE_SECONDS: Final = 5
"""How long a drain waits for its next request before it ends; beat wakes as often."""
LEFT_FREE: Final = 4
"""Threads of a worker that no drain takes: in the embedded mode mail is sent by the same one."""

_places = threading.BoundedSemaphore(settings.CELERY_WORKER_CONCURRENCY - LEFT_FREE)


def drain(directory_id: int) -> None:
    """Work on a directory until nothing is left or the slice is over; may be called any time.

    Where all places are taken, beat wakes the directory again in seconds.
    """
    if _places.acquire(blocking=False):
        try:
            _drain(directory_id)
        finally:
            _places.release()


def _drain(directory_id: int) -> None:
    lease_id = lease.acquire(directory_id)
    if lease_id is None:
        return
    directory = Directory.objects.get(pk=directory_id)
    budget = Budget(directory)
    try:
        _work(directory, lease_id, budget)
    finally:
        lease.release(directory_id, lease_id, **budget.state())
    # Look once more: what came in between the last claim and the release found the lease taken.
    if directories_with_work().filter(pk=directory_id).exists():
        wake([directory_id])


def directories_with_work() -> QuerySet[Directory]:
    """Find the directories that have something to do now."""
    now = timezone.now()
    is_free = Q(leased_until=None) | Q(leased_until__lt=Now())
    is_in_pace = Q(next_request_at=None) | Q(
        next_request_at__lte=now + timedelta(seconds=PATIENCE_SECONDS)
    )
    open_jobs = SyncJob.objects.filter(directory=OuterRef("pk"))
    queued = open_jobs.filter(~Exists(jobs.SENDING), status=Status.QUEUED, next_attempt_at__lte=now)
    abandoned = open_jobs.filter(
        status=Status.SENDING, claimed_until__lt=Now() - jobs.RECOVERY_MARGIN
    )
    questions = LoginCheck.objects.filter(binding__directory=OuterRef("pk"))
    live = Binding.objects.filter(Binding.LIVE, directory=OuterRef("pk"))
    to_locate = live.filter(locate_at__lte=now)
    to_name = live.filter(drift_actor_wanted_at__lte=now)
    may_name = Q(ask_actor_at=None) | Q(ask_actor_at__lte=now)
    is_due = (
        Q(check_requested_at__isnull=False, paused_by=None)
        | Q(probe_at__lte=now)
        | Q(
            Q(scan_requested_at__lte=now)
            | Exists(queued)
            | Exists(to_locate)
            | Exists(questions)
            | Q(may_name, Exists(to_name)),
            paused_at=None,
        )
    )
    return Directory.objects.filter(is_free, Exists(abandoned) | Q(is_in_pace & is_due))


def _work(directory: Directory, lease_id: UUID, budget: Budget) -> None:
    jobs.recover_abandoned(directory.pk)
    if _is_open(directory):
        Slice(directory, lease_id, budget).work()


def _is_open(directory: Directory) -> bool:
    """Check the directory where that is asked for, new, or due as a probe."""
    if directory.paused_by_id is not None:
        return False
    is_probe_due = directory.probe_at is not None and directory.probe_at <= timezone.now()
    is_check_wanted = directory.check_requested_at is not None or not directory.tenant_id
    if directory.is_paused and not (is_probe_due or is_check_wanted):
        return False
    if directory.is_paused or is_check_wanted:
        return preflight.check(directory)
    return True


@dataclass(frozen=True, kw_only=True)
class Piece:
    """A piece of work under way; its context has what its log lines carry.

    ``key`` tells it from others that a drain must not begin twice.  A push is paid for when it
    begins, anything else when it is known what it cost.
    """

    work: Asking[Applied | None]
    key: Hashable = None
    is_paid: bool = False
    context: contextvars.Context = field(default_factory=contextvars.copy_context)


class Slice:
    """The time in which a drain may begin new work; what is under way is ended in any case."""

    def __init__(self, directory: Directory, lease_id: UUID, budget: Budget) -> None:
        self._directory = directory
        self._lease_id = lease_id
        self._budget = budget
        self._under_way: dict[Future[Any], Piece] = {}
        self._busy: set[Hashable] = set()
        self._spent_before = connections.spent(directory.pk)
        self._renewed = time.monotonic()
        self._ends = self._renewed + SLICE_SECONDS
        self._failure: Exception | None = None

    def work(self) -> None:
        """Do what is most urgent, as fast as the budget allows, until nothing is left.

        An error of ours ends it, once what is under way is recorded.
        """
        self._go_on()
        if self._failure is not None:
            raise self._failure

    def _go_on(self) -> None:
        while True:
            is_begun = self._begin()
            if self._under_way:
                self._collect()
            elif not is_begun:
                delay = self._budget.delay()
                if not (self.is_on() and 0 < delay <= PATIENCE_SECONDS):
                    return
                threading.Event().wait(delay)

    def is_on(self) -> bool:
        """Say whether new work may begin; looking at it keeps the lease."""
        if time.monotonic() - self._renewed > RENEW_SECONDS:
            self._renewed = time.monotonic()
            if not lease.renew(self._directory.pk, self._lease_id, **self._budget.state()):
                logger.warning("The lease on directory %s was lost", self._directory.pk)
                self._ends = 0
            self._directory.refresh_from_db(fields=["paused_at", "paused_by"])
        return time.monotonic() < self._ends and not self._directory.is_paused

    def _begin(self) -> bool:
        """Begin as much as there is room for; False where nothing was."""
        is_begun = False
        while self.is_on():
            unpaid = sum(not piece.is_paid for piece in self._under_way.values())
            room = min(CONCURRENCY - len(self._under_way), self._budget.room() - unpaid)
            if room < 1 or not (pieces := self._most_urgent(room)):
                break
            self._busy.update(piece.key for piece in pieces)
            self._record([self._advance(piece) for piece in pieces])
            is_begun = True
        return is_begun

    def _most_urgent(self, room: int) -> Sequence[Piece]:
        """Take what comes next: whoever waits at a screen comes before what goes by itself."""
        return (
            self._pushes(room, only_passwords=True)
            or self._answers(room)
            or self._locates(room)
            or self._pushes(room, only_passwords=False)
            or self._looks()
        )

    def _pushes(self, room: int, *, only_passwords: bool) -> Sequence[Piece]:
        claimed_at = time.monotonic()
        pieces = []
        for job in jobs.claim(self._directory.pk, limit=room, only_passwords=only_passwords):
            work = pushing.push(self._directory, job, claimed_at=claimed_at)
            piece = Piece(work=work, is_paid=True)
            piece.context.run(current_job.set, job.pk)
            pieces.append(piece)
        self._budget.charge(len(pieces))
        return pieces

    def _answers(self, room: int) -> Sequence[Piece]:
        """Answer what logins asked of directories that can tell at once."""
        directory, besides = self._directory, [key for key in self._busy if isinstance(key, int)]
        return [
            Piece(work=drift.answer(directory, check), key=check.pk)
            for check in drift.unanswered(directory, limit=room, besides=besides)
        ]

    def _locates(self, room: int) -> Sequence[Piece]:
        """Look for the accounts of people who were bound."""
        directory = self._directory
        return [
            Piece(work=_locate(directory, binding))
            for binding in preflight.to_locate(directory, limit=room)
        ]

    def _looks(self) -> Sequence[Piece]:
        """Look at what happened over there, a page and a question at a time."""
        directory = self._directory
        if drift.read_page not in self._busy and drift.is_scan_due(directory):
            return [Piece(work=drift.read_page(directory), key=drift.read_page)]
        if drift.name not in self._busy and (binding := drift.unnamed(directory)):
            return [Piece(work=drift.name(directory, binding), key=drift.name)]
        return ()

    def _advance(self, piece: Piece, answer: Future[Any] | None = None) -> Applied | None:
        """Take a piece of work to its next question, or to its end and what came of it."""
        work, context = piece.work, piece.context
        try:
            if answer is None:
                question = context.run(next, work)
            elif error := answer.exception():
                if isinstance(error, ThrottledError):
                    metrics.throttled(self._directory)
                    # The audit log has a limit of its own, which is no news of the others.
                    if piece.key is not drift.name:
                        self._budget.throttled(error.retry_after_seconds)
                # Without its frames: they hold the push, and what it refers to makes rings.
                question = context.run(work.throw, error.with_traceback(None))
            else:
                question = context.run(work.send, answer.result())
        except StopIteration as end:
            self._busy.discard(piece.key)
            applied: Applied | None = end.value
            return applied
        except Exception as failure:  # noqa: BLE001  raised again by ``work``
            self._fail(failure)
            return None
        self._under_way[context.run(submit, question)] = piece
        return None

    def _collect(self) -> None:
        """Wait for answers, and go on with what they belong to."""
        under_way = self._under_way
        concurrent.futures.wait(
            under_way,
            timeout=LOOK_AGAIN_SECONDS,
            return_when=concurrent.futures.FIRST_COMPLETED,
        )
        if len(under_way) > 1:
            concurrent.futures.wait(under_way, timeout=TOGETHER_SECONDS)
        done = [answer for answer in under_way if answer.done()]
        self._record([self._advance(under_way.pop(answer), answer) for answer in done])
        self._budget.settle(connections.spent(self._directory.pk) - self._spent_before)

    def _record(self, ended: Sequence[Applied | None]) -> None:
        applied = [*filter(None, ended)]
        try:
            self._write_down(applied)
        except Exception:  # noqa: BLE001  raised again below
            # What is wrong with one must not cost the others their outcome.
            for one in applied:
                try:
                    self._write_down([one])
                except Exception as failure:  # noqa: BLE001  raised again by ``work``
                    self._fail(failure)

    def _write_down(self, applied: Sequence[Applied]) -> None:
        if applied:
            with transaction.atomic(durable=True):
                # Copies: what is written of a job is noted on it, too.
                outcomes.succeeded(
                    self._directory, [replace(one, job=copy(one.job)) for one in applied]
                )

    def _fail(self, failure: Exception) -> None:
        """Begin nothing new, and keep the first error for the end."""
        self._failure, self._ends = self._failure or failure, 0


def _locate(directory: Directory, binding: Binding) -> Asking[None]:
    binding.directory = directory
    try:
        yield from preflight.locate(binding)
    except ConnectorError as error:
        outcomes.pause_if_refused(directory, error)
