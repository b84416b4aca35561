"""Filters of the lists of bindings and jobs: the questions an operator comes with."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from django.contrib.admin import SimpleListFilter
from django.db.models import Exists, OuterRef, Q, QuerySet
from django.http import HttpRequest
from django.utils.translation import gettext_lazy as _

from directories.models import Binding
from passwordsync.models import PENDING, Status, SyncJob

BLOCKED_OR_PAUSED = Binding.LIVE & (
    ~Q(problem="")
    | Q(external_state=Binding.ExternalState.DELETED)
    | Q(directory__paused_at__isnull=False)
)


class NeedsOperatorFilter(SimpleListFilter):
    """Live bindings that somebody here has to mend."""

    title = _("needs an operator")
    parameter_name = "needs_operator"

    def lookups(self, request: HttpRequest, model_admin: Any) -> Iterable[tuple[str, Any]]:
        return (("yes", _("yes")),)

    def queryset(self, request: HttpRequest, queryset: QuerySet[Any]) -> QuerySet[Any]:
        return queryset.filter(BLOCKED_OR_PAUSED) if self.value() == "yes" else queryset


class BlockedJobFilter(NeedsOperatorFilter):
    """Jobs that ended blocked by what is still to be mended; the status finds all that did."""

    def queryset(self, request: HttpRequest, queryset: QuerySet[Any]) -> QuerySet[Any]:
        if self.value() != "yes":
            return queryset
        is_mended = Q(binding__problem="") | Q(binding__ended_at__isnull=False)
        return queryset.filter(~is_mended, status=Status.BLOCKED)


class DueFilter(SimpleListFilter):
    """Bindings whose account lacks what the portal has."""

    title = _("due now")
    parameter_name = "due"

    def lookups(self, request: HttpRequest, model_admin: Any) -> Iterable[tuple[str, Any]]:
        return (("yes", _("yes")), ("no", _("no")))

    def queryset(self, request: HttpRequest, queryset: QuerySet[Any]) -> QuerySet[Any]:
        is_due = Exists(SyncJob.objects.filter(binding=OuterRef("pk"), status__in=PENDING))
        match self.value():
            case "yes":
                return queryset.filter(is_due)
            case "no":
                return queryset.filter(~is_due)
        return queryset


class TakeoverFilter(SimpleListFilter):
    """Whether the portal password has ever reached the account."""

    title = _("takeover")
    parameter_name = "takeover"

    def lookups(self, request: HttpRequest, model_admin: Any) -> Iterable[tuple[str, Any]]:
        return (("never", _("never taken over")), ("managed", _("managed")))

    def queryset(self, request: HttpRequest, queryset: QuerySet[Any]) -> QuerySet[Any]:
        if self.value() in ("never", "managed"):
            return queryset.filter(taken_over_at__isnull=self.value() == "never")
        return queryset


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
