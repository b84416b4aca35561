"""The table of sync jobs at the end of the pages of bindings and of login events."""

from __future__ import annotations

from typing import Any, ClassVar

from django.http import HttpRequest, HttpResponse
from django.utils.translation import gettext_lazy as _

from accounts.admin_base import LIST_LIMIT, AuditAdmin, list_link
from passwordsync.models import Status, SyncJob

PERSON = (
    "user__username",
    "user__email",
    "user__display_name",
    "user__given_name",
    "user__family_name",
)
"""Fields to search a person by, from a row that has one."""
JOB_BADGES = {**dict.fromkeys(Status, ""), **SyncJob.STATUS_BADGES}


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
            _status, job.badge_text = badge_of(job)  # type: ignore[attr-defined]
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


def badge_of(job: SyncJob) -> tuple[Status, str]:
    """Get status and label; who acts on it is said by the page."""
    return Status(job.status), job.get_status_display().partition(":")[0]
