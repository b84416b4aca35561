"""The admin of people and groups.

``UserAdmin`` is registered by ``directories.admin``, which adds what accounts cannot know: who is
bound.  Login events are in ``passwordsync.admin``, beside the jobs they released.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any, ClassVar

# They register what is unregistered below.
import allauth.account.admin
import allauth.mfa.admin
import allauth.usersessions.admin  # noqa: F401
import django.contrib.auth.admin  # noqa: F401
from allauth.account.models import EmailAddress
from allauth.mfa.models import Authenticator
from allauth.usersessions.models import UserSession
from django import forms
from django.contrib import admin
from django.contrib.auth.models import Group, Permission
from django.db.models import ManyToManyField, QuerySet
from django.http import HttpRequest, HttpResponse
from django.utils.safestring import SafeString
from django.utils.translation import gettext_lazy as _

from accounts import people
from accounts.admin_base import OperatorAdmin, badge, list_link, operator_of
from accounts.confirmations import Plan, Refused, Skipped
from accounts.models import User
from accounts.roles import may_edit
from accounts.signals import addresses_changed, record_changed

# What they show opens doors: the secret of a second factor, the key of a session.  An e-mail row
# would be a second truth beside the user's own.
admin.site.unregister([Authenticator, EmailAddress, UserSession, Group])

ADDRESSES = ("username", "email", "alternate_email")
"""Fields that say whose account is whose (decision 12)."""
MAILBOXES = ("email", "alternate_email")
ROLES = ("is_staff", "is_superuser", "groups", "user_permissions")
STATE_BADGES = {
    User.State.STAGED: "info",
    User.State.ACTIVE: "success",
    User.State.SUSPENDED: "danger",
}


class UserForm(forms.ModelForm[User]):
    """A person's record; ``addresses_locked`` says why this operator may not change addresses."""

    addresses_locked: ClassVar[object] = ""

    def clean(self) -> dict[str, Any]:
        cleaned: dict[str, Any] = super().clean() or self.cleaned_data
        if self.addresses_locked:
            for name in ADDRESSES:
                if name in cleaned and cleaned[name].lower() != getattr(self.instance, name):
                    self.add_error(name, str(self.addresses_locked))
        return cleaned


