"""The admin of what people receive and see: the organisation, mails, bookmarks."""

from __future__ import annotations

import logging
from collections.abc import Iterable, Sequence
from typing import Any, ClassVar

from django.contrib import admin, messages
from django.core.exceptions import PermissionDenied
from django.db.models import Q, QuerySet, URLField
from django.http import HttpRequest, HttpResponse, HttpResponseRedirect
from django.shortcuts import get_object_or_404, redirect
from django.template.response import TemplateResponse
from django.urls import reverse
from django.utils import timezone
from django.utils.safestring import SafeString
from django.utils.translation import gettext_lazy as _
from unfold.decorators import action
from unfold.widgets import UnfoldAdminURLInputWidget

from accounts.admin_base import (
    LargeTableAdmin,
    OperatorAdmin,
    badge,
    change_link,
    operator_of,
    shortened,
    since,
)
from accounts.confirmations import Plan, Skipped
from portal import mails, organisation, outbox
from portal.models import Bookmark, Mail, MailText, Organisation

logger = logging.getLogger(__name__)

WEB_ADDRESSES: Any = {
    URLField: {"widget": UnfoldAdminURLInputWidget, "assume_scheme": "https"},
}
MAIL_BADGES = {"waiting": "info", "failed": "danger", "sent": "success", "cancelled": "default"}


@admin.register(Organisation)
class OrganisationAdmin(OperatorAdmin[Organisation]):
    """The one row; its list leads to it."""

    formfield_overrides = WEB_ADDRESSES
    fieldsets: ClassVar[Any] = (
        (None, {"fields": ("name",)}),
        (
            _("Whom people ask"),
            {
                "fields": (
                    ("help_desk", "help_desk_email"),
                    ("help_desk_phone", "help_desk_url"),
                ),
                "description": _("Shown in every mail, and in the portal where an operator acts."),
            },
        ),
    )

    def has_add_permission(self, request: HttpRequest) -> bool:
        return False

    def has_delete_permission(self, request: HttpRequest, obj: object = None) -> bool:
        return False

    def changelist_view(
        self, request: HttpRequest, extra_context: dict[str, Any] | None = None
    ) -> HttpResponse:
        if not self.has_view_or_change_permission(request):
            raise PermissionDenied
        row = organisation.current()
        if row._state.adding:
            row.save()
        return redirect("admin:portal_organisation_change", row.pk)


@admin.register(MailText)
class MailTextAdmin(OperatorAdmin[MailText]):
    """The organisation's own paragraph in each kind of mail, with a preview and a test."""

    list_display = ("mail", "short_paragraph")
    fields = ("kind", "paragraph")
    readonly_fields = ("kind",)
    actions_detail = ("preview",)

    def has_add_permission(self, request: HttpRequest) -> bool:
        return False

    def has_delete_permission(self, request: HttpRequest, obj: object = None) -> bool:
        return False

    def changelist_view(
        self, request: HttpRequest, extra_context: dict[str, Any] | None = None
    ) -> HttpResponse:
        MailText.objects.bulk_create(
            (MailText(kind=kind) for kind in Mail.Kind.values), ignore_conflicts=True
        )
        answer: HttpResponse = super().changelist_view(request, extra_context)
        return answer

    @admin.display(description=_("mail"), ordering="kind")
    def mail(self, text: MailText) -> str:
        return text.get_kind_display()

    @admin.display(description=_("own paragraph"))
    def short_paragraph(self, text: MailText) -> SafeString | str:
        return shortened(text.paragraph)

    @action(description=_("Preview and test"), url_path="preview", permissions=["change"])
    def preview(self, request: HttpRequest, object_id: str) -> HttpResponse:
        """Show the mail as the operator would get it, and send them one if they ask."""
        if not self.has_change_permission(request):
            raise PermissionDenied
        text = get_object_or_404(MailText, pk=object_id)
        operator = operator_of(request)
        if request.method == "POST":
            self._send_test(request, text)
            return HttpResponseRedirect(request.path)
        context = {
            **self.admin_site.each_context(request),
            "opts": self.opts,
            "title": text.get_kind_display(),
            "mail": mails.sample(text.kind, person=operator),
            "address": operator.email,
            "back_url": reverse("admin:portal_mailtext_change", args=[text.pk]),
        }
        return TemplateResponse(request, "admin/portal/mail_preview.html", context)

    def _send_test(self, request: HttpRequest, text: MailText) -> None:
        operator = operator_of(request)
        try:
            mails.sample_message(text.kind, person=operator).send()
        except OSError as error:  # SMTPException is one
            logger.warning("A test mail could not be sent: %s", type(error).__name__)
            messages.error(request, _("The mail server refused it: %s") % error)
        else:
            messages.success(request, _("A test was sent to %s.") % operator.email)


