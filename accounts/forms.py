"""Forms of accounts that allauth has not."""

from __future__ import annotations

from typing import Any, ClassVar

from allauth.account.adapter import get_adapter
from django import forms
from django.contrib.auth.password_validation import (
    password_validators_help_text_html,
    validate_password,
)
from django.utils.translation import gettext_lazy as _

from accounts.models import User

PASSWORD = forms.PasswordInput(attrs={"autocomplete": "new-password"})


class FirstAdministratorForm(forms.ModelForm[User]):
    """Who the first administrator is, and their password."""

    password1 = forms.CharField(label=_("Password"), strip=False, widget=PASSWORD)
    password2 = forms.CharField(label=_("Password, once more"), strip=False, widget=PASSWORD)

    class Meta:
        model = User
        fields: ClassVar = ["username", "email", "given_name", "family_name"]

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.fields["password1"].help_text = password_validators_help_text_html()

    def clean(self) -> dict[str, Any]:
        cleaned = super().clean() or {}
        first, second = cleaned.get("password1"), cleaned.get("password2")
        if first and second and first != second:
            self.add_error("password2", _("The two are not the same. Type the password again."))
        return cleaned

    def _post_clean(self) -> None:
        super()._post_clean()  # type: ignore[misc]  # fills self.instance; the stubs lack it
        if password := self.cleaned_data.get("password1"):
            try:
                validate_password(password, self.instance)
            except forms.ValidationError as error:
                self.add_error("password1", error)

    def save(self, commit: bool = True) -> User:
        """Make the administrator; the adapter sets, and so seals, the password."""
        user = self.instance
        user.state = User.State.ACTIVE
        user.is_staff = user.is_superuser = True
        user.set_unusable_password()
        user.save()
        get_adapter().set_password(user, self.cleaned_data["password1"])
        return user
