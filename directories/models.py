"""External directories and the people bound to them."""

from __future__ import annotations

from typing import Any, ClassVar

from django.conf import settings
from django.core.validators import MinValueValidator
from django.db import models
from django.db.models.functions import Lower
from django.utils import timezone
from django.utils.translation import gettext_lazy as _

from accounts.models import User
from directories.connectors import CONNECTORS


class Directory(models.Model):
    """One Google Workspace customer or one Entra tenant."""

    class Kind(models.TextChoices):
        GOOGLE_WORKSPACE = "google_workspace", _("Google Workspace")
        MICROSOFT_ENTRA = "microsoft_entra", _("Microsoft 365 / Entra ID")

    class SendsPassword(models.TextChoices):
        """When a login sends the password to an account that has it already."""

        ALWAYS = "always", _("after any record change")
        DIFFERENT = "different", _("only when it differs")

    class SendsAttributes(models.TextChoices):
        LOGIN = "login", _("with the next login")
        AT_ONCE = "at_once", _("at once")

    class AfterReset(models.TextChoices):
        """What follows when an administrator over there resets a password."""

        RESTORE = "restore", _("put the portal password back")
        HOLD = "hold", _("wait for a new portal password")

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
    mapping = models.JSONField(
        _("exported attributes"),
        default=dict,
        blank=True,
        help_text=_("Our attribute: the field over there."),
    )
    sends_password = models.CharField(
        _("send the password"),
        max_length=9,
        choices=SendsPassword,
        default=SendsPassword.ALWAYS,
        help_text=_(
            "A password that is sent signs the person out over there, on phones and in mail apps "
            "too, even if it is the same. After any record change: the login that follows sends "
            "it again. Only when it differs: it is sent only after a new password here, or a "
            "change over there; nobody is signed out because of a job title."
        ),
    )
    sends_attributes = models.CharField(
        _("send attributes"),
        max_length=7,
        choices=SendsAttributes,
        default=SendsAttributes.LOGIN,
        help_text=_(
            "With the next login: together with the password, where that is sent. At once: within "
            "seconds of the change, without password and without a login."
        ),
    )
    after_reset = models.CharField(
        _("after a reset over there"),
        max_length=7,
        choices=AfterReset,
        default=AfterReset.RESTORE,
        help_text=_(
            "When an administrator over there resets a password: the next login puts the portal "
            "password back; or the person has to choose a new portal password first, which is "
            "wiser where the old one may have been stolen."
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

    client_id = models.CharField(
        _("client id"),
        max_length=128,
        blank=True,
        editable=False,
        help_text=_("Of the application or service account: those that share it share its quota."),
    )
    requests_per_minute = models.PositiveIntegerField(
        _("requests a minute"),
        null=True,
        blank=True,
        validators=[MinValueValidator(1)],
        help_text=_(
            "At most so many. Empty: what the provider publishes, shared among directories of the "
            "same application. Enter less where other programs need a share, more where the "
            "provider has granted it."
        ),
    )
    # How far the pace has been used, and slowed down (directories.budget).
    next_request_at = models.DateTimeField(null=True, editable=False)
    slowed_to = models.FloatField(_("share of the pace"), default=1, editable=False)
    throttled_at = models.DateTimeField(_("last throttled at"), null=True, editable=False)

    paused_at = models.DateTimeField(_("paused at"), null=True, blank=True)
    paused_by = models.ForeignKey(
        settings.AUTH_USER_MODEL,
        models.PROTECT,
        null=True,
        blank=True,
        related_name="+",
        verbose_name=_("paused by"),
        help_text=_("An operator who paused it, and has to resume it."),
    )
    paused_reason = models.TextField(_("paused because"), blank=True)
    probe_at = models.DateTimeField(_("next probe at"), null=True, blank=True)
    probes = models.PositiveIntegerField(_("probes since the pause"), default=0)
    refusals_in_row = models.PositiveIntegerField(
        _("people refused in a row"), default=0, editable=False
    )

    scan_requested_at = models.DateTimeField(_("scan requested at"), null=True, blank=True)
    scan_started_at = models.DateTimeField(_("scan begun at"), null=True, blank=True)
    scan_cursor = models.TextField(blank=True, editable=False)
    scanned_at = models.DateTimeField(
        _("last scan"), null=True, blank=True, help_text=_("When the last whole scan began.")
    )
    scan_problem = models.TextField(
        _("scan fails because"), blank=True, help_text=_("It is begun again every minute.")
    )
    reread_at = models.DateTimeField(
        _("last look at late events"),
        null=True,
        blank=True,
        help_text=_("When the last whole scan began that read the events of several days again."),
    )
    ask_actor_at = models.DateTimeField(
        _("next question about a change"), null=True, editable=False
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
                name="directory_paused_by_while_paused",
                condition=models.Q(paused_by=None)
                | models.Q(paused_at__isnull=False, probe_at=None),
            ),
            models.CheckConstraint(
                name="directory_domain_lower", condition=models.Q(domain=Lower("domain"))
            ),
        )

    def __str__(self) -> str:
        return self.name

    def save(self, *args: Any, **kwargs: Any) -> None:
        """Save; a new directory receives names, unless it says otherwise."""
        if self._state.adding and not self.mapping:
            self.mapping = CONNECTORS[self.kind].default_mapping
        super().save(*args, **kwargs)

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
        OTHER = "account", _("account refused")

    class DriftBy(models.TextChoices):
        """Who changed the password over there, as far as the directory tells."""

        UNKNOWN = "", _("not known")
        PERSON = "person", _("the person")
        ADMINISTRATOR = "administrator", _("an administrator")
        APPLICATION = "application", _("an application")

    class ExternalState(models.TextChoices):
        NORMAL = "", _("normal")
        SUSPENDED = "suspended", _("suspended")
        DELETED = "deleted", _("deleted")

    directory = models.ForeignKey(
        Directory, models.PROTECT, related_name="bindings", verbose_name=_("directory")
    )
    user = models.ForeignKey(User, models.PROTECT, related_name="bindings", verbose_name=_("user"))
    external_id = models.CharField(
        _("external id"), max_length=128, blank=True, help_text=_("Immutable; found by a worker.")
    )
    external_address = models.CharField(_("external address"), max_length=320, blank=True)
    claimed_external_id = models.CharField(
        _("external id of the earlier system"),
        max_length=128,
        blank=True,
        help_text=_("A worker checks that it is the account of this person."),
    )
    note = models.CharField(
        _("note"), max_length=200, blank=True, help_text=_("Status in the earlier system.")
    )
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
    password_attributes = models.JSONField(
        _("attributes when the password was sent"), default=dict, blank=True
    )
    asked_at = models.DateTimeField(_("sending asked for at"), null=True, blank=True)

    # What the scan saw over there (passwordsync.drift).
    password_seen_at = models.DateTimeField(
        _("password last changed over there at"),
        null=True,
        blank=True,
        help_text=_("On the clock of the directory; explained, or noted as drift."),
    )
    drifted_at = models.DateTimeField(
        _("changed by somebody else at"), null=True, blank=True, help_text=_("Until it is mended.")
    )
    drift_noticed_at = models.DateTimeField(_("noticed at"), null=True, blank=True)
    drift_by = models.CharField(
        _("changed by"), max_length=13, choices=DriftBy, default=DriftBy.UNKNOWN, blank=True
    )
    drift_actor = models.CharField(_("name of who changed it"), max_length=320, blank=True)
    drift_actor_wanted_at = models.DateTimeField(
        _("who changed it, asked next at"), null=True, blank=True
    )
    held_password_version = models.PositiveIntegerField(
        _("password version held back"),
        null=True,
        blank=True,
        help_text=_("It may have been stolen: it is not sent, the next one will be."),
    )
    external_state = models.CharField(
        _("account over there"),
        max_length=9,
        choices=ExternalState,
        default=ExternalState.NORMAL,
        blank=True,
    )
    listed_at = models.DateTimeField(
        _("last listed over there"),
        null=True,
        blank=True,
        help_text=_("When the last scan began that found the account."),
    )

    problem = models.CharField(
        _("blocked because"), max_length=20, choices=Problem, default=Problem.NONE, blank=True
    )
    problem_text = models.TextField(_("what to do"), blank=True)
    refused_password_version = models.PositiveIntegerField(
        _("password version refused"), null=True, blank=True
    )
    refusal_text = models.TextField(_("why the password was refused"), blank=True)
    refused_attributes = models.JSONField(_("attributes refused"), default=dict, blank=True)
    attribute_problem = models.TextField(_("why attributes were refused"), blank=True)

    LIVE: ClassVar = models.Q(ended_at=None)
    manager_binding: Binding | None
    """The account of the person's manager, where ``attributes`` has loaded it."""

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
            models.Index(
                fields=["directory", "drift_actor_wanted_at"],
                condition=models.Q(ended_at=None, drift_actor_wanted_at__isnull=False),
                name="binding_actor_wanted",
            ),
        )

    def __str__(self) -> str:
        return f"{self.user} in {self.directory}"

    @property
    def is_managed(self) -> bool:
        """Whether the portal password has reached the account."""
        return self.taken_over_at is not None
