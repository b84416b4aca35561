"""What a person receives and sees: mails in an outbox, notifications, bookmarks, own texts."""

from __future__ import annotations

from typing import Any, ClassVar, NoReturn

from django.core.validators import URLValidator
from django.db import models
from django.utils import timezone
from django.utils.translation import gettext_lazy as _

from accounts.models import LoginEvent, PasswordLink, User
from accounts.read_only import AuditError
from directories.models import Binding, Directory
from passwordsync.models import SyncJob


class MailQuerySet(models.QuerySet["Mail"]):
    def delete(self) -> NoReturn:
        raise AuditError("mails are never deleted")


class Mail(models.Model):
    """One mail to one address: first it waits, then it is the audit of what was sent.

    ``key`` names the fact it tells, so that each is told once to an address.  A failure stays in
    ``error`` and is tried again at ``next_attempt_at``.
    """

    class Kind(models.TextChoices):
        """Each has its folder in ``templates/mail``."""

        BOUND = "bound", _("added to a directory")
        WELCOME = "welcome", _("activation")
        RESET = "reset", _("forgotten password")
        PASSWORD_SET = "password_set", _("password was set")
        PASSWORD_LATE = "password_late", _("directory still has the old password")
        DRIFT = "drift", _("password changed in a directory")
        ADDRESS_CHANGED = "address_changed", _("address was changed")

    kind = models.CharField(_("kind"), max_length=20, choices=Kind)
    user = models.ForeignKey(User, models.PROTECT, related_name="mails", verbose_name=_("user"))
    key = models.CharField(max_length=120, editable=False)
    address = models.EmailField(_("address"))
    binding = models.ForeignKey(
        Binding, models.PROTECT, null=True, related_name="mails", verbose_name=_("binding")
    )
    link = models.ForeignKey(PasswordLink, models.PROTECT, null=True, related_name="mails")
    login_event = models.ForeignKey(LoginEvent, models.PROTECT, null=True, related_name="mails")
    created_at = models.DateTimeField(_("created at"), default=timezone.now)
    claimed_until = models.DateTimeField(_("claimed until"), null=True, editable=False)
    attempts = models.PositiveIntegerField(_("attempts"), default=0)
    next_attempt_at = models.DateTimeField(
        _("next attempt at"),
        null=True,
        default=timezone.now,
        help_text=_("Empty: given up, until an operator sends it."),
    )
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
            models.UniqueConstraint(fields=["key", "address"], name="mail_once"),
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
            models.Index(fields=["-created_at"], name="mail_newest"),
        )

    def __str__(self) -> str:
        return f"{self.get_kind_display()}: {self.user}"

    def delete(self, *_args: Any, **_kwargs: Any) -> NoReturn:
        raise AuditError("mails are never deleted")


class Notification(models.Model):
    """Something a person is told in the portal; its words are made from its kind when shown."""

    class Kind(models.TextChoices):
        PASSWORD_UPDATED = "password_updated", _("password updated")
        PASSWORD_REFUSED = "password_refused", _("password refused")
        PASSWORD_LATE = "password_late", _("directory still has the old password")
        DRIFT = "drift", _("password changed in a directory")

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
        indexes = (
            models.Index(fields=["user", "-created_at"], name="notification_user"),
            models.Index(
                fields=["user"], condition=models.Q(read_at=None), name="notification_unread"
            ),
        )

    def __str__(self) -> str:
        return f"{self.get_kind_display()}: {self.binding}"


class Bookmark(models.Model):
    """A link on the home page, for everybody or for those bound to one directory."""

    class Icon(models.TextChoices):
        """Each is a symbol of ``components/_icon.html``."""

        LINK = "link", _("link")
        MAIL = "mail", _("mail")
        CALENDAR = "calendar", _("calendar")
        FILES = "files", _("files")
        CHAT = "chat", _("chat")
        DOCUMENT = "document", _("document")
        PEOPLE = "people", _("people")
        HELP = "help", _("help")

    label = models.CharField(_("label"), max_length=40)
    address = models.URLField(
        _("address"),
        max_length=500,
        validators=[URLValidator(schemes=["http", "https"])],
        help_text=_("It begins with https:// or http://."),
    )
    description = models.CharField(_("description"), max_length=120, blank=True)
    icon = models.CharField(_("icon"), max_length=8, choices=Icon, default=Icon.LINK)
    directory = models.ForeignKey(
        Directory,
        models.CASCADE,
        null=True,
        blank=True,
        related_name="bookmarks",
        verbose_name=_("for people in"),
        help_text=_("Empty: for everybody."),
    )
    position = models.PositiveSmallIntegerField(
        _("position"), default=0, help_text=_("Smaller numbers come first.")
    )

    class Meta:
        verbose_name = _("bookmark")
        verbose_name_plural = _("bookmarks")
        ordering = ("position", "label", "pk")
        constraints = (
            models.CheckConstraint(
                name="bookmark_address_is_web",
                condition=models.Q(address__istartswith="https://")
                | models.Q(address__istartswith="http://"),
                violation_error_message=_("Only http and https addresses open from the portal."),
            ),
        )

    def __str__(self) -> str:
        return self.label


class Organisation(models.Model):
    """Who runs this portal, and whom its people ask; there is one row, made when it is needed."""

    name = models.CharField(
        _("name"), max_length=80, blank=True, help_text=_("As people know it; shown in mails.")
    )
    help_desk = models.CharField(
        _("help desk"),
        max_length=80,
        blank=True,
        help_text=_("What people call it, such as IT service desk."),
    )
    help_desk_email = models.EmailField(_("e-mail"), blank=True)
    help_desk_phone = models.CharField(_("phone"), max_length=40, blank=True)
    help_desk_url = models.URLField(
        _("web page"), blank=True, validators=[URLValidator(schemes=["http", "https"])]
    )

    class Meta:
        verbose_name = _("organisation")
        verbose_name_plural = _("organisation")
        constraints = (
            models.CheckConstraint(name="organisation_is_one", condition=models.Q(pk=1)),
        )

    def __str__(self) -> str:
        return self.name or str(_("Organisation"))


class MailText(models.Model):
    """The organisation's own paragraph in one kind of mail."""

    kind = models.CharField(_("mail"), max_length=20, choices=Mail.Kind, unique=True)
    paragraph = models.TextField(
        _("own paragraph"),
        max_length=2000,
        blank=True,
        help_text=_("Plain text, put after ours. An empty line begins a new paragraph."),
    )

    class Meta:
        verbose_name = _("mail text")
        verbose_name_plural = _("mail texts")
        ordering = ("kind",)

    def __str__(self) -> str:
        return self.get_kind_display()
