"""One password, every directory's rules: the portal's and those of a person's directories."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from typing import Final

from django.conf import settings
from django.core.exceptions import ValidationError
from django.utils.text import get_text_list
from django.utils.translation import gettext as _
from django.utils.translation import ngettext

from accounts.models import User
from accounts.sealing import PASSWORD_MAX_CHARACTERS
from directories.connectors import CONNECTORS
from directories.connectors.password_rules import Broken, PasswordRules
from directories.models import Binding


@dataclass(frozen=True)
class Rule:
    """A rule in plain words; ``value`` is its number, or the names it forbids.

    A rule without a code is judged by the server alone, when the form is sent.
    """

    text: str
    code: str = ""
    value: object = ""


TEXTS: Final[Mapping[Broken, Callable[[PasswordRules], str]]] = {
    Broken.MIN_LENGTH: lambda rules: _at_least(rules.min_length),
    Broken.MAX_LENGTH: lambda rules: _("At most %d characters") % rules.max_length,
    Broken.CHARACTERS: lambda _rules: _("No accents, other scripts or emoji"),
    Broken.CLASSES: lambda rules: (
        _("At least %d of these: capital letters, small letters, digits, signs") % rules.classes
    ),
    Broken.USER_NAME: lambda _rules: _("Your user name is not part of it"),
}


def rules_for(user: User) -> list[Rule]:
    """State all that is asked of a person's password, each thing once; one query."""
    combined, is_plain = _combined(_kinds(user))
    value: Mapping[Broken, object] = {
        Broken.MIN_LENGTH: combined.min_length,
        Broken.MAX_LENGTH: combined.max_length,
        Broken.CLASSES: combined.classes,
        Broken.USER_NAME: " ".join(_user_names(user)),
    }
    wanted = [Broken.MIN_LENGTH, Broken.MAX_LENGTH]
    if is_plain:
        wanted.append(Broken.CHARACTERS)
    if combined.classes > 1:
        wanted.append(Broken.CLASSES)
    if combined.forbids_user_name:
        wanted.append(Broken.USER_NAME)
    rules = [Rule(TEXTS[broken](combined), broken, value.get(broken, "")) for broken in wanted]
    rules.append(Rule(_("Not easy to guess: no common password, and not like your name")))
    if settings.PASSWORD_HISTORY:
        rules.append(Rule(_("Not one that you have had lately")))
    return rules


class BoundDirectoriesValidator:
    """Refuses what one of a person's directories is known to refuse, and says which."""

    def validate(self, password: str, user: User | None = None) -> None:
        if user is None:
            return
        breaks: dict[str, list[str]] = {}
        for kind, names in _kinds(user).items():
            rules = CONNECTORS[kind].password_rules
            for broken in rules.broken(password, user_names=_user_names(user)):
                breaks.setdefault(TEXTS[broken](rules), []).extend(names)
        if breaks:
            raise ValidationError(
                [
                    ValidationError(
                        _("%(directories)s: %(rule)s."),
                        code="directory_rule",
                        params={"directories": get_text_list(names, _("and")), "rule": text},
                    )
                    for text, names in breaks.items()
                ]
            )

    def get_help_text(self) -> str:
        return _("It has to keep the rules of every directory you are in.")


def _kinds(user: User) -> dict[str, list[str]]:
    """Get the kinds of directory a person is in, with the names of those directories."""
    kinds: dict[str, list[str]] = {}
    if user.pk is not None:
        live = Binding.objects.filter(Binding.LIVE, user=user).order_by("directory__name")
        for kind, name in live.values_list("directory__kind", "directory__name"):
            kinds.setdefault(kind, []).append(name)
    return kinds


def _combined(kinds: Iterable[str]) -> tuple[PasswordRules, bool]:
    """Make the strictest of all; and say whether a directory asks for plain characters."""
    rules = [CONNECTORS[kind].password_rules for kind in kinds]
    return (
        PasswordRules(
            min_length=max([settings.PASSWORD_MIN_LENGTH, *(rule.min_length for rule in rules)]),
            max_length=min([PASSWORD_MAX_CHARACTERS, *(rule.max_length for rule in rules)]),
            classes=max([1, *(rule.classes for rule in rules)]),
            forbids_user_name=any(rule.forbids_user_name for rule in rules),
        ),
        bool(rules),
    )


def _user_names(user: User) -> list[str]:
    return list(dict.fromkeys((user.username.partition("@")[0], user.email.partition("@")[0])))


def _at_least(characters: int) -> str:
    return ngettext("At least %d character", "At least %d characters", characters) % characters
