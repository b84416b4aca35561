"""Sync jobs: the queue of what has to reach a directory, and for ever the audit of what did."""

from __future__ import annotations

import uuid
from typing import ClassVar

from django.db import models
from django.utils import timezone
from django.utils.translation import gettext_lazy as _

from accounts.models import LoginEvent, SealedPassword
from directories.models import Binding, Directory

Q = models.Q


class Due(models.TextChoices):
    """Why a binding lacks what the portal has."""

    NEVER = "never", _("never taken over")
    RECORD = "record", _("record changed")
    PASSWORD = "password", _("password changed")
    DRIFT = "drift", _("password changed over there")
    ASKED = "asked", _("asked for")


class Status(models.TextChoices):
    """Where a job is; each move is an update that has to find the old status.

    - waiting → queued, cancelled
    - queued → sending, superseded, cancelled; waiting, where its password is of no use any more
    - sending → every finished status; queued, where it has to be tried again
    """

    WAITING = "waiting", _("waiting for login")
    QUEUED = "queued", _("queued")
    SENDING = "sending", _("sending")
    SUCCEEDED = "succeeded", _("succeeded")
    REFUSED = "refused", _("refused: the person acts")
    BLOCKED = "blocked", _("blocked: an operator acts")
    SUPERSEDED = "superseded", _("superseded")
    CANCELLED = "cancelled", _("cancelled")


FINISHED = (Status.SUCCEEDED, Status.REFUSED, Status.BLOCKED, Status.SUPERSEDED, Status.CANCELLED)
PENDING = (Status.WAITING, Status.QUEUED)
"""Not claimed; at most one for a binding."""
OPEN = (*PENDING, Status.SENDING)


class SyncJobQuerySet(models.QuerySet["SyncJob"]):
    def open(self) -> SyncJobQuerySet:
        return self.filter(status__in=OPEN)


class SyncJob(models.Model):
    """One attempt-until-done to bring one binding up to date."""

    id = models.UUIDField(primary_key=True, default=uuid.uuid4, editable=False)
    binding = models.ForeignKey(
        Binding, models.PROTECT, related_name="jobs", verbose_name=_("binding")
    )
    # The binding's own, so that an index can hold the queue of each directory in its order.
    directory = models.ForeignKey(
        Directory, models.PROTECT, related_name="jobs", verbose_name=_("directory")
    )
    trigger = models.CharField(_("due because"), max_length=8, choices=Due)
    status = models.CharField(_("status"), max_length=10, choices=Status, default=Status.WAITING)
    sends_password = models.BooleanField(_("sends the password"), default=True)
    changed_attributes = models.JSONField(
        _("attributes that changed"), default=list, help_text=_("Since they were last sent.")
    )
    login_event = models.ForeignKey(
        LoginEvent, models.PROTECT, null=True, related_name="jobs", verbose_name=_("login event")
    )
    sealed_password = models.OneToOneField(
        SealedPassword, models.PROTECT, null=True, related_name="job", editable=False
    )
    attempts = models.PositiveIntegerField(_("attempts"), default=0)
    next_attempt_at = models.DateTimeField(_("next attempt at"), null=True)
    is_unclear = models.BooleanField(
        _("may have been applied"),
        default=False,
        help_text=_("An attempt was sent and no answer told whether it was applied."),
    )
    error_code = models.CharField(_("error code"), max_length=24, blank=True)
    error = models.TextField(_("error"), blank=True)
    attempt_id = models.UUIDField(
        _("attempt id"),
        null=True,
        help_text=_("Of the last attempt; Microsoft's client-request-id."),
    )
    request_id = models.CharField(_("request id"), max_length=128, blank=True)
    claim_id = models.UUIDField(null=True, editable=False)
    claimed_until = models.DateTimeField(null=True, editable=False)
    created_at = models.DateTimeField(_("created at"), default=timezone.now)
    queued_at = models.DateTimeField(_("queued at"), null=True)
    # What the last attempt sent, written before it: an unclear one is judged by these.
    sent_at = models.DateTimeField(_("last sent at"), null=True)
    sent_password_version = models.PositiveIntegerField(_("password version sent"), null=True)
    sent_attributes = models.JSONField(_("attributes sent"), default=dict)
    finished_at = models.DateTimeField(_("finished at"), null=True)

    objects = SyncJobQuerySet.as_manager()

    class Meta:
        verbose_name = _("sync job")
        verbose_name_plural = _("sync jobs")
        ordering = ("-created_at",)
        constraints = (
            models.UniqueConstraint(
                fields=["binding"], condition=Q(status__in=PENDING), name="job_one_pending"
            ),
            models.UniqueConstraint(
                fields=["binding"], condition=Q(status=Status.SENDING), name="job_one_sending"
            ),
            models.CheckConstraint(
                name="job_sealed_password_in_flight",
                condition=Q(sealed_password=None) | Q(status__in=(Status.QUEUED, Status.SENDING)),
            ),
            models.CheckConstraint(
                name="job_claimed_while_sending",
                condition=Q(
                    status=Status.SENDING, claim_id__isnull=False, claimed_until__isnull=False
                )
                | Q(~Q(status=Status.SENDING), claim_id=None, claimed_until=None),
            ),
            models.CheckConstraint(
                name="job_finished_at_when_finished",
                condition=Q(status__in=FINISHED, finished_at__isnull=False)
                | Q(~Q(status__in=FINISHED), finished_at=None),
            ),
            models.CheckConstraint(
                name="job_next_attempt_when_queued",
                condition=~Q(status=Status.QUEUED) | Q(next_attempt_at__isnull=False),
            ),
        )
        indexes = (
            models.Index(
                fields=["directory", "-sends_password", "queued_at"],
                condition=Q(status=Status.QUEUED),
                name="job_queued",
            ),
            models.Index(
                fields=["directory", "claimed_until"],
                condition=Q(status=Status.SENDING),
                name="job_sending",
            ),
            models.Index(
                fields=["finished_at"],
                condition=Q(status=Status.SUCCEEDED, sends_password=True),
                name="job_password_written",
            ),
            models.Index(fields=["binding", "-created_at"], name="job_binding"),
            models.Index(fields=["-created_at"], name="job_newest"),
        )

    STATUS_BADGES: ClassVar = {
        Status.SUCCEEDED: "success",
        Status.REFUSED: "warning",
        Status.BLOCKED: "danger",
        Status.QUEUED: "info",
        Status.SENDING: "info",
    }

    def __str__(self) -> str:
        return f"{self.get_trigger_display()}: {self.binding}"


class LoginCheck(models.Model):
    """A question that a login left: is the password over there still ours?

    It holds the sealed password until it is answered, and is gone then, or with the password.
    """

    binding = models.OneToOneField(Binding, models.PROTECT, related_name="login_check")
    sealed_password = models.OneToOneField(
        SealedPassword, models.CASCADE, related_name="login_check"
    )
    login_event = models.ForeignKey(LoginEvent, models.PROTECT, related_name="+")

    def __str__(self) -> str:
        return f"check of {self.binding}"
