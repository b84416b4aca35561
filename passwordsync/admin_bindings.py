"""The admin of bindings: they belong to directories, their states are those of their jobs."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any, ClassVar

from django.contrib import admin
from django.db.models import QuerySet
from django.http import HttpRequest, HttpResponse
from django.shortcuts import redirect
from django.utils.html import format_html_join
from django.utils.safestring import SafeString
from django.utils.translation import gettext_lazy as _
from unfold.decorators import action
from unfold.views import ChangeList

from accounts.admin_base import badge, change_link, operator_of, shortened, since
from accounts.confirmations import Plan, Refused, Skipped
from accounts.roles import is_allowed
from directories import bindings
from directories.admin_people import ROLE_REFUSED, binding_name, end_bindings
from directories.models import Binding
from passwordsync import jobs, states
from passwordsync.admin_filters import (
    DueFilter,
    LiveFilter,
    SeenFilter,
    StateFilter,
    TakeoverFilter,
    WaitFilter,
)
from passwordsync.admin_with_jobs import PERSON, WithJobs
from passwordsync.failures import HOMES
from passwordsync.states import State

ENDED = "ended"
STATE_BADGES: dict[str, str] = {
    **dict.fromkeys(State, ""),
    State.UPDATING: "info",
    State.UP_TO_DATE: "success",
    State.RETRYING: "warning",
    State.REFUSED: "warning",
    State.BLOCKED: "danger",
    State.PAUSED: "danger",
    ENDED: "",
}


class BindingChangeList(ChangeList):
    """A page of bindings with their states, worked out in one query."""

    def get_results(self, request: HttpRequest) -> None:
        super().get_results(request)
        self.result_list: list[Binding] = with_states(self.result_list)


def with_states(rows: Iterable[Binding]) -> list[Binding]:
    """Give each live binding its state as ``shown``; an ended one has None."""
    rows = list(rows)
    by_id = {
        shown.binding.pk: shown
        for shown in states.shown(row for row in rows if row.ended_at is None)
    }
    for row in rows:
        row.shown = by_id.get(row.pk)  # type: ignore[attr-defined]
    return rows


@admin.register(Binding)
class BindingAdmin(WithJobs):
    """Who is bound where, and in which state; people are bound from their own list."""

    jobs_by = "binding"
    list_display = (
        "person",
        "in_directory",
        "state_badge",
        "due_because",
        "what_is_wrong",
        "external_address",
        "updated",
    )
    list_display_links = ("person",)
    list_select_related = ("user", "directory")
    list_filter = (
        StateFilter,
        DueFilter,
        WaitFilter,
        "directory",
        SeenFilter,
        TakeoverFilter,
        LiveFilter,
    )
    search_fields = (*PERSON, "external_address", "=external_id")
    search_help_text = _("Person or external address")
    actions = ("end_bindings", "send_again", "locate_again")
    actions_list = ("bind_people",)
    fieldsets: ClassVar[Any] = (
        (
            None,
            {
                "fields": (
                    ("user_page", "directory_page"),
                    ("state_now", "why"),
                    "tried_again",
                    ("external_address", "external_id"),
                    ("note", "claimed_external_id"),
                    ("bound_at", "bound_by"),
                    ("ended_at", "ended_by"),
                )
            },
        ),
        (
            _("What was sent"),
            {
                "fields": (
                    ("taken_over_at", "pushed_at"),
                    ("pushed_password_version", "current_password_version"),
                    ("sent_attributes", "asked_at"),
                ),
                "classes": ("tab",),
            },
        ),
        (
            _("Drift"),
            {
                "fields": (
                    ("drifted_at", "drift_noticed_at"),
                    ("drift_by", "drift_actor"),
                    ("drift_actor_wanted_at", "held_password_version"),
                    "password_seen_at",
                    ("external_state", "listed_at"),
                ),
                "classes": ("tab",),
            },
        ),
        (
            _("Problems"),
            {
                "fields": (
                    ("problem", "locate_at"),
                    "problem_text",
                    ("refused_password_version", "refusal_text"),
                    "attribute_problem",
                ),
                "classes": ("tab",),
            },
        ),
    )
    readonly_fields = (
        "user_page",
        "directory_page",
        "state_now",
        "why",
        "tried_again",
        "sent_attributes",
        "current_password_version",
    )

    def get_changelist(self, request: HttpRequest, **kwargs: Any) -> type[ChangeList]:
        return BindingChangeList

    def get_queryset(self, request: HttpRequest) -> QuerySet[Binding]:
        rows: QuerySet[Binding] = super().get_queryset(request)
        return rows.select_related("user", "directory", "bound_by", "ended_by")

    def has_operate_permission(self, request: HttpRequest, obj: object = None) -> bool:
        return operator_of(request).has_perm("directories.change_binding")

    def has_bind_permission(self, request: HttpRequest, obj: object = None) -> bool:
        return operator_of(request).has_perms(["directories.add_binding", "accounts.view_user"])

    # --- Columns

    @admin.display(description=_("person"), ordering="user__username")
    def person(self, binding: Binding) -> str:
        return str(binding.user)

    @admin.display(description=_("directory"), ordering="directory__name")
    def in_directory(self, binding: Binding) -> str:
        return binding.directory.name

    @badge(description=_("state"), colours=STATE_BADGES)
    def state_badge(self, binding: Binding) -> tuple[str, object]:
        shown = _shown(binding)
        return (shown.state, shown.state.label) if shown else (ENDED, _("ended"))

    @admin.display(description=_("due because"))
    def due_because(self, binding: Binding) -> str:
        shown = _shown(binding)
        return shown.job.get_trigger_display() if shown and shown.job else ""

    @admin.display(description=_("last updated"), ordering="pushed_at")
    def updated(self, binding: Binding) -> SafeString | str:
        return since(binding.pushed_at)

    @admin.display(description=_("what is wrong"))
    def what_is_wrong(self, binding: Binding) -> SafeString | str:
        shown = _shown(binding)
        is_wrong = shown and shown.state not in (State.WAITING, State.UPDATING)
        return shortened(shown.reason) if is_wrong and shown else ""

    # --- Page

    @admin.display(description=_("person"))
    def user_page(self, binding: Binding) -> SafeString | str:
        return change_link(binding.user)

    @admin.display(description=_("directory"))
    def directory_page(self, binding: Binding) -> SafeString | str:
        return change_link(binding.directory)

    @admin.display(description=_("state"))
    def state_now(self, binding: Binding) -> object:
        shown = _shown(binding)
        return shown.state.label if shown else _("ended")

    @admin.display(description=_("because"))
    def why(self, binding: Binding) -> object:
        shown = _shown(binding)
        return shown.reason if shown else ""

    @admin.display(description=_("tried again"))
    def tried_again(self, binding: Binding) -> object:
        shown = _shown(binding)
        return HOMES[shown.state].again if shown and shown.reason else ""

    @admin.display(description=_("password version now"))
    def current_password_version(self, binding: Binding) -> int:
        return binding.user.password_version

    @admin.display(description=_("attributes sent"))
    def sent_attributes(self, binding: Binding) -> SafeString:
        sent = binding.pushed_attributes
        return format_html_join("", "<div>{}: {}</div>", sorted(sent.items()))

    # --- Actions

    @action(description=_("Bind people"), url_path="bind", permissions=["bind"], icon="person_add")
    def bind_people(self, request: HttpRequest) -> HttpResponse:
        """Lead to the list of people, where they are bound."""
        self.message_user(request, _("Choose people here, then the action “Bind to a directory…”."))
        return redirect("admin:accounts_user_changelist")

    @admin.action(description=_("End bindings…"), permissions=["operate"])
    def end_bindings(
        self, request: HttpRequest, queryset: QuerySet[Binding]
    ) -> HttpResponse | None:
        return end_bindings(self, request, queryset, action="end_bindings")

    @admin.action(description=_("Send again at next login…"), permissions=["operate"])
    def send_again(self, request: HttpRequest, queryset: QuerySet[Binding]) -> HttpResponse | None:
        return self._ask_and_do(
            request,
            queryset,
            lambda chosen: jobs.ask(bindings=chosen, actor=operator_of(request)),
            action="send_again",
            title=_("Send again at the next login"),
            text=_(
                "The next time each person signs in to the portal, their password is sent to the "
                "account again, also one that was refused before."
            ),
            button=_("Send again"),
        )

    @admin.action(description=_("Look for the account again…"), permissions=["operate"])
    def locate_again(
        self, request: HttpRequest, queryset: QuerySet[Binding]
    ) -> HttpResponse | None:
        return self._ask_and_do(
            request,
            queryset,
            lambda chosen: bindings.locate_again(bindings=chosen, actor=operator_of(request)),
            action="locate_again",
            title=_("Look for the account again"),
            text=_(
                "A worker looks for each person's account over there by their company e-mail, and "
                "whether it may be managed. Use it after mending what the list says is wrong."
            ),
            button=_("Look again"),
        )

    def _ask_and_do(
        self, request: HttpRequest, queryset: QuerySet[Binding], do: Any, **page: Any
    ) -> HttpResponse | None:
        operator = operator_of(request)

        def judge(binding: Binding) -> Skipped | Refused | None:
            if binding.ended_at is not None:
                return Skipped(_("has ended"))
            return None if is_allowed(operator, binding.user) else Refused(ROLE_REFUSED)

        plan = Plan.of(queryset, judge)
        if asking := plan.ask(self, request, naming=binding_name, **page):
            return asking
        plan.report(self, request, title=page["title"], done=do(plan.todo))
        return None


def _shown(binding: Binding) -> states.Shown | None:
    if not hasattr(binding, "shown"):
        with_states([binding])
    shown: states.Shown | None = binding.shown  # type: ignore[attr-defined]
    return shown
