"""The admin of sync jobs, and of the bindings and login events that are shown with them.

Bindings and login events belong to apps that know no jobs (an app imports only what stands to its
right), and an operator cannot do with one without the other, so their pages are here.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any, ClassVar

from django.contrib import admin
from django.db.models import QuerySet
from django.http import HttpRequest, HttpResponse
from django.shortcuts import redirect
from django.utils import timezone
from django.utils.html import format_html_join
from django.utils.safestring import SafeString
from django.utils.translation import gettext_lazy as _
from unfold.decorators import action
from unfold.views import ChangeList

from accounts.admin_base import (
    LIST_LIMIT,
    AuditAdmin,
    LargeTableAdmin,
    badge,
    change_link,
    exactly,
    list_link,
    operator_of,
    shortened,
    since,
)
from accounts.confirmations import Plan, Refused, Skipped
from accounts.models import LoginEvent
from accounts.roles import is_allowed
from directories import bindings
from directories.admin import ROLE_REFUSED, binding_name, end_bindings
from directories.models import Binding
from passwordsync import jobs, states
from passwordsync.admin_filters import (
    BlockedJobFilter,
    DueFilter,
    LiveFilter,
    NeedsOperatorFilter,
    TakeoverFilter,
)
from passwordsync.models import PENDING, Status, SyncJob
from passwordsync.states import State

PERSON = (
    "user__username", "user__email", "user__display_name", "user__given_name",
    "user__family_name",
)
"""Fields to search a person by, from a row that has one."""
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
JOB_BADGES = {**dict.fromkeys(Status, ""), **SyncJob.STATUS_BADGES}
OUTCOME_BADGES = {
    LoginEvent.Outcome.SUCCEEDED: "success",
    LoginEvent.Outcome.SECOND_FACTOR: "info",
    LoginEvent.Outcome.FAILED: "warning",
    LoginEvent.Outcome.THROTTLED: "danger",
}


class BindingChangeList(ChangeList):  # type: ignore[misc]
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


class WithJobs(AuditAdmin[Any]):
    """The page of a row that jobs point to ends in a table of the latest of them."""

    change_form_outer_after_template = "admin/passwordsync/_jobs.html"
    jobs_by: ClassVar[str]
    """The job's field that points to the row."""

    def change_view(
        self,
        request: HttpRequest,
        object_id: str,
        form_url: str = "",
        extra_context: dict[str, Any] | None = None,
    ) -> HttpResponse:
        # An id from an address may be anything; the page itself answers what is none.
        row = self.get_object(request, object_id)
        latest = list(
            SyncJob.objects.filter(**{self.jobs_by: row})
            .select_related("binding__directory")
            .order_by("-created_at")[: LIST_LIMIT + 1]
            if row
            else ()
        )
        for job in latest:
            _status, job.badge_text = _badge(job)  # type: ignore[attr-defined]
            job.badge_type = JOB_BADGES[_status]  # type: ignore[attr-defined]
        link = list_link(SyncJob, _("Show all"), **{f"{self.jobs_by}__id__exact": object_id})
        more = {
            "jobs": latest[:LIST_LIMIT],
            "all_jobs": link if len(latest) > LIST_LIMIT else "",
        }
        page: HttpResponse = super().change_view(
            request, object_id, form_url, {**(extra_context or {}), **more}
        )
        return page


