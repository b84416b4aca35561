"""Forms of the admin: a directory with its credentials file, and the choice of a directory."""

from __future__ import annotations

from typing import Any, ClassVar, Final

from django import forms
from django.core.exceptions import NON_FIELD_ERRORS, ValidationError
from django.core.files.uploadedfile import UploadedFile
from django.utils.translation import gettext_lazy as _
from unfold.widgets import UnfoldAdminFileFieldWidget, UnfoldAdminSelectWidget

from accounts.models import User
from directories import registration
from directories.connectors import CONNECTORS
from directories.models import Directory

CREDENTIALS_LIMIT: Final = 64 * 1024
"""The most bytes of a credentials file; real ones have some 3,000."""


class DirectoryForm(forms.ModelForm[Directory]):
    """A directory whose credentials come as a file, which is sealed and never shown again.

    The service that seals also says what is wrong with the file, so it is called as the last part
    of the validation; the admin validates once, inside the request's transaction.
    """

    operator: ClassVar[User | None] = None

    credentials_file = forms.FileField(
        label=_("Credentials file"),
        widget=UnfoldAdminFileFieldWidget(attrs={"accept": ".json,application/json"}),
        help_text=_(
            "Google Workspace: the JSON key file of the service account. Entra ID: JSON with "
            "tenant_id, client_id and client_secret, or certificate. It is sealed at once and "
            "never shown again."
        ),
    )

    def clean_credentials_file(self) -> bytes | None:
        file: UploadedFile[bytes] | None = self.cleaned_data["credentials_file"]
        if not file:
            return None
        if (file.size or 0) > CREDENTIALS_LIMIT:
            raise ValidationError(_("The file is too large to hold credentials: choose again."))
        content: bytes = file.read()
        return content

    def full_clean(self) -> None:
        super().full_clean()
        if not self.is_bound or self.errors:
            return
        try:
            self.register(self.cleaned_data["credentials_file"])
        except ValidationError as error:
            self._add_service_errors(error)

    def register(self, credentials: bytes | None) -> None:
        raise NotImplementedError

    def _add_service_errors(self, error: ValidationError) -> None:
        by_field = error.error_dict if hasattr(error, "error_dict") else {NON_FIELD_ERRORS: [error]}
        for name, errors in by_field.items():
            field = "credentials_file" if name == "credentials" else name
            self.add_error(field if field in self.fields else None, errors)


class AddDirectoryForm(DirectoryForm):
    def clean_domain(self) -> str:
        return str(self.cleaned_data["domain"]).strip().lower()

    def register(self, credentials: bytes | None) -> None:
        registration.add_directory(
            directory=self.instance, credentials=credentials or b"", actor=self.operator
        )


class ChangeDirectoryForm(DirectoryForm):
    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        if "credentials_file" in self.fields:
            self.fields["credentials_file"].required = False
            self.fields["credentials_file"].label = _("New credentials file")

    def clean_admin_email(self) -> str:
        admin_email: str = self.cleaned_data["admin_email"]
        if not admin_email and CONNECTORS[self.instance.kind].needs_admin_email:
            raise ValidationError(_("Name the administrator the service account acts as."))
        return admin_email

    def register(self, credentials: bytes | None) -> None:
        if credentials:
            registration.replace_credentials(
                directory=self.instance, credentials=credentials, actor=self.operator
            )
        elif "admin_email" in self.changed_data:
            registration.request_check(directory=self.instance)


class DirectoryField(forms.ModelChoiceField[Directory]):
    widget = UnfoldAdminSelectWidget

    def label_from_instance(self, obj: Directory) -> str:
        return f"{obj.name} ({obj.domain})"


class BindForm(forms.Form):
    """Which directory to bind people to."""

    directory = DirectoryField(queryset=Directory.objects.all(), label=_("Directory"))


class UnbindForm(forms.Form):
    """Which directory to end bindings in; empty for all."""

    directory = DirectoryField(
        queryset=Directory.objects.all(),
        label=_("Directory"),
        required=False,
        empty_label=_("All directories"),
    )
