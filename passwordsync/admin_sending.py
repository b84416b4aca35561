"""The admin page of what a directory receives and when; it shows the effect before it saves.

Directories are registered here, with this page: what a change does to people is known by their
jobs, which the app of directories does not know.
"""

from __future__ import annotations

import json
from typing import Any, ClassVar, Final

from django import forms
from django.contrib import admin, messages
from django.core.exceptions import PermissionDenied, ValidationError
from django.db.models import Count, OuterRef, QuerySet, Subquery
from django.db.models.functions import Coalesce
from django.http import HttpRequest, HttpResponse, HttpResponseRedirect
from django.shortcuts import get_object_or_404
from django.template.response import TemplateResponse
from django.urls import reverse
from django.utils.text import capfirst
from django.utils.translation import gettext_lazy as _
from unfold.decorators import action
from unfold.widgets import (
    UnfoldAdminRadioSelectWidget,
    UnfoldAdminSelectWidget,
    UnfoldAdminTextInputWidget,
)

from accounts.admin_base import operator_of, shortened
from accounts.models import User
from directories import attributes, budget
from directories.admin import DirectoryAdmin
from directories.connectors import CONNECTORS
from directories.models import Binding, Directory
from passwordsync import sending_settings
from passwordsync.models import Status, SyncJob

TO: Final = "to_"
"""Begins the names of the fields that say where an attribute goes."""


class SendingForm(forms.ModelForm[Directory]):
    """The four settings, the mapping with a choice for each attribute, and somebody to preview."""

    person = forms.CharField(
        label=_("Preview for"),
        required=False,
        widget=UnfoldAdminTextInputWidget,
        help_text=_("User name or company e-mail of somebody in this directory."),
    )

    class Meta:
        model = Directory
        fields = sending_settings.SETTINGS[1:]
        widgets: ClassVar = dict.fromkeys(
            sending_settings.SETTINGS[1:], UnfoldAdminRadioSelectWidget
        )

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        fields = CONNECTORS[self.instance.kind].fields
        for attribute in attributes.ATTRIBUTES:
            names = attributes.targets(self.instance.kind, attribute)
            choices = [(name, f"{fields[name].label} ({name})") for name in names]
            self.fields[TO + attribute] = forms.ChoiceField(
                label=capfirst(attributes.label(attribute)),
                choices=[("", _("not sent")), *choices],
                required=False,
                initial=self.instance.mapping.get(attribute, ""),
                widget=UnfoldAdminSelectWidget,
            )

    @property
    def of_mapping(self) -> list[forms.BoundField]:
        return [self[TO + attribute] for attribute in attributes.ATTRIBUTES]

    @property
    def of_moments(self) -> list[forms.BoundField]:
        return [field for field in self if not field.name.startswith(TO)]

    def clean(self) -> dict[str, Any]:
        """Put the mapping together; two attributes cannot go to one field."""
        mapping: dict[str, str] = {}
        for attribute in attributes.ATTRIBUTES:
            if name := self.cleaned_data.get(TO + attribute):
                if name in mapping.values():
                    self.add_error(
                        TO + attribute, _("Another attribute goes to this field: choose one.")
                    )
                mapping[attribute] = name
        return self.cleaned_data | {"mapping": mapping}

    def clean_person(self) -> Binding | None:
        login: str = self.cleaned_data["person"].strip().lower()
        if not login:
            return None
        user = User.objects.find(login)
        binding = Binding.objects.filter(Binding.LIVE, directory=self.instance, user=user).first()
        if user is None or binding is None:
            raise ValidationError(_("Nobody in this directory has that name."))
        binding.user = user
        return binding

    def settings(self) -> dict[str, Any]:
        """Get the chosen settings, by name."""
        return {name: self.cleaned_data[name] for name in sending_settings.SETTINGS}

    def _post_clean(self) -> None:
        """Leave the row as it is: it is compared with what was chosen."""


@admin.register(Directory)
class SendingDirectoryAdmin(DirectoryAdmin):
    """Directories, with the page of what they receive."""

    actions_detail = (*DirectoryAdmin.actions_detail, "sending")

    def get_queryset(self, request: HttpRequest) -> QuerySet[Directory]:
        queued = SyncJob.objects.filter(
            directory=OuterRef("pk"), status=Status.QUEUED, sends_password=True
        )
        count = queued.order_by().values("directory").annotate(count=Count("pk")).values("count")
        return super().get_queryset(request).annotate(queued=Coalesce(Subquery(count), 0))

    @admin.display(description=_("pace"))
    def pace(self, directory: Directory) -> str:
        """Say how fast it goes, and whether what waits is more than fits."""
        waiting = _("Queued now: %d.") % self._queued(directory)
        return " ".join(map(str, (super().pace(directory), waiting, self._backlog(directory))))

    @admin.display(description=_("needs attention"))
    def reason(self, directory: Directory) -> str:
        scan = _("The scan fails: %s") % directory.scan_problem if directory.scan_problem else ""
        return super().reason(directory) or self._backlog(directory) or shortened(scan)

    def _backlog(self, directory: Directory) -> str:
        if self._queued(directory) <= budget.fits_into_seal(directory):
            return ""
        return str(
            _(
                "More passwords are queued than can be sent before they expire: some people will "
                "be asked to log in once more. Ask the provider for a higher quota, and enter it."
            )
        )

    def _queued(self, directory: Directory) -> int:
        return directory.queued  # type: ignore[attr-defined,no-any-return]

    @action(description=_("What is sent"), url_path="sending", permissions=["change"], icon="send")
    def sending(self, request: HttpRequest, object_id: str) -> HttpResponse:
        """Show the settings; "Show effect" counts whom a change touches, then it can be saved."""
        if not self.has_change_permission(request):
            raise PermissionDenied
        directory = get_object_or_404(Directory, pk=object_id)
        form = SendingForm(request.POST or None, instance=directory)
        context: dict[str, Any] = {
            **self.admin_site.each_context(request),
            "opts": self.opts,
            "title": directory.name,
            "form": form,
            "back_url": reverse("admin:directories_directory_change", args=[directory.pk]),
        }
        if request.method == "POST" and form.is_valid():
            settings = form.settings()
            other = sending_settings.changed(directory, **settings)
            answer = repr(sorted(settings.items()))
            if request.POST.get("confirmed") == answer:
                sending_settings.change(directory=directory, actor=operator_of(request), **settings)
                messages.success(request, _("Saved. Those it touches are looked at now."))
                return HttpResponseRedirect(request.path)
            context |= {"effect": sending_settings.effect(directory, other), "answer": answer}
            if binding := form.cleaned_data["person"]:
                shown = sending_settings.preview(binding, other)
                context["person"] = binding.user
                context["preview"] = json.dumps(shown, indent=2, ensure_ascii=False)
        return TemplateResponse(request, "admin/passwordsync/sending.html", context)
