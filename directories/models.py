"""External directories and the people bound to them."""

from __future__ import annotations

from typing import ClassVar

from django.conf import settings
from django.db import models
from django.db.models.functions import Lower
from django.utils import timezone
from django.utils.translation import gettext_lazy as _

from accounts.models import User


class Directory(models.Model):
    """One Google Workspace customer or one Entra tenant."""

    class Kind(models.TextChoices):
        GOOGLE_WORKSPACE = "google_workspace", _("Google Workspace")
        MICROSOFT_ENTRA = "microsoft_entra", _("Microsoft 365 / Entra ID")

    name = models.CharField(
        _("name"), max_length=80, unique=True, help_text=_("As people see it in the portal.")
    )
    kind = models.CharField(_("kind"), max_length=20, choices=Kind)
    domain = models.CharField(
        _("domain"), max_length=253, help_text=_("A domain that is verified in the directory.")
    )
    admin_email = models.EmailField(
        _("administrator over there"),
        blank=True,
        help_text=_("Google Workspace: the administrator the service account acts as."),
    )
    sends_clear_password = models.BooleanField(
        _("send the clear password"),
        default=False,
        help_text=_(
            "Google Workspace: send the password itself instead of its hash, so that Google "
            "checks its own rules. Entra ID always needs the password itself."
        ),
    )
    allows_privileged = models.BooleanField(
        _("allow privileged accounts"),
        default=False,
        help_text=_(
            "Also set passwords of accounts that hold an administrative role over there. "
            "Whoever controls the portal then controls these accounts."
        ),
    )
    credentials = models.BinaryField(_("sealed credentials"))
    credentials_changed_at = models.DateTimeField(_("credentials changed at"))

    tenant_id = models.CharField(
        _("customer or tenant id"),
        max_length=64,
        blank=True,
        help_text=_("Pinned at the first good check; credentials of another are refused."),
    )
    verified_domains = models.JSONField(_("verified domains"), default=list, blank=True)
    federated_domains = models.JSONField(_("federated domains"), default=list, blank=True)
    check_requested_at = models.DateTimeField(_("check requested at"), null=True, blank=True)
    checked_at = models.DateTimeField(_("last good check"), null=True, blank=True)
    check_warnings = models.JSONField(_("warnings of the last check"), default=list, blank=True)

    paused_at = models.DateTimeField(_("paused at"), null=True, blank=True)
    paused_reason = models.TextField(_("paused because"), blank=True)
    probe_at = models.DateTimeField(_("next probe at"), null=True, blank=True)
    probes = models.PositiveIntegerField(_("probes since the pause"), default=0)
    refusals_in_row = models.PositiveIntegerField(
        _("people refused in a row"), default=0, editable=False
    )

    lease_id = models.UUIDField(null=True, editable=False)
    leased_until = models.DateTimeField(null=True, editable=False)
    created_at = models.DateTimeField(_("created at"), default=timezone.now, editable=False)

    class Meta:
        verbose_name = _("directory")
        verbose_name_plural = _("directories")
        ordering = ("name",)
        constraints = (
            models.CheckConstraint(
                name="directory_lease_whole",
                condition=models.Q(lease_id=None, leased_until=None)
                | models.Q(lease_id__isnull=False, leased_until__isnull=False),
            ),
            models.CheckConstraint(
                name="directory_domain_lower", condition=models.Q(domain=Lower("domain"))
            ),
        )

    def __str__(self) -> str:
        return self.name

    @property
    def is_paused(self) -> bool:
        return self.paused_at is not None


class Binding(models.Model):
    """One person in one directory; ended, never deleted."""

    class Problem(models.TextChoices):
        NONE = "", _("none")
        NOT_FOUND = "account_not_found", _("no such account")
        AMBIGUOUS = "account_ambiguous", _("several accounts")
        MISMATCH = "account_mismatch", _("address does not match")
        SYNCED = "account_synced", _("synced from on-premises")
        FEDERATED = "account_federated", _("federated domain")
        PRIVILEGED = "account_privileged", _("privileged account")
        TAKEN = "account_taken", _("account bound to somebody else")
        PERMISSION_DENIED = "permission_denied", _("permission denied")
        OTHER = "account", _("refused")

    directory = models.ForeignKey(
        Directory, models.PROTECT, related_name="bindings", verbose_name=_("directory")
    )
    user = models.ForeignKey(User, models.PROTECT, related_name="bindings", verbose_name=_("user"))
    external_id = models.CharField(
        _("external id"), max_length=128, blank=True, help_text=_("Immutable; found by a worker.")
    )
    external_address = models.CharField(_("external address"), max_length=320, blank=True)
    bound_at = models.DateTimeField(_("bound at"), default=timezone.now)
    bound_by = models.ForeignKey(
        settings.AUTH_USER_MODEL,
        models.PROTECT,
        null=True,
        blank=True,
        related_name="+",
        verbose_name=_("bound by"),
    )
    ended_at = models.DateTimeField(_("ended at"), null=True, blank=True)
    ended_by = models.ForeignKey(
        settings.AUTH_USER_MODEL,
        models.PROTECT,
        null=True,
        blank=True,
        related_name="+",
        verbose_name=_("ended by"),
    )
    locate_at = models.DateTimeField(
        _("look for the account at"), null=True, blank=True, default=timezone.now
    )

    taken_over_at = models.DateTimeField(_("taken over at"), null=True, blank=True)
    pushed_at = models.DateTimeField(_("last updated at"), null=True, blank=True)
    pushed_password_version = models.PositiveIntegerField(
        _("password version sent"), null=True, blank=True
    )
    pushed_attributes = models.JSONField(_("attributes sent"), default=dict, blank=True)
    asked_at = models.DateTimeField(_("sending asked for at"), null=True, blank=True)

    problem = models.CharField(
        _("blocked because"), max_length=20, choices=Problem, default=Problem.NONE, blank=True
    )
    problem_text = models.TextField(_("what to do"), blank=True)
    refused_password_version = models.PositiveIntegerField(
        _("password version refused"), null=True, blank=True
    )
    refusal_text = models.TextField(_("why the password was refused"), blank=True)
    refused_attributes = models.JSONField(_("attributes refused"), null=True, blank=True)
    attribute_problem = models.TextField(_("why attributes were refused"), blank=True)

    LIVE: ClassVar = models.Q(ended_at=None)

    class Meta:
        verbose_name = _("binding")
        verbose_name_plural = _("bindings")
        ordering = ("directory__name", "user__username")
        constraints = (
            models.UniqueConstraint(
                fields=["directory", "user"],
                condition=models.Q(ended_at=None),
                name="binding_live_user",
                violation_error_message=_("This person is already bound to this directory."),
            ),
            models.UniqueConstraint(
                fields=["directory", "external_id"],
                condition=models.Q(ended_at=None) & ~models.Q(external_id=""),
                name="binding_live_account",
                violation_error_message=_("This account is already bound to somebody."),
            ),
            models.CheckConstraint(
                name="binding_taken_over_was_pushed",
                condition=models.Q(taken_over_at=None)
                | models.Q(pushed_password_version__isnull=False),
            ),
        )
        indexes = (
            models.Index(
                fields=["directory", "locate_at"],
                condition=models.Q(ended_at=None, locate_at__isnull=False),
                name="binding_to_locate",
            ),
        )

    def __str__(self) -> str:
        return f"{self.user} in {self.directory}"

    @property
    def is_managed(self) -> bool:
        """Whether the portal password has reached the account."""
        return self.taken_over_at is not None
