"""People, the audit of their sign-ins, their sealed passwords, and links to set a new one."""

from __future__ import annotations

import uuid
from datetime import timedelta
from typing import Any, ClassVar
from zoneinfo import available_timezones

from django.conf import settings
from django.contrib.auth.base_user import AbstractBaseUser, BaseUserManager
from django.contrib.auth.hashers import UNUSABLE_PASSWORD_PREFIX, make_password
from django.contrib.auth.models import PermissionsMixin
from django.contrib.auth.validators import UnicodeUsernameValidator
from django.core.exceptions import ValidationError
from django.db import models, transaction
from django.db.models.functions import Lower
from django.utils import timezone
from django.utils.translation import gettext_lazy as _

from accounts.read_only import ReadOnlyManager


def validate_time_zone(name: str) -> None:
    """Refuse what is no name of the time zone database."""
    if name not in available_timezones():
        raise ValidationError(_("Use a name such as Europe/Berlin."))


class UserManager(BaseUserManager["User"]):
    def create_user(
        self, username: str, email: str, password: str | None = None, **fields: Any
    ) -> User:
        """Make a user; without a password their password status is pending."""
        user = self.model(username=username, email=email, **fields)
        user.set_password(password)
        user.save(using=self._db)
        return user

    def create_superuser(
        self, username: str, email: str, password: str | None = None, **fields: Any
    ) -> User:
        """Make an active administrator."""
        return self.create_user(
            username,
            email,
            password,
            **{"state": User.State.ACTIVE, "is_staff": True, "is_superuser": True, **fields},
        )

    def find(self, login: str) -> User | None:
        """Find a person by user name or company e-mail, in lower case, in one look-up."""
        return self.filter(models.Q(username=login) | models.Q(email=login)).first()

    def get_by_natural_key(self, username: str | None) -> User:
        return self.get(username=(username or "").lower())


