"""What a person receives: mails, which wait in an outbox, and notifications in the portal."""

from __future__ import annotations

from typing import Any, ClassVar, NoReturn

from django.db import models
from django.utils import timezone
from django.utils.translation import gettext_lazy as _

from accounts.models import User
from accounts.read_only import AuditError
from directories.models import Binding
from passwordsync.models import SyncJob


class MailQuerySet(models.QuerySet["Mail"]):
    def delete(self) -> NoReturn:
        raise AuditError("mails are never deleted")


class Mail(models.Model):
    """One mail to one person: first it waits, then it is the audit of what was sent.

    A failure stays in ``error`` and is tried again at ``next_attempt_at``.
    """

    class Kind(models.TextChoices):
        BOUND = "bound", _("added to a directory")

    kind = models.CharField(_("kind"), max_length=5, choices=Kind)
    binding = models.ForeignKey(
        Binding, models.PROTECT, related_name="mails", verbose_name=_("binding")
    )
    address = models.EmailField(_("address"))
    created_at = models.DateTimeField(_("created at"), default=timezone.now)
    claimed_until = models.DateTimeField(_("claimed until"), null=True, editable=False)
    attempts = models.PositiveIntegerField(_("attempts"), default=0)
    next_attempt_at = models.DateTimeField(_("next attempt at"), default=timezone.now)
    error = models.TextField(_("error"), blank=True)
    sent_at = models.DateTimeField(_("sent at"), null=True)
    cancelled_at = models.DateTimeField(
        _("cancelled at"), null=True, help_text=_("It was not true any more before it was sent.")
    )

    WAITING: ClassVar = models.Q(sent_at=None, cancelled_at=None)

    objects = MailQuerySet.as_manager()

    class Meta:
        verbose_name = _("mail")
        verbose_name_plural = _("mails")
        ordering = ("-created_at", "-pk")
        constraints = (
            models.UniqueConstraint(fields=["binding", "kind"], name="mail_once"),
            models.CheckConstraint(
                name="mail_sent_or_cancelled",
                condition=models.Q(sent_at=None) | models.Q(cancelled_at=None),
            ),
        )
        indexes = (
            models.Index(
                fields=["next_attempt_at"],
                condition=models.Q(sent_at=None, cancelled_at=None),
                name="mail_waiting",
            ),
        )

    def __str__(self) -> str:
        return f"{self.get_kind_display()}: {self.binding}"

    def delete(self, *_args: Any, **_kwargs: Any) -> NoReturn:
        raise AuditError("mails are never deleted")


class Notification(models.Model):
    """Something a person is told in the portal; its words are made from its kind when shown."""

    class Kind(models.TextChoices):
        PASSWORD_UPDATED = "password_updated", _("password updated")

    user = models.ForeignKey(
        User, models.PROTECT, related_name="notifications", verbose_name=_("user")
    )
    binding = models.ForeignKey(
        Binding, models.PROTECT, related_name="notifications", verbose_name=_("binding")
    )
    sync_job = models.OneToOneField(
        SyncJob, models.PROTECT, null=True, related_name="notification", verbose_name=_("sync job")
    )
    kind = models.CharField(_("kind"), max_length=16, choices=Kind)
    created_at = models.DateTimeField(_("created at"), default=timezone.now)
    read_at = models.DateTimeField(_("read at"), null=True)

    class Meta:
        verbose_name = _("notification")
        verbose_name_plural = _("notifications")
        ordering = ("-created_at", "-pk")
        indexes = (models.Index(fields=["user", "-created_at"], name="notification_user"),)

    def __str__(self) -> str:
        return f"{self.get_kind_display()}: {self.binding}"
