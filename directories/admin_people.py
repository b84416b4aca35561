"""People in the admin, with what they are bound to.

Registered here and not in accounts, which knows nothing of bindings.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from allauth.account.decorators import reauthentication_required
from django.contrib import admin
from django.db.models import Count, OuterRef, QuerySet, Subquery
from django.db.models.functions import Coalesce
from django.http import HttpRequest, HttpResponse
from django.utils.html import format_html, format_html_join
from django.utils.safestring import SafeString
from django.utils.translation import gettext_lazy as _

from accounts.admin import ADDRESSES, UserAdmin, UserForm, full_name
from accounts.admin_base import OperatorAdmin, list_link, operator_of
from accounts.confirmations import Plan, Refused, Skipped
from accounts.models import User
from accounts.roles import is_allowed
from directories import bindings
from directories.admin_forms import BindForm, UnbindForm
from directories.models import Binding, Directory

ROLE_REFUSED = _("Nobody acts on themselves, or on somebody whose role is not below their own.")


@reauthentication_required
def ask_password_again(request: HttpRequest) -> None:
    """Lead to the portal's confirmation, and back to what was posted; it holds no secret."""


def live_bindings_of(field: str) -> Coalesce:
    """Count the live bindings of each row in one sub-query; ``field`` leads to the row."""
    live = Binding.objects.filter(Binding.LIVE, **{field: OuterRef("pk")}).order_by()
    count = live.values(field).annotate(count=Count("pk")).values("count")
    return Coalesce(Subquery(count), 0)