@admin.register(Binding)
class BindingAdmin(WithJobs):
    """Who is bound where, and in which state; people are bound from their own list."""

    jobs_by = "binding"
    list_display = (
        "person", "in_directory", "state_badge", "due_because", "external_address",
        "updated", "what_is_wrong",
    )
    list_display_links = ("person",)
    list_select_related = ("user", "directory")
    list_filter = (
        NeedsOperatorFilter, DueFilter, "directory", "directory__kind", TakeoverFilter, LiveFilter,
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
                    ("user_page", "directory_page"), ("state_now", "why"),
                    ("external_address", "external_id"), ("bound_at", "bound_by"),
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
            _("Problems"),
            {
                "fields": (
                    ("problem", "locate_at"), "problem_text",
                    ("refused_password_version", "refusal_text"), "attribute_problem",
                ),
                "classes": ("tab",),
            },
        ),
    )
    readonly_fields = (
        "user_page", "directory_page", "state_now", "why", "sent_attributes",
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
        is_due = shown and shown.job and shown.job.status in PENDING
        return shown.job.get_trigger_display() if is_due and shown and shown.job else ""

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

    @admin.display(description=_("password version now"))
    def current_password_version(self, binding: Binding) -> int:
        return binding.user.password_version

    @admin.display(description=_("attributes sent"))
    def sent_attributes(self, binding: Binding) -> SafeString:
        sent = binding.pushed_attributes
        return format_html_join("", "<div>{}: {}</div>", sorted(sent.items()))

    # --- Actions

    @action(  # type: ignore[untyped-decorator]
        description=_("Bind people"), url_path="bind", permissions=["bind"], icon="person_add"
    )
    def bind_people(self, request: HttpRequest) -> HttpResponse:
        """Lead to the list of people, where they are bound."""
        self.message_user(
            request, _("Choose people here, then the action “Bind to a directory…”.")
        )
        return redirect("admin:accounts_user_changelist")

    @admin.action(description=_("End bindings…"), permissions=["operate"])
    def end_bindings(
        self, request: HttpRequest, queryset: QuerySet[Binding]
    ) -> HttpResponse | None:
        return end_bindings(self, request, queryset, action="end_bindings")

    @admin.action(description=_("Send again at next login…"), permissions=["operate"])
    def send_again(
        self, request: HttpRequest, queryset: QuerySet[Binding]
    ) -> HttpResponse | None:
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


@admin.register(SyncJob)
class SyncJobAdmin(LargeTableAdmin[SyncJob]):
    """The queue, and for ever the audit of what was sent; never a password, sealed or not."""

    list_display = (
        "person", "in_directory", "status_badge", "trigger", "age", "attempts", "next_try",
        "short_error", "finished", "short_request_id",
    )
    list_display_links = ("person",)
    list_select_related = ("binding__user", "binding__directory")
    list_filter = (
        BlockedJobFilter, "status", ("binding__directory", admin.RelatedFieldListFilter),
        "trigger",
    )
    search_fields = (*(f"binding__{field}" for field in PERSON), "=request_id")
    search_help_text = _("Person or request id")
    sortable_by = ()
    actions = ("retry_now",)
    fieldsets: ClassVar[Any] = (
        (
            None,
            {
                "fields": (
                    ("binding_page", "login_event_page"), ("status", "trigger"),
                    ("created_at", "queued_at"), ("sent_at", "finished_at"),
                    ("attempts", "next_attempt_at"),
                )
            },
        ),
        (
            _("Outcome"),
            {
                "fields": (
                    ("request_id", "attempt_id"), "error", ("error_code", "is_unclear"),
                )
            },
        ),
    )
    readonly_fields = ("binding_page", "login_event_page")

    def get_queryset(self, request: HttpRequest) -> QuerySet[SyncJob]:
        rows: QuerySet[SyncJob] = super().get_queryset(request)
        return rows.select_related("binding__user", "binding__directory", "login_event")

    def has_operate_permission(self, request: HttpRequest, obj: object = None) -> bool:
        return operator_of(request).has_perm("passwordsync.change_syncjob")

    # --- Columns

    @admin.display(description=_("person"))
    def person(self, job: SyncJob) -> str:
        return str(job.binding.user)

    @admin.display(description=_("directory"))
    def in_directory(self, job: SyncJob) -> str:
        return job.binding.directory.name

    @badge(description=_("status"), colours=JOB_BADGES)
    def status_badge(self, job: SyncJob) -> tuple[str, str]:
        return _badge(job)

    @admin.display(description=_("age"))
    def age(self, job: SyncJob) -> SafeString | str:
        return since(job.created_at)

    @admin.display(description=_("next try"))
    def next_try(self, job: SyncJob) -> SafeString | str:
        return since(job.next_attempt_at) if job.status == Status.QUEUED else ""

    @admin.display(description=_("error"))
    def short_error(self, job: SyncJob) -> SafeString | str:
        return shortened(job.error, 60)

    @admin.display(description=_("request id"))
    def short_request_id(self, job: SyncJob) -> SafeString | str:
        return shortened(job.request_id, 14)

    @admin.display(description=_("finished"))
    def finished(self, job: SyncJob) -> SafeString | str:
        return since(job.finished_at)

    # --- Page

    @admin.display(description=_("binding"))
    def binding_page(self, job: SyncJob) -> SafeString | str:
        return change_link(job.binding)

    @admin.display(description=_("login event"))
    def login_event_page(self, job: SyncJob) -> SafeString | str:
        event = job.login_event
        return change_link(event, f"{event.at:%Y-%m-%d %H:%M:%S}, {event}") if event else ""

    # --- Actions

    @admin.action(description=_("Retry…"), permissions=["operate"])
    def retry_now(
        self, request: HttpRequest, queryset: QuerySet[SyncJob]
    ) -> HttpResponse | None:
        now = timezone.now()

        def judge(job: SyncJob) -> Skipped | None:
            if job.status != Status.QUEUED:
                return Skipped(job.get_status_display())
            is_later = job.next_attempt_at is not None and job.next_attempt_at > now
            return None if is_later else Skipped(_("is being tried already"))

        plan = Plan.of(queryset, judge)
        title = _("Retry")
        if page := plan.ask(
            self,
            request,
            action="retry_now",
            title=title,
            text=_(
                "These jobs are tried again at once instead of at their next time. One that may "
                "have been applied is left alone until that has settled."
            ),
            button=_("Retry now"),
            naming=lambda job: binding_name(job.binding),
        ):
            return page
        done = jobs.retry_now(jobs=plan.todo, actor=operator_of(request))
        plan.report(self, request, title=title, done=done)
        return None


@admin.register(LoginEvent)
class LoginEventAdmin(WithJobs, LargeTableAdmin[LoginEvent]):
    """The audit of sign-ins, each with the jobs that its password went to."""

    jobs_by = "login_event"
    list_display = ("time", "person", "kind", "outcome_badge", "why", "address", "short_browser")
    list_select_related = ("user",)
    list_filter = ("kind", "outcome", "reason")
    search_fields = PERSON
    search_help_text = _("Person")
    sortable_by = ()
    fieldsets: ClassVar[Any] = (
        (
            None,
            {
                "fields": (
                    ("at", "user_page"), ("kind", "outcome"), ("reason", "address"), "browser",
                )
            },
        ),
    )
    readonly_fields = ("user_page",)

    @admin.display(description=_("time"))
    def time(self, event: LoginEvent) -> SafeString:
        return exactly(event.at)

    @admin.display(description=_("reason"))
    def why(self, event: LoginEvent) -> str:
        return event.get_reason_display() if event.reason else ""

    @admin.display(description=_("person"))
    def person(self, event: LoginEvent) -> object:
        return event.user or _("unknown")

    @badge(description=_("outcome"), colours=OUTCOME_BADGES)
    def outcome_badge(self, event: LoginEvent) -> tuple[str, str]:
        # The whole sentence is on the page: a badge is one line.
        return event.outcome, event.get_outcome_display().rpartition(", ")[2]

    @admin.display(description=_("browser"))
    def short_browser(self, event: LoginEvent) -> SafeString | str:
        return shortened(event.browser, 40)

    @admin.display(description=_("person"))
    def user_page(self, event: LoginEvent) -> object:
        return change_link(event.user) or _("unknown")

def _badge(job: SyncJob) -> tuple[Status, str]:
    """Get status and label; who acts on it is said by the page."""
    return Status(job.status), job.get_status_display().partition(":")[0]


def _shown(binding: Binding) -> states.Shown | None:
    if not hasattr(binding, "shown"):
        with_states([binding])
    shown: states.Shown | None = binding.shown  # type: ignore[attr-defined]
    return shown