class UserAdmin(OperatorAdmin[User]):
    """People: no password is set or shown here, and nobody is deleted."""

    form = UserForm
    list_display: Sequence[str] = (
        "name",
        "username",
        "email",
        "state_badge",
        "password_badge",
        "role",
    )
    list_display_links = ("name", "username")
    list_filter = ("state", "is_staff", "is_superuser", "groups")
    search_fields = (
        "username",
        "email",
        "given_name",
        "family_name",
        "display_name",
        "employee_id",
    )
    search_help_text = _("Name, user name, e-mail or employee id")
    ordering = ("username",)
    autocomplete_fields = ("manager",)
    filter_horizontal = ("groups", "user_permissions")
    readonly_fields: Sequence[str] = (
        "shown_password_status",
        "password_version",
        "password_changed_at",
        "last_login",
        "created_at",
        "second_factor",
        "sign_ins",
    )
    fieldsets: ClassVar[Any] = (
        (
            None,
            {
                "fields": (
                    ("username", "email"),
                    ("alternate_email", "state"),
                    ("given_name", "family_name"),
                    "display_name",
                )
            },
        ),
        (
            _("Work"),
            {
                "fields": (
                    ("job_title", "department"),
                    ("division", "company"),
                    ("cost_center", "office_location"),
                    ("employee_id", "employee_type"),
                    "manager",
                    ("preferred_language", "time_zone"),
                ),
                "classes": ("tab",),
            },
        ),
        (
            _("Phone and address"),
            {
                "fields": (
                    ("work_phone", "mobile_phone"),
                    "street",
                    ("postal_code", "city"),
                    ("region", "country"),
                ),
                "classes": ("tab",),
            },
        ),
        (
            _("Sign-in"),
            {
                "fields": (
                    ("shown_password_status", "password_version"),
                    ("password_changed_at", "last_login"),
                    ("second_factor", "sign_ins"),
                    "created_at",
                ),
                "classes": ("tab",),
            },
        ),
        (
            _("Roles"),
            {
                "fields": (("is_staff", "is_superuser"), "groups", "user_permissions"),
                "classes": ("tab",),
            },
        ),
    )
    actions: Sequence[str] = (
        "activate",
        "suspend",
        "send_link",
        "demand_new_password",
        "remove_second_factor",
    )

    # --- Who may change what

    def has_change_permission(self, request: HttpRequest, obj: User | None = None) -> bool:
        is_allowed = obj is None or may_edit(operator_of(request), obj)
        return is_allowed and super().has_change_permission(request, obj)

    def has_administer_permission(self, request: HttpRequest, obj: object = None) -> bool:
        return operator_of(request).is_superuser

    def get_readonly_fields(self, request: HttpRequest, obj: User | None = None) -> Sequence[str]:
        fields = list(super().get_readonly_fields(request, obj))
        operator = operator_of(request)
        is_self = obj is not None and obj.pk == operator.pk
        if is_self or not operator.is_superuser:
            fields += ROLES
        if is_self:
            fields.append("state")
        if obj is None and not operator.is_superuser:
            # Activation mails go there: who chooses it chooses who gets the account.
            fields.append("alternate_email")
        return fields

    def get_fieldsets(self, request: HttpRequest, obj: User | None = None) -> Any:
        fieldsets = super().get_fieldsets(request, obj)
        if obj is not None:
            return fieldsets
        is_administrator = operator_of(request).is_superuser
        left_out = {"created_at"} if is_administrator else {"created_at", "groups"}
        return [part for part in fieldsets if left_out.isdisjoint(part[1]["fields"])]

    def get_form(
        self, request: HttpRequest, obj: User | None = None, change: bool = False, **kwargs: Any
    ) -> type[UserForm]:
        form: type[UserForm] = super().get_form(request, obj, change, **kwargs)
        form.addresses_locked = self.why_addresses_locked(request, obj) if obj else ""
        return form

    def why_addresses_locked(self, request: HttpRequest, user: User) -> object:
        """Say why this operator may not change this person's addresses; "" where they may."""
        return ""

    def formfield_for_manytomany(
        self, db_field: ManyToManyField[Any, Any], request: HttpRequest, **kwargs: Any
    ) -> Any:
        if db_field.name == "user_permissions":
            kwargs["queryset"] = Permission.objects.select_related("content_type")
        return super().formfield_for_manytomany(db_field, request, **kwargs)

    # --- Saving

    def save_model(self, request: HttpRequest, obj: User, form: UserForm, change: bool) -> None:
        """Save only what was changed: the person may set a password at the same moment."""
        if change:
            many = {field.name for field in User._meta.many_to_many}
            obj.save(update_fields=[name for name in form.changed_data if name not in many])
        else:
            obj.set_unusable_password()
            obj.save()
        record_changed.send(sender=User, user_ids=[obj.pk])
        if not change or "state" in form.changed_data:
            people.state_changed([(obj.pk, obj.state)])
        if change and not set(MAILBOXES).isdisjoint(form.changed_data):
            before = sorted({form.initial[name] for name in MAILBOXES} - {""})
            addresses_changed.send(sender=User, user=obj, old_addresses=before)

    # --- Columns

    @admin.display(description=_("name"), ordering="display_name")
    def name(self, user: User) -> str:
        return user.get_full_name()

    @badge(description=_("state"), ordering="state", colours=STATE_BADGES)
    def state_badge(self, user: User) -> tuple[str, str]:
        return user.state, user.get_state_display()

    @badge(
        description=_("password"),
        colours={
            User.PasswordStatus.ACTIVE: "success",
            **{status: "warning" for status in User.PasswordStatus if status != "active"},
        },
    )
    def password_badge(self, user: User) -> tuple[str, object]:
        return user.password_status, user.password_status.label

    @badge(
        description=_("operator"),
        ordering="is_staff",
        colours={"administrator": "primary", "operator": "info"},
    )
    def role(self, user: User) -> tuple[str, object] | str:
        if user.is_superuser:
            return "administrator", _("administrator")
        return ("operator", _("operator")) if user.is_staff else ""

    @admin.display(description=_("password status"))
    def shown_password_status(self, user: User) -> object:
        return user.password_status.label

    @admin.display(description=_("second factor"))
    def second_factor(self, user: User) -> str:
        kinds = Authenticator.objects.filter(user=user).values_list("type", flat=True)
        return ", ".join(str(Authenticator.Type(kind).label) for kind in kinds) or "-"

    @admin.display(description=_("login events"))
    def sign_ins(self, user: User) -> SafeString:
        return list_link("accounts.loginevent", _("Show"), user__id__exact=user.pk)

    # --- Actions

    @admin.action(description=_("Activate…"), permissions=["change"])
    def activate(self, request: HttpRequest, queryset: QuerySet[User]) -> HttpResponse | None:
        return self._set_state(
            request,
            queryset,
            User.State.ACTIVE,
            action="activate",
            title=_("Activate people"),
            text=_(
                "They may sign in from now on. New people get a mail with a link to set their "
                "password, the others one for each directory they were bound to meanwhile."
            ),
            button=_("Activate"),
        )

    @admin.action(description=_("Suspend…"), permissions=["change"])
    def suspend(self, request: HttpRequest, queryset: QuerySet[User]) -> HttpResponse | None:
        return self._set_state(
            request,
            queryset,
            User.State.SUSPENDED,
            action="suspend",
            title=_("Suspend people"),
            text=_(
                "They are signed out and cannot sign in; nothing more is sent to their "
                "directories. The accounts over there stay as they are."
            ),
            button=_("Suspend"),
            is_dangerous=True,
        )

    def _set_state(
        self, request: HttpRequest, queryset: QuerySet[User], state: User.State, **page: Any
    ) -> HttpResponse | None:
        operator = operator_of(request)

        def judge(user: User) -> Skipped | Refused | None:
            if user.pk == operator.pk:
                return Refused(_("Nobody changes their own state."))
            if not may_edit(operator, user):
                return Refused(_("Their role is not below yours."))
            return Skipped(user.get_state_display()) if user.state == state else None

        return self._act(
            request,
            Plan.of(queryset, judge),
            lambda users: people.set_state(users=users, state=state, actor=operator),
            **page,
        )

    @admin.action(description=_("Send a link to set a password…"), permissions=["change"])
    def send_link(self, request: HttpRequest, queryset: QuerySet[User]) -> HttpResponse | None:
        operator = operator_of(request)

        def judge(user: User) -> Skipped | Refused | None:
            if user.pk != operator.pk and not may_edit(operator, user):
                return Refused(_("Their role is not below yours."))
            return None if user.is_active else Skipped(user.get_state_display())

        return self._act(
            request,
            Plan.of(queryset, judge),
            lambda users: len(
                {link.user_id for link in people.send_links(users=users, actor=operator)}
            ),
            action="send_link",
            title=_("Send a link to set a password"),
            text=_(
                "New people get their activation mail once more, everybody else a link as if "
                "they had forgotten their password. It goes to the company address and, where "
                "there is one, the alternate address."
            ),
            button=_("Send"),
        )

    @admin.action(description=_("Demand a new password…"), permissions=["change"])
    def demand_new_password(
        self, request: HttpRequest, queryset: QuerySet[User]
    ) -> HttpResponse | None:
        operator = operator_of(request)

        def judge(user: User) -> Skipped | Refused | None:
            if user.pk != operator.pk and not may_edit(operator, user):
                return Refused(_("Their role is not below yours."))
            if not user.has_usable_password() or user.password_demanded_at:
                return Skipped(user.password_status.label)
            return None

        return self._act(
            request,
            Plan.of(queryset, judge),
            lambda users: people.demand_new_password(users=users, actor=operator),
            action="demand_new_password",
            title=_("Demand a new password"),
            text=_(
                "The portal lets them do nothing but choose a new password, which is then sent "
                "to their directories. Until they do, the present one stays valid over there."
            ),
            button=_("Demand"),
        )

    def _act(
        self,
        request: HttpRequest,
        plan: Plan[User],
        deed: Callable[[list[User]], int],
        **page: Any,
    ) -> HttpResponse | None:
        """Ask, act, report."""
        if asking := plan.ask(self, request, naming=full_name, **page):
            return asking
        plan.report(self, request, title=page["title"], done=deed(plan.todo))
        return None

    @admin.action(description=_("Remove second factor…"), permissions=["administer"])
    def remove_second_factor(
        self, request: HttpRequest, queryset: QuerySet[User]
    ) -> HttpResponse | None:
        operator = operator_of(request)
        users = list(queryset)
        having = set(Authenticator.objects.filter(user__in=users).values_list("user_id", flat=True))

        def judge(user: User) -> Skipped | Refused | None:
            if user.pk == operator.pk:
                return Refused(_("Nobody removes their own second factor here."))
            return None if user.pk in having else Skipped(_("has none"))

        plan = Plan.of(users, judge)
        title = _("Remove second factor")
        if page := plan.ask(
            self,
            request,
            action="remove_second_factor",
            title=title,
            text=_(
                "Their authenticator apps and recovery codes stop working; they sign in with the "
                "password alone until they set up new ones. Make sure that it is really them "
                "who ask."
            ),
            button=title,
            naming=full_name,
            is_dangerous=True,
        ):
            return page
        done = 0
        for user in plan.todo:
            done += people.remove_second_factor(request, user=user, actor=operator)
        plan.report(self, request, title=title, done=done)
        return None


def full_name(user: User) -> str:
    """Name a person so that nobody is taken for somebody else."""
    return f"{user} <{user.email}>"


@admin.register(Group)
class GroupAdmin(OperatorAdmin[Group]):
    """Groups of operators; administrators alone decide what a group may do."""

    list_display = ("name",)
    search_fields = ("name",)
    filter_horizontal = ("permissions",)

    def has_add_permission(self, request: HttpRequest) -> bool:
        return operator_of(request).is_superuser

    def has_change_permission(self, request: HttpRequest, obj: Group | None = None) -> bool:
        return operator_of(request).is_superuser

    def has_delete_permission(self, request: HttpRequest, obj: Group | None = None) -> bool:
        return operator_of(request).is_superuser

    def formfield_for_manytomany(
        self, db_field: ManyToManyField[Any, Any], request: HttpRequest, **kwargs: Any
    ) -> Any:
        if db_field.name == "permissions":
            kwargs["queryset"] = Permission.objects.select_related("content_type")
        return super().formfield_for_manytomany(db_field, request, **kwargs)
