"""The admin of directories; the state of bindings is that of their jobs, so it is there."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from django.contrib import admin
from django.db.models import QuerySet
from django.http import HttpRequest, HttpResponse
from django.utils.safestring import SafeString
from django.utils.translation import gettext_lazy as _
from unfold.decorators import action

from accounts.admin_base import OperatorAdmin, badge, list_link, operator_of, shortened, since
from accounts.confirmations import Plan
from directories import registration
from directories.admin_forms import AddDirectoryForm, ChangeDirectoryForm, DirectoryForm
from directories.admin_people import lines, live_bindings_of
from directories.connectors import CONNECTORS
from directories.models import Binding, Directory

PAUSE_FIELDS = ("paused_reason", ("paused_at", "probe_at"))


class DirectoryAdmin(OperatorAdmin[Directory]):
    """Directories: their credentials go in as a file and never come out.

    Registered by ``passwordsync.admin_sending``, which adds what they receive.
    """

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
    actions_detail: Sequence[str] = ("check_now_page",)

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
        return lines(directory.verified_domains)

    @admin.display(description=_("federated domains"))
    def shown_federated_domains(self, directory: Directory) -> SafeString:
        return lines(directory.federated_domains)

    @admin.display(description=_("warnings of the last check"))
    def warnings(self, directory: Directory) -> SafeString:
        return lines(directory.check_warnings)

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
