"""What waits, for which reason and for how long, worked out in the database."""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Final, TypedDict, cast

from django.db import models
from django.db.models import Case, Count, F, FilteredRelation, Min, Q, QuerySet, Value, When
from django.db.models.functions import Coalesce
from django.utils import timezone
from django.utils.translation import gettext_lazy as _
from django_stubs_ext import WithAnnotations

from directories.models import Binding, Directory
from passwordsync.models import PENDING, Due, Status
from passwordsync.states import State

ORDER: Final = (
    State.BLOCKED,
    State.REFUSED,
    State.RETRYING,
    State.UPDATING,
    State.PAUSED,
    State.WAITING,
)
"""What an operator acts on comes first."""


class Wait(models.TextChoices):
    """For how long a binding has waited."""

    DAY = "day", _("under a day")
    WEEK = "week", _("a day to a week")
    LONGER = "longer", _("over a week")

    @property
    def condition(self) -> Q:
        """Get what holds for a binding with its state."""
        day, week = (timezone.now() - timedelta(days=days) for days in (1, 7))
        return {
            Wait.DAY: Q(since__gt=day),
            Wait.WEEK: Q(since__lte=day, since__gt=week),
            Wait.LONGER: Q(since__lte=week),
        }[self]


class Facts(TypedDict):
    """What ``with_states`` says of a binding; ``due`` is "" where nothing is."""

    state: str
    due: str
    since: datetime


@dataclass(frozen=True)
class Row:
    """People of a directory who wait in one state for one reason, "" for none."""

    state: State
    due: str
    people: int
    by_wait: dict[Wait, int]
    oldest: datetime


@dataclass
class Waiting:
    """Everybody in a directory, and what waits; at rest are those for whom nothing is due."""

    directory: Directory
    people: int = 0
    managed: int = 0
    at_rest: int = 0
    rows: list[Row] = field(default_factory=list)


def with_states(bindings: QuerySet[Binding]) -> QuerySet[WithAnnotations[Binding, Facts]]:
    """Give live bindings their state, as ``states.shown`` does, for a database to filter by.

    They wait since their open job was opened; for want of one, since they were bound.
    """
    if "state" in bindings.query.annotations:
        return cast("QuerySet[WithAnnotations[Binding, Facts]]", bindings)
    # There is at most one job of each, so no binding is there twice.
    return bindings.annotate(
        pending=FilteredRelation("jobs", condition=Q(jobs__status__in=PENDING)),
        sending=FilteredRelation("jobs", condition=Q(jobs__status=Status.SENDING)),
        due=Coalesce("sending__trigger", "pending__trigger", Value("")),
        since=Coalesce("sending__created_at", "pending__created_at", "bound_at"),
        state=Case(
            When(directory__paused_at__isnull=False, then=Value(State.PAUSED)),
            When(sending__error__gt="", then=Value(State.RETRYING)),
            When(sending__isnull=False, then=Value(State.UPDATING)),
            When(pending__status=Status.QUEUED, pending__error__gt="", then=Value(State.RETRYING)),
            When(pending__status=Status.QUEUED, then=Value(State.UPDATING)),
            When(problem__gt="", then=Value(State.BLOCKED)),
            When(
                refused_password_version=F("user__password_version"),
                refusal_text__gt="",
                then=Value(State.REFUSED),
            ),
            When(held_password_version=F("user__password_version"), then=Value(State.REFUSED)),
            When(Q(pending__isnull=False) | Q(taken_over_at=None), then=Value(State.WAITING)),
            default=Value(State.UP_TO_DATE),
        ),
    )


def waiting() -> list[Waiting]:
    """Count what waits in each directory, in two statements however much there is."""
    found = {
        directory.pk: Waiting(directory) for directory in Directory.objects.defer("credentials")
    }
    rows = (
        with_states(Binding.objects.filter(Binding.LIVE))
        .order_by()
        .values("directory", "state", "due")
        .annotate(
            people=Count("pk"),
            managed=Count("taken_over_at"),
            oldest=Min("since"),
            day=Count("pk", filter=Wait.DAY.condition),
            week=Count("pk", filter=Wait.WEEK.condition),
            longer=Count("pk", filter=Wait.LONGER.condition),
        )
    )
    for row in rows:
        of_directory = found[row["directory"]]
        of_directory.people += row["people"]
        of_directory.managed += row["managed"]
        if row["state"] == State.UP_TO_DATE or (row["state"], row["due"]) == (State.PAUSED, ""):
            of_directory.at_rest += row["people"]
        else:
            by_wait = {
                Wait.DAY: row["day"],
                Wait.WEEK: row["week"],
                Wait.LONGER: row["longer"],
            }
            of_directory.rows.append(
                Row(State(row["state"]), row["due"], row["people"], by_wait, row["oldest"])
            )
    for of_directory in found.values():
        of_directory.rows.sort(key=_urgency)
    return list(found.values())


def _urgency(row: Row) -> tuple[int, int]:
    return ORDER.index(row.state), [*Due.values, ""].index(row.due)
