"""The portal's own password rules, beyond Django's."""

from __future__ import annotations

from django.conf import settings
from django.contrib.auth.hashers import check_password
from django.core.exceptions import ValidationError
from django.utils.translation import gettext as _

from accounts.models import PreviousPassword, User
from accounts.sealing import PASSWORD_MAX_CHARACTERS, is_sealable


class SealableValidator:
    """Refuses what could not be sent: control characters, or more than a seal holds."""

    def validate(self, password: str, user: User | None = None) -> None:
        if not is_sealable(password):
            raise ValidationError(self.get_help_text(), code="password_not_sealable")

    def get_help_text(self) -> str:
        return _("Use at most %(characters)d characters, and no control characters.") % {
            "characters": PASSWORD_MAX_CHARACTERS
        }


class NotReusedValidator:
    """Refuses the present password and the last ones; costs a hash each, so it comes last."""

    def validate(self, password: str, user: User | None = None) -> None:
        if user is None or user.pk is None or not settings.PASSWORD_HISTORY:
            return
        previous = PreviousPassword.objects.filter(user=user).order_by("-pk")
        hashes = list(previous.values_list("password", flat=True)[: settings.PASSWORD_HISTORY])
        # Django would spend a hash on comparing with the mark that there is no password.
        if user.has_usable_password():
            hashes.insert(0, user.password)
        if any(check_password(password, hashed) for hashed in hashes):
            raise ValidationError(
                _("You have had this password lately. Choose another one."), code="password_reused"
            )

    def get_help_text(self) -> str:
        return _("It is not one that you have had lately.")
