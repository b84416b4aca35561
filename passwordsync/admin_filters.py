"""Filters of the lists of bindings and jobs: the questions an operator comes with."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from django.conf import settings
from django.contrib.admin import SimpleListFilter
from django.db.models import Exists, OuterRef, Q, QuerySet
from django.http import HttpRequest
from django.utils import timezone
from django.utils.translation import gettext_lazy as _

from directories.models import Binding
from passwordsync import waiting
from passwordsync.models import Due, Status, SyncJob
from passwordsync.states import State
from passwordsync.waiting import Wait


def stuck_jobs() -> QuerySet[SyncJob]:
    """Find jobs that have been retried for longer than a password may stay sealed.

    Those with a password end then, those with attributes alone would go on for ever unseen.
    """
    since = timezone.now() - settings.PASSWORD_SEAL_TTL
    return SyncJob.objects.filter(status=Status.QUEUED, queued_at__lt=since).exclude(error="")


class ChoiceFilter(SimpleListFilter):
    """A filter with fixed choices; without one everything is listed."""

    options: Iterable[tuple[str, Any]]

    def lookups(self, request: HttpRequest, model_admin: Any) -> Iterable[tuple[str, Any]]:
        return self.options

    def queryset(self, request: HttpRequest, queryset: QuerySet[Any]) -> QuerySet[Any]:
        value = self.value()
        return queryset if value not in dict(self.options) else self.chosen(queryset, value)

    def chosen(self, queryset: QuerySet[Any], value: str) -> QuerySet[Any]:
        raise NotImplementedError


class StateFilter(ChoiceFilter):
    """Live bindings by their state, or those that somebody here has to mend."""

    title = _("state")
    parameter_name = "state"
    options = (("operator", _("needs an operator")), *State.choices)

    def chosen(self, queryset: QuerySet[Any], value: str) -> QuerySet[Any]:
        found = waiting.with_states(queryset).filter(Binding.LIVE)
        if value != "operator":
            return found.filter(state=value)
        is_stuck = Exists(stuck_jobs().filter(binding=OuterRef("pk")))
        return found.filter(Q(state__in=(State.BLOCKED, State.PAUSED)) | is_stuck)


class DueFilter(ChoiceFilter):
    """Bindings by why their account lacks what the portal has."""

    title = _("due because")
    parameter_name = "due"
    options = (("any", _("anything")), *Due.choices, ("nothing", _("nothing is due")))

    def chosen(self, queryset: QuerySet[Any], value: str) -> QuerySet[Any]:
        found = waiting.with_states(queryset)
        if value == "any":
            return found.exclude(due="")
        return found.filter(due="" if value == "nothing" else value)


class WaitFilter(ChoiceFilter):
    """Bindings that are not up to date, by for how long."""

    title = _("waiting for")
    parameter_name = "wait"
    options = Wait.choices

    def chosen(self, queryset: QuerySet[Any], value: str) -> QuerySet[Any]:
        waits = waiting.with_states(queryset).exclude(state=State.UP_TO_DATE)
        return waits.filter(Binding.LIVE, Wait(value).condition)


class SeenFilter(ChoiceFilter):
    """Bindings by what the scan saw over there."""

    title = _("over there")
    parameter_name = "seen"
    options = (
        ("drifted", _("password changed")),
        ("suspended", _("account suspended")),
        ("deleted", _("account deleted")),
    )

    def chosen(self, queryset: QuerySet[Any], value: str) -> QuerySet[Any]:
        if value == "drifted":
            return queryset.filter(drifted_at__isnull=False)
        return queryset.filter(external_state=value)


class TakeoverFilter(ChoiceFilter):
    """Whether the portal password has ever reached the account."""

    title = _("takeover")
    parameter_name = "takeover"
    options = (("never", _("never taken over")), ("managed", _("managed")))

    def chosen(self, queryset: QuerySet[Any], value: str) -> QuerySet[Any]:
        return queryset.filter(taken_over_at__isnull=value == "never")


class StuckJobFilter(ChoiceFilter):
    """Jobs that ended blocked by what is still to be mended, or are retried for too long.

    The status finds all that ended so.
    """

    title = _("needs an operator")
    parameter_name = "needs_operator"
    options = (("yes", _("yes")),)

    def chosen(self, queryset: QuerySet[Any], value: str) -> QuerySet[Any]:
        is_mended = Q(binding__problem="") | Q(binding__ended_at__isnull=False)
        is_blocked = ~is_mended & Q(status=Status.BLOCKED)
        return queryset.filter(is_blocked | Q(pk__in=stuck_jobs().values("pk")))


class LiveFilter(SimpleListFilter):
    """Live bindings unless the operator asks for others."""

    title = _("binding")
    parameter_name = "ended"

    def lookups(self, request: HttpRequest, model_admin: Any) -> Iterable[tuple[str, Any]]:
        return (("yes", _("ended")), ("all", _("live and ended")))

    def choices(self, changelist: Any) -> Any:
        live, *others = super().choices(changelist)
        yield {**live, "display": _("live")}
        yield from others

    def queryset(self, request: HttpRequest, queryset: QuerySet[Any]) -> QuerySet[Any]:
        match self.value():
            case "yes":
                return queryset.filter(ended_at__isnull=False)
            case "all":
                return queryset
        return queryset.filter(Binding.LIVE)
