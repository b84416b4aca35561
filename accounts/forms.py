"""Forms of accounts that allauth has not."""

from __future__ import annotations

from typing import Any, ClassVar

from allauth.account.forms import ChangePasswordForm as AllauthChangePasswordForm
from allauth.account.forms import SetPasswordForm
from allauth.core import context
from django import forms
from django.contrib.auth.password_validation import validate_password
from django.utils.translation import gettext_lazy as _

from accounts import sign_in
from accounts.adapter import get_account_adapter
from accounts.models import User

PASSWORD = forms.PasswordInput(attrs={"autocomplete": "new-password"})


class ChangePasswordForm(AllauthChangePasswordForm):
    """allauth's form; the present password is proved, limited and audited like every other."""

    def clean_oldpassword(self) -> str:
        request = context.request
        password: str = self.cleaned_data["oldpassword"]
        is_right = get_account_adapter(request).authenticate(
            request, username=self.user.username, password=password
        )
        # It is about to be replaced: what was sealed of it goes nowhere.
        sign_in.remembered(request)
        if not is_right:
            raise forms.ValidationError(
                _("This is not your present password. Check it and try again.")
            )
        return password


class SetUpForm(SetPasswordForm):
    """The password of somebody who came through a mailed link; ``accounts.links`` sets it."""


class ForgottenForm(forms.Form):
    """Whose password was forgotten; the answer is the same whoever it is."""

    login = forms.CharField(
        label=_("User name or e-mail"),
        max_length=254,
        widget=forms.TextInput(
            attrs={"autocomplete": "username", "autocapitalize": "none", "spellcheck": "false"}
        ),
    )


class FirstAdministratorForm(forms.ModelForm[User]):
    """Who the first administrator is, and their password."""

    password1 = forms.CharField(label=_("Password"), strip=False, widget=PASSWORD)
    password2 = forms.CharField(label=_("Password, once more"), strip=False, widget=PASSWORD)

    class Meta:
        model = User
        fields: ClassVar = ["username", "email", "given_name", "family_name"]

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
        get_account_adapter(context.request).set_password(user, self.cleaned_data["password1"])
        return user
