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
from directories.connectors.password_rules import Broken, PasswordRules, forbidden
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
    bindings = _live(user)
    combined, is_plain = _combined(bindings)
    names = forbidden(_user_names(user, bindings))
    value: Mapping[Broken, object] = {
        Broken.MIN_LENGTH: combined.min_length,
        Broken.MAX_LENGTH: combined.max_length,
        Broken.CLASSES: combined.classes,
        Broken.USER_NAME: " ".join(names),
    }
    wanted = [Broken.MIN_LENGTH]
    if combined.max_length < PASSWORD_MAX_CHARACTERS:
        wanted.append(Broken.MAX_LENGTH)
    if is_plain:
        wanted.append(Broken.CHARACTERS)
    if combined.classes > 1:
        wanted.append(Broken.CLASSES)
    if combined.forbids_user_name and names:
        wanted.append(Broken.USER_NAME)
    rules = [Rule(TEXTS[broken](combined), broken, value.get(broken, "")) for broken in wanted]
    rules.append(Rule(_("Not easy to guess: no common password, and not like your name")))
    if settings.PASSWORD_HISTORY and user.pk and user.has_usable_password():
        rules.append(Rule(_("Not one that you have had lately")))
    return rules


class BoundDirectoriesValidator:
    """Refuses what one of a person's directories is known to refuse, and says which.

    Of what the portal's own rules refuse anyway it says nothing.
    """

    def validate(self, password: str, user: User | None = None) -> None:
        if user is None:
            return
        breaks: dict[str, list[str]] = {}
        bindings = _live(user)
        names = _user_names(user, bindings)
        for binding in bindings:
            rules = _rules_of(binding)
            for broken in rules.broken(password, user_names=names):
                if not _is_the_portals(broken, rules):
                    breaks.setdefault(TEXTS[broken](rules), []).append(binding.directory.name)
        if breaks:
            raise ValidationError(
                [
                    ValidationError(
                        _("%(directories)s: %(rule)s."),
                        code="directory_rule",
                        params={"directories": get_text_list(wanted_by, _("and")), "rule": text},
                    )
                    for text, wanted_by in breaks.items()
                ]
            )

    def get_help_text(self) -> str:
        return _("It has to keep the rules of every directory you are in.")


def _live(user: User) -> list[Binding]:
    if user.pk is None:
        return []
    live = Binding.objects.filter(Binding.LIVE, user=user).select_related("directory")
    needed = live.only("external_address", "directory__kind", "directory__name")
    return list(needed.order_by("directory__name"))


def _rules_of(binding: Binding) -> PasswordRules:
    return CONNECTORS[binding.directory.kind].password_rules


def _combined(bindings: Iterable[Binding]) -> tuple[PasswordRules, bool]:
    """Make the strictest of all; and say whether a directory asks for plain characters."""
    rules = [_rules_of(binding) for binding in bindings]
    return (
        PasswordRules(
            min_length=max([settings.PASSWORD_MIN_LENGTH, *(rule.min_length for rule in rules)]),
            max_length=min([PASSWORD_MAX_CHARACTERS, *(rule.max_length for rule in rules)]),
            classes=max([1, *(rule.classes for rule in rules)]),
            forbids_user_name=any(rule.forbids_user_name for rule in rules),
        ),
        bool(rules),
    )


def _is_the_portals(broken: Broken, rules: PasswordRules) -> bool:
    """Say whether the portal's own rules, which are as strict, refuse it too."""
    portals: int = settings.PASSWORD_MIN_LENGTH
    if broken is Broken.MIN_LENGTH:
        return rules.min_length <= portals
    return broken is Broken.MAX_LENGTH and rules.max_length >= PASSWORD_MAX_CHARACTERS


def _user_names(user: User, bindings: Iterable[Binding]) -> list[str]:
    """Get what a person is called here and over there, without domains."""
    addresses = [user.username, user.email, *(binding.external_address for binding in bindings)]
    return [address.partition("@")[0] for address in addresses]


def _at_least(characters: int) -> str:
    return ngettext("At least %d character", "At least %d characters", characters) % characters
