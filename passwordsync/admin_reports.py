"""The admin's reports: what waits, and which passwords were written and why.  They only read."""

from __future__ import annotations

from collections import Counter
from datetime import timedelta
from itertools import groupby
from typing import Any, Final

from django.contrib import admin
from django.contrib.auth.decorators import permission_required
from django.http import HttpRequest, HttpResponse
from django.template.response import TemplateResponse
from django.utils import timezone
from django.utils.translation import gettext_lazy as _
from django.utils.translation import ngettext

from accounts.admin_base import list_link, operator_of, since
from directories import attributes
from directories.models import Binding, Directory
from passwordsync.admin_bindings import STATE_BADGES
from passwordsync.churn import Churn, churn
from passwordsync.models import Due
from passwordsync.states import State
from passwordsync.waiting import Row, Wait, Waiting, waiting

WHAT_FOLLOWS: Final = {
    State.BLOCKED: _("an operator acts; the list says what to do"),
    State.REFUSED: _("the person chooses another password"),
    State.RETRYING: _("it is not done yet, and tried again by itself"),
    State.UPDATING: _("on its way"),
    State.PAUSED: _("the whole directory; what is due goes when it is resumed"),
    State.WAITING: _("it goes with the person's next login"),
}
PERIODS: Final = (7, 30, 90)
"""Days that a report of passwords may span."""
PERIOD: Final = 30
"""Days that it spans unless another of these is chosen."""
BAR_WIDTH: Final = 10
CHART_HEIGHT: Final = 100
"""Units of the chart, which is stretched to its place."""

may_see_bindings = permission_required("directories.view_binding", raise_exception=True)


# --- What waits


@may_see_bindings
def waiting_page(request: HttpRequest) -> HttpResponse:
    """Show for each directory what waits, why and for how long; each number is a link."""
    context = {
        "title": _("What waits"),
        "waits": [wait.label for wait in Wait],
        "directories": [_of_directory(found) for found in waiting()],
    }
    return _page(request, "admin/passwordsync/waiting.html", context)


def _of_directory(found: Waiting) -> dict[str, Any]:
    directory = found.directory
    people = ngettext("%d person", "%d people", found.people) % found.people
    managed = _("%d taken over") % found.managed
    if directory.is_paused:
        at_rest, filters = _("%d with nothing due"), {"state": State.PAUSED, "due": "nothing"}
    else:
        at_rest, filters = _("%d up to date"), {"state": State.UP_TO_DATE}
    return {
        "directory": directory,
        "paused": since(directory.paused_at),
        "people": found.people,
        "whole": [
            _people(directory, found.people, people),
            _people(directory, found.managed, managed, takeover="managed"),
            _people(directory, found.at_rest, at_rest % found.at_rest, **filters),
        ],
        "groups": [
            _group(directory, state, list(rows))
            for state, rows in groupby(found.rows, lambda row: row.state)
        ],
    }


def _group(directory: Directory, state: State, rows: list[Row]) -> dict[str, Any]:
    people = sum(row.people for row in rows)
    # Others in a paused directory are at rest.
    due = {"due": "any"} if state == State.PAUSED else {}
    return {
        "state": state.label,
        "badge": STATE_BADGES[state],
        "people": _people(directory, people, state=state, **due),
        "what_follows": WHAT_FOLLOWS[state],
        "rows": [_row(directory, row) for row in rows],
    }


def _row(directory: Directory, row: Row) -> dict[str, Any]:
    filters = {"state": row.state, "due": row.due or "nothing"}
    nothing = _("the person is not active") if row.state == State.WAITING else _("nothing is due")
    return {
        "why": Due(row.due).label if row.due else nothing,
        "people": _people(directory, row.people, **filters),
        "waits": [_people(directory, row.by_wait[wait], **filters, wait=wait) for wait in Wait],
        "oldest": since(row.oldest),
    }


def _people(directory: Directory, count: int, text: object = "", **filters: str) -> object:
    """Link to the list of those who are counted, where there are any."""
    text = text or count
    if not count:
        return text
    return list_link(Binding, text, directory__id__exact=directory.pk, **filters)


# --- Passwords written


@may_see_bindings
def churn_page(request: HttpRequest) -> HttpResponse:
    """Show which passwords were written, why, and what the other setting would have spared."""
    asked = request.GET.get("days", "")
    days = int(asked) if asked in map(str, PERIODS) else PERIOD
    found = churn(days=days)
    context = {
        "title": _("Passwords written"),
        "periods": PERIODS,
        "days": days,
        "writes": found.writes,
        "spared": found.spared,
        "share": _share(found),
        "may_change": operator_of(request).has_perm("directories.change_directory"),
        "directories": [
            _written(directory, found.of(directory.name), days)
            for directory in Directory.objects.defer("credentials")
        ],
    }
    return _page(request, "admin/passwordsync/churn.html", context)


def _written(directory: Directory, found: Churn, days: int) -> dict[str, Any]:
    return {
        "directory": directory,
        "writes": found.writes,
        "spared": found.spared,
        "share": _share(found),
        "reasons": _reasons(found),
        "chart": _chart(found, days),
    }


def _share(found: Churn) -> int:
    return round(100 * found.spared / found.writes) if found.writes else 0


def _reasons(found: Churn) -> list[dict[str, Any]]:
    """Count by reason, the most frequent first, and in each by what had changed."""
    writes: Counter[str] = Counter()
    for group in found.groups:
        writes[group.reason] += group.writes
    changed: dict[str, Counter[str]] = {reason: Counter() for reason in writes}
    for row in found.rows:
        changed[row.reason][row.attribute] += row.writes
    return [
        {
            "reason": Due(reason).label,
            "writes": count,
            "changed": [
                (attributes.label(attribute), times)
                for attribute, times in changed[reason].most_common()
                if attribute
            ],
        }
        for reason, count in writes.most_common()
    ]


def _chart(found: Churn, days: int) -> dict[str, Any]:
    """Make a bar for each day: what was needed, and upon it what could have been spared."""
    writes: Counter[Any] = Counter()
    spared: Counter[Any] = Counter()
    for group in found.groups:
        writes[group.day] += group.writes
        spared[group.day] += group.writes * group.is_spared
    today = timezone.localdate()
    dates = [today - timedelta(days=ago) for ago in range(days, -1, -1)]
    most = max(writes.values(), default=0)
    bars = []
    for number, day in enumerate(dates):
        height = round(CHART_HEIGHT * writes[day] / most) if most else 0
        upper = round(CHART_HEIGHT * spared[day] / most) if most else 0
        bars.append(
            {
                "day": day,
                "writes": writes[day],
                "spared": spared[day],
                "x": number * BAR_WIDTH + 1,
                "y": CHART_HEIGHT - height,
                "upper": upper,
                "lower_y": CHART_HEIGHT - height + upper,
                "lower": height - upper,
            }
        )
    return {
        "bars": bars,
        "most": most,
        "bar_width": BAR_WIDTH - 2,
        "width": len(bars) * BAR_WIDTH,
        "height": CHART_HEIGHT,
    }


def _page(request: HttpRequest, template: str, context: dict[str, Any]) -> HttpResponse:
    return TemplateResponse(request, template, {**admin.site.each_context(request), **context})
