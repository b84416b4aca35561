"""The portal's own password rules, beyond Django's."""

from __future__ import annotations

from django.core.exceptions import ValidationError
from django.utils.translation import gettext as _

from accounts.models import User
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