class MailStateFilter(admin.SimpleListFilter):
    """What became of a mail."""

    title = _("state")
    parameter_name = "state"
    states: ClassVar = {
        "waiting": Mail.WAITING & Q(error=""),
        "failed": Mail.WAITING & ~Q(error=""),
        "sent": Q(sent_at__isnull=False),
        "cancelled": Q(cancelled_at__isnull=False),
    }

    def lookups(self, request: HttpRequest, model_admin: Any) -> Iterable[tuple[str, Any]]:
        return [
            ("waiting", _("waiting")),
            ("failed", _("failed, tried again")),
            ("sent", _("sent")),
            ("cancelled", _("cancelled")),
        ]

    def queryset(self, request: HttpRequest, queryset: QuerySet[Mail]) -> QuerySet[Mail]:
        wanted = self.states.get(self.value() or "")
        return queryset if wanted is None else queryset.filter(wanted)


@admin.register(Mail)
class MailAdmin(LargeTableAdmin[Mail]):
    """The outbox, and for ever the audit of what was sent; never a link."""

    list_display = ("person", "address", "kind", "state_badge", "age", "attempts", "short_error")
    list_select_related = ("user",)
    list_filter = (MailStateFilter, "kind")
    search_fields = ("address", "user__username", "user__email", "user__display_name")
    search_help_text = _("Person or address")
    sortable_by = ()
    actions: Sequence[str] = ("send_now",)
    fields = (
        ("person_page", "address"),
        ("kind", "binding"),
        ("created_at", "sent_at"),
        ("attempts", "next_attempt_at"),
        ("cancelled_at", "error"),
    )
    readonly_fields = ("person_page",)

    def has_operate_permission(self, request: HttpRequest, obj: object = None) -> bool:
        return operator_of(request).has_perm("portal.change_mail")

    @admin.display(description=_("person"))
    def person(self, mail: Mail) -> str:
        return str(mail.user)

    @admin.display(description=_("person"))
    def person_page(self, mail: Mail) -> SafeString | str:
        return change_link(mail.user)

    @badge(description=_("state"), colours=MAIL_BADGES)
    def state_badge(self, mail: Mail) -> tuple[str, object]:
        if mail.sent_at:
            return "sent", _("sent")
        if mail.cancelled_at:
            return "cancelled", _("cancelled")
        return ("failed", _("failed")) if mail.error else ("waiting", _("waiting"))

    @admin.display(description=_("age"))
    def age(self, mail: Mail) -> SafeString | str:
        return since(mail.created_at)

    @admin.display(description=_("error"))
    def short_error(self, mail: Mail) -> SafeString | str:
        return shortened(mail.error, 60)

    @admin.action(description=_("Send now…"), permissions=["operate"])
    def send_now(self, request: HttpRequest, queryset: QuerySet[Mail]) -> HttpResponse | None:
        now = timezone.now()

        def judge(mail: Mail) -> Skipped | None:
            if mail.sent_at or mail.cancelled_at:
                return Skipped(_("sent already") if mail.sent_at else _("cancelled"))
            return Skipped(_("is being sent")) if outbox.is_claimed(mail, now) else None

        plan = Plan.of(queryset.select_related("user"), judge)
        title = _("Send now")
        if page := plan.ask(
            self,
            request,
            action="send_now",
            title=title,
            text=_("These mails are sent at once instead of at their next time."),
            button=title,
            naming=lambda mail: f"{mail.get_kind_display()}: {mail.address}",
        ):
            return page
        plan.report(self, request, title=title, done=outbox.send_now(plan.todo))
        return None


@admin.register(Bookmark)
class BookmarkAdmin(OperatorAdmin[Bookmark]):
    """Links on the home page, for everybody or for those in a directory."""

    formfield_overrides = WEB_ADDRESSES
    list_display = ("label", "address", "for_whom", "position")
    list_editable = ("position",)
    list_select_related = ("directory",)
    list_filter = (("directory", admin.RelatedFieldListFilter),)
    search_fields = ("label", "address")
    fields = (("label", "icon"), "address", "description", ("directory", "position"))

    def has_delete_permission(self, request: HttpRequest, obj: object = None) -> bool:
        return operator_of(request).has_perm("portal.delete_bookmark")

    @admin.display(description=_("for people in"), ordering="directory__name")
    def for_whom(self, bookmark: Bookmark) -> object:
        return bookmark.directory.name if bookmark.directory else _("everybody")
