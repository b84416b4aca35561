"""The state of a binding, as shown to people and operators."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

from django.db import models
from django.utils.functional import Promise
from django.utils.translation import gettext_lazy as _

from directories.models import Binding
from passwordsync.models import Due, Status, SyncJob


class State(models.TextChoices):
    WAITING = "waiting for login", _("waiting for login")
    UPDATING = "updating", _("updating")
    UP_TO_DATE = "up to date", _("up to date")
    RETRYING = "retrying", _("retrying")
    REFUSED = "refused", _("refused")
    BLOCKED = "blocked", _("blocked")
    PAUSED = "paused", _("paused")


MOVING = (State.UPDATING, State.RETRYING)
"""States that change by themselves within a moment."""


HELD = _("An administrator over there reset the password: a new portal password is waited for.")
MAYBE_HELD = _(
    "The password was changed over there, and it is being found out by whom: after a reset by an "
    "administrator a new portal password is waited for."
)
DELETED = _(
    "The account was deleted over there: the last whole scan did not find it. Restore it there, or "
    "end the binding."
)
SUSPENDED = _("The account is suspended over there.")


@dataclass(frozen=True)
class Shown:
    """A binding with its state, why it is in it, and its open job, if any."""

    binding: Binding
    state: State
    reason: str | Promise
    job: SyncJob | None

    @property
    def is_moving(self) -> bool:
        return self.state in MOVING


def shown(bindings: Iterable[Binding]) -> list[Shown]:
    """Work out the states of live bindings, in one query however many they are.

    User and directory of each have to be loaded.
    """
    bindings = list(bindings)
    jobs: dict[int, SyncJob] = {}
    for job in SyncJob.objects.open().filter(binding__in=bindings):
        # A job that is being sent, or will be, says more than one that follows it.
        if job.binding_id not in jobs or job.status == Status.SENDING:
            jobs[job.binding_id] = job
    return [_shown(binding, jobs.get(binding.pk)) for binding in bindings]


def _shown(binding: Binding, job: SyncJob | None) -> Shown:
    state, reason = _state(binding, job)
    return Shown(binding=binding, state=state, reason=reason, job=job)


def _state(binding: Binding, job: SyncJob | None) -> tuple[State, str | Promise]:
    directory, user = binding.directory, binding.user
    in_flight = job is not None and job.status in (Status.QUEUED, Status.SENDING)
    if directory.is_paused:
        return State.PAUSED, directory.paused_reason
    if in_flight and job is not None:
        if job.error:
            return State.RETRYING, job.error
        return State.UPDATING, ""
    if binding.external_state == Binding.ExternalState.DELETED:
        return State.BLOCKED, DELETED
    if binding.problem:
        return State.BLOCKED, binding.problem_text
    if binding.refused_password_version == user.password_version and binding.refusal_text:
        return State.REFUSED, binding.refusal_text
    if binding.held_password_version == user.password_version:
        if binding.drift_actor_wanted_at is not None:
            return State.RETRYING, MAYBE_HELD
        return State.REFUSED, HELD
    if job is not None or not binding.is_managed:
        return State.WAITING, job.get_trigger_display() if job else Due.NEVER.label
    if binding.external_state == Binding.ExternalState.SUSPENDED:
        return State.UP_TO_DATE, SUSPENDED
    return State.UP_TO_DATE, binding.attribute_problem