class User(AbstractBaseUser, PermissionsMixin):
    """A person.

    User name and e-mail are kept in lower case, so that one indexed look-up finds them.
    """

    class State(models.TextChoices):
        STAGED = "staged", _("staged")
        ACTIVE = "active", _("active")
        SUSPENDED = "suspended", _("suspended")

    class PasswordStatus(models.TextChoices):
        PENDING = "pending", _("pending")
        ACTIVE = "active", _("active")
        EXPIRED = "expired", _("expired")

    username = models.CharField(
        _("user name"), max_length=150, unique=True, validators=[UnicodeUsernameValidator()]
    )
    email = models.EmailField(_("company e-mail"), unique=True)
    alternate_email = models.EmailField(_("alternate e-mail"), blank=True)
    state = models.CharField(_("state"), max_length=9, choices=State, default=State.STAGED)
    given_name = models.CharField(_("given name"), max_length=60, blank=True)
    family_name = models.CharField(_("family name"), max_length=60, blank=True)
    display_name = models.CharField(_("display name"), max_length=256, blank=True)

    job_title = models.CharField(_("job title"), max_length=128, blank=True)
    department = models.CharField(_("department"), max_length=64, blank=True)
    cost_center = models.CharField(_("cost centre"), max_length=64, blank=True)
    division = models.CharField(_("division"), max_length=64, blank=True)
    employee_id = models.CharField(_("employee id"), max_length=16, blank=True)
    employee_type = models.CharField(_("employee type"), max_length=64, blank=True)
    company = models.CharField(_("company"), max_length=64, blank=True)
    office_location = models.CharField(_("office location"), max_length=128, blank=True)
    manager = models.ForeignKey(
        "self",
        models.SET_NULL,
        null=True,
        blank=True,
        related_name="reports",
        verbose_name=_("manager"),
    )
    work_phone = models.CharField(_("work phone"), max_length=64, blank=True)
    mobile_phone = models.CharField(_("mobile phone"), max_length=64, blank=True)
    street = models.CharField(_("street"), max_length=1024, blank=True)
    city = models.CharField(_("city"), max_length=128, blank=True)
    region = models.CharField(_("region"), max_length=128, blank=True)
    postal_code = models.CharField(_("postal code"), max_length=40, blank=True)
    country = models.CharField(_("country"), max_length=128, blank=True)
    preferred_language = models.CharField(_("preferred language"), max_length=20, blank=True)
    time_zone = models.CharField(
        _("time zone"),
        max_length=64,
        blank=True,
        validators=[validate_time_zone],
        help_text=_("Such as Europe/Berlin; empty follows the person's browser."),
    )

    is_staff = models.BooleanField(
        _("operator"), default=False, help_text=_("May work in the admin.")
    )
    password_version = models.PositiveIntegerField(
        _("password version"),
        default=0,
        editable=False,
        help_text=_("Goes up whenever a new password is set; hash upgrades do not count."),
    )
    password_changed_at = models.DateTimeField(
        _("password changed at"), null=True, blank=True, editable=False
    )
    password_demanded_at = models.DateTimeField(
        _("new password demanded at"),
        null=True,
        editable=False,
        help_text=_("The present password still signs in, and only to choose another."),
    )
    welcomed_at = models.DateTimeField(
        _("activation mail queued at"), null=True, blank=True, editable=False
    )
    created_at = models.DateTimeField(_("created at"), default=timezone.now, editable=False)

    USERNAME_FIELD = "username"
    EMAIL_FIELD = "email"
    REQUIRED_FIELDS: ClassVar[list[str]] = ["email"]

    objects = UserManager()

    class Meta:
        verbose_name = _("user")
        verbose_name_plural = _("users")
        ordering = ("username",)
        constraints = (
            models.CheckConstraint(
                name="user_names_lower",
                condition=models.Q(username=Lower("username"), email=Lower("email")),
                violation_error_message=_("User name and e-mail are kept in lower case."),
            ),
            models.CheckConstraint(
                name="user_name_is_no_others_email",
                condition=~models.Q(username__contains="@") | models.Q(username=models.F("email")),
                violation_error_message=_(
                    "A user name with an @ has to be the person's own company e-mail."
                ),
            ),
        )

    def __str__(self) -> str:
        return self.get_full_name()

    @property
    def is_active(self) -> bool:  # type: ignore[override]
        """Whether the person may sign in; the name is Django's."""
        return self.state == self.State.ACTIVE

    @property
    def is_new(self) -> bool:
        """Whether an active person has no password yet."""
        return self.is_active and not self.has_usable_password()

    @property
    def may_sign_in(self) -> bool:
        return self.is_active and self.has_usable_password()

    @property
    def password_status(self) -> PasswordStatus:
        if not self.has_usable_password():
            return self.PasswordStatus.PENDING
        is_expired = self.password_demanded_at is not None or self._is_password_too_old()
        return self.PasswordStatus.EXPIRED if is_expired else self.PasswordStatus.ACTIVE

    def _is_password_too_old(self) -> bool:
        longest: timedelta = settings.PASSWORD_MAX_AGE
        # When an imported password was set is not known: it counts from the import.
        since = self.password_changed_at or self.created_at
        return bool(longest) and timezone.now() - since > longest

    def get_full_name(self) -> str:
        return self.display_name or f"{self.given_name} {self.family_name}".strip() or self.username

    def clean(self) -> None:
        super().clean()
        self._to_lower_case()

    def save(self, *args: Any, **kwargs: Any) -> None:
        """Save; a raw password that was set since the last save makes a new version."""
        self._to_lower_case()
        # Django keeps the raw password here until it is saved; a hash upgrade clears it first.
        if getattr(self, "_password", None) is None:
            super().save(*args, **kwargs)
            return
        self.password_changed_at = timezone.now()
        self.password_demanded_at = None
        self.password_version = 1 if self._state.adding else models.F("password_version") + 1
        if (update_fields := kwargs.get("update_fields")) is not None:
            kwargs["update_fields"] = {
                *update_fields,
                "password",
                "password_version",
                "password_changed_at",
                "password_demanded_at",
            }
        # The version that is read back has to be the one of this very hash.
        with transaction.atomic():
            if not self._state.adding:
                PreviousPassword.objects.keep(self)
            super().save(*args, **kwargs)
            if not isinstance(self.password_version, int):
                self.refresh_from_db(fields=["password_version"])

    def upgrade_hash(self, password: str) -> None:
        """Keep the same password as a hash of the preferred kind; it is no new version."""
        hashed = make_password(password)
        type(self).objects.filter(pk=self.pk, password=self.password).update(password=hashed)
        self.password = hashed

    def _to_lower_case(self) -> None:
        self.username = self.normalize_username(self.username).lower()
        self.email = self.email.lower()
        self.alternate_email = self.alternate_email.lower()


class PreviousPasswordManager(models.Manager["PreviousPassword"]):
    def keep(self, user: User) -> None:
        """Keep the hash that is about to be replaced, and only as many as are compared with."""
        old = User.objects.filter(pk=user.pk).values_list("password", flat=True).first() or ""
        if not old or old.startswith(UNUSABLE_PASSWORD_PREFIX):
            return
        self.create(user=user, password=old)
        kept = self.filter(user=user).order_by("-pk").values("pk")[: settings.PASSWORD_HISTORY]
        self.filter(user=user).exclude(pk__in=list(kept.values_list("pk", flat=True))).delete()


class PreviousPassword(models.Model):
    """The hash of a password that a person had before, so that it is not chosen again."""

    user = models.ForeignKey(User, models.CASCADE, related_name="previous_passwords")
    password = models.CharField(max_length=128)
    replaced_at = models.DateTimeField(default=timezone.now)

    objects = PreviousPasswordManager()

    def __str__(self) -> str:
        return f"previous password of {self.user_id}"


