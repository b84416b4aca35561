"""The admin of directories, and what it adds to the admin of people: who is bound.

Bindings themselves are in ``passwordsync.admin``: their state is that of their jobs.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any

from allauth.account.decorators import reauthentication_required
from django.contrib import admin
from django.db.models import Count, OuterRef, QuerySet, Subquery
from django.db.models.functions import Coalesce
from django.http import HttpRequest, HttpResponse
from django.utils.html import format_html, format_html_join
from django.utils.safestring import SafeString
from django.utils.translation import gettext_lazy as _
from unfold.decorators import action

from accounts.admin import ADDRESSES, UserAdmin, UserForm, full_name
from accounts.admin_base import OperatorAdmin, badge, list_link, operator_of, shortened, since
from accounts.confirmations import Plan, Refused, Skipped
from accounts.models import User
from accounts.roles import is_allowed
from directories import bindings, registration
from directories.admin_forms import (
    AddDirectoryForm,
    BindForm,
    ChangeDirectoryForm,
    DirectoryForm,
    UnbindForm,
)
from directories.connectors import CONNECTORS
from directories.models import Binding, Directory

PAUSE_FIELDS = ("paused_reason", ("paused_at", "probe_at"))
ROLE_REFUSED = _("Nobody acts on themselves, or on somebody whose role is not below their own.")


@reauthentication_required
def ask_password_again(request: HttpRequest) -> None:
    """Lead to the portal's confirmation, and back to what was posted; it holds no secret."""


def live_bindings_of(field: str) -> Coalesce:
    """Count the live bindings of each row in one sub-query; ``field`` leads to the row."""
    live = Binding.objects.filter(Binding.LIVE, **{field: OuterRef("pk")}).order_by()
    count = live.values(field).annotate(count=Count("pk")).values("count")
    return Coalesce(Subquery(count), 0)