@admin.register(User)
class PersonAdmin(UserAdmin):
    """People, with what they are bound to."""

    list_display = (*UserAdmin.list_display[:-1], "bound_to", UserAdmin.list_display[-1])
    readonly_fields = (*UserAdmin.readonly_fields, "bindings_by_directory")
    actions = ("bind_people", "end_bindings", *UserAdmin.actions)

    def get_queryset(self, request: HttpRequest) -> QuerySet[User]:
        users: QuerySet[User] = super().get_queryset(request)
        return users.annotate(live_bindings=live_bindings_of("user"))

    def get_fieldsets(self, request: HttpRequest, obj: User | None = None) -> Any:
        fieldsets = super().get_fieldsets(request, obj)
        if obj is None:
            return fieldsets
        (title, options), *others = fieldsets
        fields = (*options["fields"], "bindings_by_directory")
        return [(title, {**options, "fields": fields}), *others]

    def save_model(self, request: HttpRequest, obj: User, form: UserForm, change: bool) -> None:
        """Save; the password is asked again where whose account is whose may change."""
        if change and not set(ADDRESSES).isdisjoint(form.changed_data):
            ask_password_again(request)
        super().save_model(request, obj, form, change)

    def has_bind_permission(self, request: HttpRequest, obj: object = None) -> bool:
        return operator_of(request).has_perm("directories.add_binding")

    def has_unbind_permission(self, request: HttpRequest, obj: object = None) -> bool:
        return operator_of(request).has_perm("directories.change_binding")

    def why_addresses_locked(self, request: HttpRequest, user: User) -> object:
        """Say why: choosing which account receives a password equals resetting that account."""
        operator = operator_of(request)
        if not operator.is_superuser:
            # Bound or not: an address that is free here may be somebody's account over there.
            return _(
                "A person's addresses say which account receives their password. Only an "
                "administrator may change them."
            )
        if operator.pk == user.pk and Binding.objects.filter(user=user).exists():
            return _("You are bound to a directory: another administrator has to change this.")
        return ""

    # --- Columns

    @admin.display(description=_("bindings"), ordering="live_bindings")
    def bound_to(self, user: User) -> SafeString | str:
        count: int = user.live_bindings  # type: ignore[attr-defined]
        return list_link(Binding, count, user__id__exact=user.pk) if count else "0"

    @admin.display(description=_("bound to"))
    def bindings_by_directory(self, user: User) -> SafeString:
        live = Binding.objects.filter(Binding.LIVE, user=user).select_related("directory")
        names = [f"{binding.directory}: {binding.external_address or '?'}" for binding in live]
        return format_html(
            "{}{}", lines(names), list_link(Binding, _("Show bindings"), user__id__exact=user.pk)
        )

    # --- Actions

    @admin.action(description=_("Bind to a directory…"), permissions=["bind"])
    def bind_people(self, request: HttpRequest, queryset: QuerySet[User]) -> HttpResponse | None:
        operator = operator_of(request)
        form = BindForm(request.POST if "directory" in request.POST else None)
        directory: Directory | None = form.cleaned_data["directory"] if form.is_valid() else None
        users = list(queryset)
        bound = set(
            Binding.objects.filter(Binding.LIVE, directory=directory, user__in=users).values_list(
                "user_id", flat=True
            )
        )

        def judge(user: User) -> Skipped | Refused | None:
            if user.pk in bound:
                return Skipped(_("is bound to it already"))
            return None if is_allowed(operator, user) else Refused(ROLE_REFUSED)

        plan = Plan.of(users, judge)
        title = _("Bind to a directory")
        if page := plan.ask(
            self,
            request,
            action="bind_people",
            title=title,
            text=_(
                "A worker looks for each person's account over there by their company e-mail. "
                "The first time they sign in to the portal after that, their portal password "
                "replaces the password of that account."
            ),
            button=_("Bind"),
            naming=full_name,
            form=form,
            about=directory.pk if directory else "",
        ):
            return page
        if directory is None:  # the plan asks until one is chosen
            return None
        made = bindings.bind(directory=directory, users=plan.todo, actor=operator)
        plan.report(self, request, title=_("Bind to %s") % directory, done=len(made))
        return None

    @admin.action(description=_("End bindings…"), permissions=["unbind"])
    def end_bindings(self, request: HttpRequest, queryset: QuerySet[User]) -> HttpResponse | None:
        form = UnbindForm(request.POST if "directory" in request.POST else None)
        live = Binding.objects.filter(Binding.LIVE, user__in=list(queryset))
        directory: Directory | None = form.cleaned_data["directory"] if form.is_valid() else None
        if directory is not None:
            live = live.filter(directory=directory)
        return end_bindings(
            self,
            request,
            live.select_related("user", "directory"),
            action="end_bindings",
            form=form,
            about=directory.pk if directory else "all" if form.is_valid() else "",
        )


def end_bindings(
    model_admin: OperatorAdmin[Any],
    request: HttpRequest,
    chosen: Iterable[Binding],
    **page: Any,
) -> HttpResponse | None:
    """End bindings once the operator agrees; the list of bindings offers the same."""
    operator = operator_of(request)

    def judge(binding: Binding) -> Skipped | Refused | None:
        if binding.ended_at is not None:
            return Skipped(_("has ended already"))
        return None if is_allowed(operator, binding.user) else Refused(ROLE_REFUSED)

    plan = Plan.of(chosen, judge)
    title = _("End bindings")
    if asking := plan.ask(
        model_admin,
        request,
        title=title,
        text=_(
            "Nothing more is sent to these accounts, and what waits for them is cancelled. The "
            "accounts over there stay, with the password they have."
        ),
        button=title,
        naming=binding_name,
        is_dangerous=True,
        **page,
    ):
        return asking
    done = bindings.unbind(bindings=plan.todo, actor=operator)
    plan.report(model_admin, request, title=title, done=done)
    return None


def binding_name(binding: Binding) -> str:
    """Name a binding with both ends, so that nobody is taken for somebody else."""
    return f"{full_name(binding.user)} in {binding.directory}"


def lines(texts: Iterable[object]) -> SafeString:
    return format_html_join("", "<div>{}</div>", ((text,) for text in texts))