class PasswordLink(models.Model):
    """A mailed link with which a person sets a password without knowing one.

    ``accounts.links`` makes and checks them.  The link's own text is not stored: it is the id
    with a signature of this installation.  Any new password makes all older links useless,
    because they carry the version they were made for.
    """

    class Kind(models.TextChoices):
        WELCOME = "welcome", _("activation")
        RESET = "reset", _("forgotten password")

    id = models.UUIDField(primary_key=True, default=uuid.uuid4, editable=False)
    kind = models.CharField(_("kind"), max_length=7, choices=Kind)
    user = models.ForeignKey(
        User, models.PROTECT, related_name="password_links", verbose_name=_("user")
    )
    address = models.EmailField(_("address"))
    password_version = models.PositiveIntegerField(_("password version"))
    created_at = models.DateTimeField(_("created at"), default=timezone.now)
    expires_at = models.DateTimeField(_("expires at"))
    used_at = models.DateTimeField(_("used at"), null=True)

    def __str__(self) -> str:
        return f"{self.get_kind_display()}: {self.user}"


class LoginEvent(models.Model):
    """One moment of sign-in, whatever came of it; never changed, never deleted."""

    class Kind(models.TextChoices):
        LOGIN = "login", _("login")
        SET_UP = "set-up", _("set-up")
        RESET = "reset", _("reset")
        CHANGE = "change", _("change")
        CONFIRM = "confirm", _("confirm")

    class Outcome(models.TextChoices):
        SUCCEEDED = "succeeded", _("succeeded")
        SECOND_FACTOR = "second_factor", _("password right, second factor asked")
        FAILED = "failed", _("failed")
        THROTTLED = "throttled", _("throttled")
        LINK_SENT = "link_sent", _("link to set a password sent")

    class Reason(models.TextChoices):
        NONE = "", _("none")
        WRONG_PASSWORD = "wrong_password", _("wrong password")
        UNKNOWN_USER = "unknown_user", _("unknown user")
        NO_PASSWORD = "no_password", _("no password set yet")
        STAGED = "staged", _("user is staged")
        SUSPENDED = "suspended", _("user is suspended")
        TOO_MANY_ATTEMPTS = "too_many_attempts", _("too many failed attempts")
        PASSWORD_CHANGED = "password_changed", _("password was changed meanwhile")

    user = models.ForeignKey(
        User,
        models.PROTECT,
        null=True,
        related_name="login_events",
        verbose_name=_("user"),
        help_text=_("Empty for an unknown name: what was typed may be a password."),
    )
    at = models.DateTimeField(_("time"), default=timezone.now)
    kind = models.CharField(_("kind"), max_length=7, choices=Kind)
    outcome = models.CharField(_("outcome"), max_length=13, choices=Outcome)
    reason = models.CharField(
        _("reason"), max_length=17, choices=Reason, default=Reason.NONE, blank=True
    )
    address = models.GenericIPAddressField(_("address"), null=True)
    browser = models.CharField(_("browser"), max_length=200, blank=True)

    objects = ReadOnlyManager["LoginEvent"]()

    class Meta:
        verbose_name = _("login event")
        verbose_name_plural = _("login events")
        ordering = ("-at", "-pk")
        indexes = (
            models.Index(fields=["-at"], name="login_event_at"),
            models.Index(fields=["user", "-at"], name="login_event_user_at"),
        )

    def __str__(self) -> str:
        return f"{self.get_kind_display()}, {self.get_outcome_display()}"


class Part(models.Model):
    """A part of the installation that has no address, and when it was seen last.

    ``opens`` are the ids of the keys that a worker holds, in hexadecimal.
    """

    name = models.CharField(max_length=255, primary_key=True)
    seen_at = models.DateTimeField()
    opens = models.JSONField(default=list)

    def __str__(self) -> str:
        return self.name


class SealedPassword(models.Model):
    """A password as it waits between login and push; ``accounts.sealing`` makes and opens it.

    Copies for several directories share ``sealed_id`` and ``ciphertext``.  One with
    ``held_until`` waits for a second factor and belongs to no directory yet.
    """

    sealed_id = models.UUIDField(default=uuid.uuid4)
    user = models.ForeignKey(User, models.CASCADE, related_name="+")
    password_version = models.PositiveIntegerField()
    sealed_at = models.DateTimeField()
    ciphertext = models.BinaryField()
    held_until = models.DateTimeField(null=True, db_index=True)

    def __str__(self) -> str:
        return f"sealed password {self.sealed_id}"

    def copy(self) -> SealedPassword:
        """Make an unsaved copy that opens just as this one does."""
        return SealedPassword(
            sealed_id=self.sealed_id,
            user_id=self.user_id,
            password_version=self.password_version,
            sealed_at=self.sealed_at,
            ciphertext=self.ciphertext,
        )
