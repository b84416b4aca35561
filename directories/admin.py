"""The admin of directories; the state of bindings is that of their jobs, so it is there."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from django import forms
from django.contrib import admin
from django.db.models import QuerySet
from django.http import HttpRequest, HttpResponse
from django.utils.safestring import SafeString
from django.utils.translation import gettext_lazy as _
from unfold.dataclasses import UnfoldAction
from unfold.decorators import action
from unfold.widgets import UnfoldAdminTextInputWidget

from accounts.admin_base import OperatorAdmin, badge, list_link, operator_of, shortened, since
from accounts.confirmations import Plan, Skipped
from directories import budget, pausing, registration
from directories.admin_forms import AddDirectoryForm, ChangeDirectoryForm, DirectoryForm
from directories.admin_people import lines, live_bindings_of
from directories.connectors import CONNECTORS
from directories.models import Binding, Directory


class PauseForm(forms.Form):
    """What people who work here read while a directory is paused."""

    reason = forms.CharField(
        label=_("Reason"),
        max_length=200,
        widget=UnfoldAdminTextInputWidget,
        help_text=_("For other operators."),
    )


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
        "paused_by",
        "paused_reason",
        "probe_at",
        "scanned_at",
        "scan_problem",
        "pace",
        "bound_people",
    )
    actions = ("check_now", "pause", "resume")
    actions_detail: Sequence[str] = ("check_now_page", "pause_page", "resume_page")

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
                        "requests_per_minute",
                        *(("pace",) if obj else ()),
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
                            *(self._pause_fields(obj) if obj.is_paused else ()),
                            ("checked_at", "check_requested_at"),
                            "warnings",
                            "scanned_at",
                            *(("scan_problem",) if obj.scan_problem else ()),
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

    def _pause_fields(self, directory: Directory) -> Sequence[Any]:
        """An operator's pause is not probed."""
        ends_by = "paused_by" if directory.paused_by_id else "probe_at"
        return ("paused_reason", ("paused_at", ends_by))

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

    @admin.display(description=_("people"))
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

    @admin.display(description=_("pace"))
    def pace(self, directory: Directory) -> str:
        """Say how fast it goes; ``passwordsync.admin_sending`` adds how much waits."""
        return _(
            "%(minute)d requests a minute: %(fit)d passwords can be sent before a sealed one "
            "expires."
        ) % {
            "minute": round(budget.pace(directory) * 60),
            "fit": budget.fits_into_seal(directory),
        }

    # --- Actions

    def get_actions_detail(self, request: HttpRequest, object_id: Any) -> list[UnfoldAction]:
        """Offer to pause, and to resume, where there is something to it."""
        actions: list[UnfoldAction] = super().get_actions_detail(request, object_id)
        directory = self.get_object(request, object_id)
        if directory is None:
            return actions
        needless = {"pause": directory.paused_by_id is not None, "resume": not directory.is_paused}
        return [action for action in actions if not needless.get(action.path)]

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

    @admin.action(description=_("Pause…"), permissions=["change"])
    def pause(self, request: HttpRequest, queryset: QuerySet[Directory]) -> HttpResponse | None:
        plan = Plan.of(
            queryset.select_related("paused_by"),
            lambda row: Skipped(_("is paused by an operator")) if row.paused_by else None,
        )
        form = PauseForm(request.POST if "reason" in request.POST else None)
        title = _("Pause")
        if page := plan.ask(
            self,
            request,
            action="pause",
            title=title,
            text=_(
                "Nothing leaves for a paused directory until an operator resumes it: no password, "
                "no attribute, no check and no scan. Nothing is lost: what people do meanwhile "
                "waits. A password that waits longer than it may be kept is deleted, and the "
                "person is asked to log in once more."
            ),
            button=_("Pause"),
            form=form,
            about=form.cleaned_data["reason"] if form.is_valid() else "",
            is_dangerous=True,
        ):
            return page
        reason = form.cleaned_data["reason"]
        done = pausing.pause(directories=plan.todo, actor=operator_of(request), reason=reason)
        plan.report(self, request, title=title, done=done)
        return None

    @admin.action(description=_("Resume…"), permissions=["change"])
    def resume(self, request: HttpRequest, queryset: QuerySet[Directory]) -> HttpResponse | None:
        plan = Plan.of(queryset, lambda row: None if row.is_paused else Skipped(_("is not paused")))
        title = _("Resume")
        if page := plan.ask(
            self,
            request,
            action="resume",
            title=title,
            text=_(
                "What waits for these directories is sent, at their pace. One that paused by "
                "itself is checked first, and goes on only if that is good."
            ),
            button=_("Resume"),
        ):
            return page
        done = pausing.resume(directories=plan.todo, actor=operator_of(request))
        plan.report(self, request, title=title, done=done)
        return None

    @action(description=_("Pause"), url_path="pause", permissions=["change"], icon="pause")
    def pause_page(self, request: HttpRequest, object_id: str) -> HttpResponse | None:
        return self.pause(request, self.get_queryset(request).filter(pk=object_id))

    @action(description=_("Resume"), url_path="resume", permissions=["change"], icon="play_arrow")
    def resume_page(self, request: HttpRequest, object_id: str) -> HttpResponse | None:
        return self.resume(request, self.get_queryset(request).filter(pk=object_id))

    @action(description=_("Check now"), url_path="check", permissions=["change"], icon="sync")
    def check_now_page(self, request: HttpRequest, object_id: str) -> HttpResponse | None:
        """Ask the same for one directory; the answer goes to the list's action."""
        return self.check_now(request, self.get_queryset(request).filter(pk=object_id))
