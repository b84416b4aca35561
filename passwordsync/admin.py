"""The admin of sync jobs, and of the bindings and login events that are shown with them.

Bindings (``admin_bindings``) and login events belong to apps that know no jobs: an app imports
only what stands to its right.  An operator cannot do with one without the other, so their pages
are here.
"""

from __future__ import annotations

from typing import Any, ClassVar

from django.contrib import admin
from django.db.models import QuerySet
from django.http import HttpRequest, HttpResponse
from django.utils import timezone
from django.utils.safestring import SafeString
from django.utils.translation import gettext_lazy as _

from accounts.admin_base import (
    LargeTableAdmin,
    badge,
    change_link,
    exactly,
    operator_of,
    shortened,
    since,
)
from accounts.confirmations import Plan, Skipped
from accounts.models import LoginEvent
from directories.admin_people import binding_name
from passwordsync import (
    admin_bindings,  # noqa: F401  it registers itself
    admin_sending,  # noqa: F401  so does this
    failures,
    jobs,
)
from passwordsync.admin_filters import StuckJobFilter
from passwordsync.admin_with_jobs import JOB_BADGES, PERSON, WithJobs, badge_of
from passwordsync.models import Status, SyncJob

OUTCOME_BADGES = {
    LoginEvent.Outcome.SUCCEEDED: "success",
    LoginEvent.Outcome.SECOND_FACTOR: "info",
    LoginEvent.Outcome.FAILED: "warning",
    LoginEvent.Outcome.THROTTLED: "danger",
}


@admin.register(SyncJob)
class SyncJobAdmin(LargeTableAdmin[SyncJob]):
    """The queue, and for ever the audit of what was sent; never a password, sealed or not."""

    list_display = (
        "person",
        "in_directory",
        "status_badge",
        "trigger",
        "age",
        "attempts",
        "next_try",
        "short_error",
        "finished",
        "short_request_id",
    )
    list_display_links = ("person",)
    list_select_related = ("binding__user", "binding__directory")
    list_filter = (
        StuckJobFilter,
        "status",
        ("binding__directory", admin.RelatedFieldListFilter),
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
                    ("binding_page", "login_event_page"),
                    ("status", "trigger"),
                    ("created_at", "queued_at"),
                    ("sent_at", "finished_at"),
                    ("attempts", "next_attempt_at"),
                )
            },
        ),
        (
            _("Outcome"),
            {
                "fields": (
                    ("request_id", "attempt_id"),
                    "error",
                    "what_to_do",
                    ("error_code", "is_unclear"),
                )
            },
        ),
    )
    readonly_fields = ("binding_page", "login_event_page", "what_to_do")

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
        return badge_of(job)

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

    @admin.display(description=_("what to do"))
    def what_to_do(self, job: SyncJob) -> str:
        return failures.operator_text(job.error_code)

    # --- Actions

    @admin.action(description=_("Retry…"), permissions=["operate"])
    def retry_now(self, request: HttpRequest, queryset: QuerySet[SyncJob]) -> HttpResponse | None:
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
                    ("at", "user_page"),
                    ("kind", "outcome"),
                    ("reason", "address"),
                    "browser",
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
