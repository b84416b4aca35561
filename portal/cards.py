"""What the home page says about each directory, in words for a person.

What operators read about a problem names internals, and is never shown here.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Final

from django.utils.functional import Promise
from django.utils.translation import gettext_lazy as _

from accounts.models import User
from directories.models import Binding, Directory
from passwordsync import failures, states
from passwordsync.models import Due
from passwordsync.states import Shown, State
from portal.models import Bookmark

TONES: Final = {
    State.WAITING: "notice",
    State.UPDATING: "busy",
    State.UP_TO_DATE: "good",
    State.RETRYING: "busy",
    State.REFUSED: "bad",
    State.BLOCKED: "bad",
    State.PAUSED: "quiet",
}
"""The colour of a state's badge; the word says the same."""

WAITING_TEXTS: Final[dict[str, Promise]] = {
    Due.NEVER: _("Confirm your portal password once, and it will open %(directory)s too."),
    Due.RECORD: _(
        "Your details have changed. Confirm your password to bring %(directory)s up to date."
    ),
    Due.PASSWORD: _(
        "%(directory)s does not have your new password yet. Confirm your password to send it."
    ),
    Due.DRIFT: _(
        "Your password was changed in %(directory)s itself. Confirm your portal password to put "
        "it back."
    ),
    Due.ASKED: _("Please confirm your password for %(directory)s again."),
}

STATE_TEXTS: Final[dict[State, Promise]] = {
    State.UPDATING: _("Your password is on its way to %(directory)s. This takes a few seconds."),
} | {state: home.person for state, home in failures.HOMES.items()}

DETAILS_TEXTS: Final[dict[State, Promise]] = {
    State.UPDATING: _("Your details are on their way to %(directory)s."),
    State.RETRYING: _(
        "%(directory)s has not taken your details yet. The portal keeps trying; there is nothing "
        "for you to do."
    ),
}
"""Where no password is on its way."""
HELD_TEXT: Final = _(
    "An administrator of %(directory)s has reset your password there. Choose a new portal "
    "password; it will open %(directory)s again."
)


@dataclass(frozen=True)
class Card:
    """One directory of a person: its state, what happens next, and its bookmarks."""

    shown: Shown
    bookmarks: Sequence[Bookmark] = ()

    @property
    def directory(self) -> Directory:
        return self.shown.binding.directory

    @property
    def binding(self) -> Binding:
        return self.shown.binding

    @property
    def state(self) -> State:
        return self.shown.state

    @property
    def tone(self) -> str:
        return TONES[self.state]

    @property
    def is_moving(self) -> bool:
        return self.shown.is_moving

    @property
    def text(self) -> str:
        return str(self._text()) % {"directory": self.directory.name}

    @property
    def is_for_help_desk(self) -> bool:
        return self.state == State.BLOCKED

    @property
    def sending(self) -> str:
        """Whether the person may send their password to this one alone: "try", "again" or ""."""
        if self.state in (State.WAITING, State.RETRYING, State.BLOCKED):
            return "try"
        return "again" if self.state == State.UP_TO_DATE else ""

    def _text(self) -> Promise:
        if self.state == State.WAITING:
            job = self.shown.job
            text = STATE_TEXTS[State.WAITING]
            return WAITING_TEXTS.get(job.trigger, text) if job else text
        if self.state == State.BLOCKED:
            return failures.person_text(self.binding.problem)
        if self.shown.reason is states.HELD:
            return HELD_TEXT
        job = self.shown.job
        texts = STATE_TEXTS if job is None or job.sends_password else STATE_TEXTS | DETAILS_TEXTS
        return texts[self.state]


def cards(user: User) -> list[Card]:
    """Make a person's cards, in two queries however many directories they are bound to."""
    bindings = list(
        Binding.objects.filter(Binding.LIVE, user=user)
        .select_related("directory")
        .defer("directory__credentials")
        .order_by("directory__name")
    )
    for binding in bindings:
        binding.user = user
    return [Card(shown) for shown in states.shown(bindings)]


def with_bookmarks(
    found: Sequence[Card], bookmarks: Mapping[int | None, Sequence[Bookmark]]
) -> list[Card]:
    """Give each card the bookmarks of its directory."""
    return [replace(card, bookmarks=bookmarks.get(card.directory.pk, ())) for card in found]


def has_state(found: Sequence[Card], state: State) -> bool:
    """Say whether any card is in a state."""
    return any(card.state == state for card in found)