@admin.register(Directory)
class DirectoryAdmin(OperatorAdmin[Directory]):
    """Directories: their credentials go in as a file and never come out."""

    list_display = (
        "name",
        "kind",
        "domain",
        "state_badge",
        "people",
        "checked",
        "reason",
    )
    list_filter = ("kind",)
    search_fields = ("name", "domain")
    readonly_fields = (
        "tenant_id",
        "shown_verified_domains",
        "shown_federated_domains",
        "warnings",
        "credentials_changed_at",
        "check_requested_at",
        "checked_at",
        "paused_at",
        "paused_reason",
        "probe_at",
        "bound_people",
    )
    actions = ("check_now",)
    actions_detail = ("check_now_page",)

    # --- Form

    def get_fieldsets(self, request: HttpRequest, obj: Directory | None = None) -> Any:
        has_admin = obj is None or CONNECTORS[obj.kind].needs_admin_email
        fieldsets: list[tuple[Any, dict[str, Any]]] = [
            (None, {"fields": ("name", ("kind", "domain"))}),
            (
                _("Access"),
                {
                    "fields": (
                        *(("admin_email",) if has_admin else ()),
                        *(("credentials_file",) if self._may_edit(request, obj) else ()),
                        *(("credentials_changed_at",) if obj else ()),
                    )
                },
            ),
            (
                _("Rules"),
                {
                    "fields": (
                        *(("sends_clear_password",) if has_admin else ()),
                        "allows_privileged",
                    )
                },
            ),
        ]
        if obj is not None:
            fieldsets.insert(
                1,
                (
                    _("Connection"),
                    {
                        "fields": (
                            *(PAUSE_FIELDS if obj.is_paused else ()),
                            ("checked_at", "check_requested_at"),
                            "warnings",
                            "tenant_id",
                            ("shown_verified_domains", "shown_federated_domains"),
                            "bound_people",
                        )
                    },
                ),
            )
        return fieldsets

    def get_readonly_fields(
        self, request: HttpRequest, obj: Directory | None = None
    ) -> Sequence[str]:
        fields = [*super().get_readonly_fields(request, obj)]
        if obj is not None:
            # What is sealed belongs to them, and so does every binding.
            fields += ("kind", "domain")
        if not operator_of(request).is_superuser:
            fields.append("allows_privileged")
        return fields

    def get_form(
        self,
        request: HttpRequest,
        obj: Directory | None = None,
        change: bool = False,
        **kwargs: Any,
    ) -> type[DirectoryForm]:
        kwargs["form"] = ChangeDirectoryForm if obj else AddDirectoryForm
        form: type[DirectoryForm] = super().get_form(request, obj, change, **kwargs)
        form.operator = operator_of(request)
        return form

    def _may_edit(self, request: HttpRequest, obj: Directory | None) -> bool:
        return bool(
            self.has_change_permission(request, obj) if obj else self.has_add_permission(request)
        )

    def save_model(
        self, request: HttpRequest, obj: Directory, form: DirectoryForm, change: bool
    ) -> None:
        """Save what was changed; the form has had the credentials sealed, and a new row saved."""
        if change:
            names = {field.name for field in Directory._meta.fields}
            obj.save(update_fields=[name for name in form.changed_data if name in names])
        if not change or obj.check_requested_at:
            self.message_user(
                request, _("A worker checks the connection now; reload in a moment to see.")
            )

    # --- Columns

    def get_queryset(self, request: HttpRequest) -> QuerySet[Directory]:
        directories: QuerySet[Directory] = super().get_queryset(request)
        return directories.defer("credentials").annotate(
            live_bindings=live_bindings_of("directory")
        )

    @badge(
        description=_("state"),
        colours={"connected": "success", "paused": "danger", "unchecked": "warning"},
    )
    def state_badge(self, directory: Directory) -> tuple[str, object]:
        if directory.is_paused:
            return "paused", _("paused")
        if directory.checked_at is None:
            return "unchecked", _("not checked yet")
        return "connected", _("connected")

    @admin.display(description=_("people bound"))
    def people(self, directory: Directory) -> int:
        return directory.live_bindings  # type: ignore[attr-defined,no-any-return]

    @admin.display(description=_("last good check"), ordering="checked_at")
    def checked(self, directory: Directory) -> SafeString | str:
        return since(directory.checked_at)

    @admin.display(description=_("paused because"))
    def reason(self, directory: Directory) -> str:
        return shortened(directory.paused_reason)

    @admin.display(description=_("people bound"))
    def bound_people(self, directory: Directory) -> SafeString:
        count = self.people(directory)
        return list_link(Binding, count, directory__id__exact=directory.pk)

    @admin.display(description=_("verified domains"))
    def shown_verified_domains(self, directory: Directory) -> SafeString:
        return _lines(directory.verified_domains)

    @admin.display(description=_("federated domains"))
    def shown_federated_domains(self, directory: Directory) -> SafeString:
        return _lines(directory.federated_domains)

    @admin.display(description=_("warnings of the last check"))
    def warnings(self, directory: Directory) -> SafeString:
        return _lines(directory.check_warnings)

    # --- Actions

    @admin.action(description=_("Check now…"), permissions=["change"])
    def check_now(self, request: HttpRequest, queryset: QuerySet[Directory]) -> HttpResponse | None:
        plan = Plan.of(queryset, lambda _directory: None)
        title = _("Check the connection")
        if page := plan.ask(
            self,
            request,
            action="check_now",
            title=title,
            text=_(
                "A worker signs in to the directory and reads its id and domains; it changes "
                "nothing over there. Reload the list in a moment to see what it found."
            ),
            button=_("Check now"),
        ):
            return page
        for directory in plan.todo:
            registration.request_check(directory=directory)
        title = _("Check requested, reload in a moment to see")
        plan.report(self, request, title=title, done=len(plan.todo))
        return None

    @action(description=_("Check now"), url_path="check", permissions=["change"], icon="sync")
    def check_now_page(self, request: HttpRequest, object_id: str) -> HttpResponse | None:
        """Ask the same for one directory; the answer goes to the list's action."""
        return self.check_now(request, self.get_queryset(request).filter(pk=object_id))


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
        is_other_address = change and not set(ADDRESSES).isdisjoint(form.changed_data)
        if is_other_address and Binding.objects.filter(Binding.LIVE, user=obj).exists():
            ask_password_again(request)
        super().save_model(request, obj, form, change)

    def has_bind_permission(self, request: HttpRequest, obj: object = None) -> bool:
        return operator_of(request).has_perm("directories.add_binding")

    def has_unbind_permission(self, request: HttpRequest, obj: object = None) -> bool:
        return operator_of(request).has_perm("directories.change_binding")

    def why_addresses_locked(self, request: HttpRequest, user: User) -> object:
        """Say why: choosing which account receives a password equals resetting that account."""
        operator = operator_of(request)
        if operator.is_superuser and operator.pk != user.pk:
            return ""
        if not Binding.objects.filter(Binding.LIVE, user=user).exists():
            return ""
        if operator.pk == user.pk:
            return _("You are bound to a directory: another administrator has to change this.")
        return _(
            "This person is bound to a directory, and their addresses say which account receives "
            "their password. Only an administrator may change this."
        )

    # --- Columns

    @admin.display(description=_("bindings"), ordering="live_bindings")
    def bound_to(self, user: User) -> SafeString | str:
        count: int = user.live_bindings  # type: ignore[attr-defined]
        return list_link(Binding, count, user__id__exact=user.pk) if count else "0"

    @admin.display(description=_("bound to"))
    def bindings_by_directory(self, user: User) -> SafeString:
        live = Binding.objects.filter(Binding.LIVE, user=user).select_related("directory")
        lines = [f"{binding.directory}: {binding.external_address or '?'}" for binding in live]
        return format_html(
            "{}{}", _lines(lines), list_link(Binding, _("Show bindings"), user__id__exact=user.pk)
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


def _lines(texts: Iterable[object]) -> SafeString:
    return format_html_join("", "<div>{}</div>", ((text,) for text in texts))
