"""Every failure has a home: what becomes of it, who is told, and when it is tried again.

One table, of which engine, admin, portal and README take what they do and say.  What happens to
job and binding follows from the state that a failure leads to (``HOMES``); what failed has a row
by the code that jobs and bindings keep (``FAILURES``).
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

from django.utils.functional import Promise
from django.utils.translation import gettext_lazy as _

from directories.connectors import errors
from directories.models import Binding
from passwordsync.models import Status
from passwordsync.states import State

Problem = Binding.Problem


@dataclass(frozen=True)
class Home:
    """What a state means after a failure; ``person`` is what the person's page says."""

    job: Status
    again: Promise
    told: Promise
    person: Promise


HOMES: Final[dict[State, Home]] = {
    State.RETRYING: Home(
        Status.QUEUED,
        again=_(
            "By itself, less and less often, or when the directory says. A password for as long "
            "as it may stay sealed; attributes until it succeeds."
        ),
        told=_(
            "The person, on their page. Operators by the filter “needs an operator”, once it has "
            "taken longer than a password may stay sealed."
        ),
        person=_(
            "%(directory)s has not taken your password yet. The portal keeps trying; there is "
            "nothing for you to do."
        ),
    ),
    State.PAUSED: Home(
        Status.QUEUED,
        again=_(
            "By itself, once a probe of the directory is good; an operator's pause, when one "
            "resumes it."
        ),
        told=_("Operators by the directory's state and the filter. The person, on their page."),
        person=_(
            "Updates of %(directory)s are paused and will go on later. Until then the password "
            "that opened it last still does."
        ),
    ),
    State.BLOCKED: Home(
        Status.BLOCKED,
        again=_(
            "At the person's next login; attributes that go at once, as soon as the account is "
            "found mended."
        ),
        told=_("Operators by the filter. The person, on their page, which names the help desk."),
        person=_("Your account in %(directory)s could not be updated."),
    ),
    State.REFUSED: Home(
        Status.REFUSED,
        again=_("Not with this password; with the next one."),
        told=_("The person, by a notification, and on their page, which leads to a new password."),
        person=_(
            "%(directory)s has password rules of its own and does not accept this password. "
            "Change your password to another one."
        ),
    ),
    State.WAITING: Home(
        Status.WAITING,
        again=_("At the person's next login."),
        told=_(
            "The person, on their page; also by mail and notification where a password expired "
            "and the directory still has an older one."
        ),
        person=_("Confirm your password to bring %(directory)s up to date."),
    ),
    State.UP_TO_DATE: Home(
        Status.BLOCKED,
        again=_("Not with this value; with the next one."),
        told=_("Operators, on the binding. The password and the other values were sent."),
        person=_("Your portal password opens %(directory)s."),
    ),
}


@dataclass(frozen=True)
class Failure:
    """One thing that can go wrong: ``name`` and ``advice`` are for operators.

    ``person`` is what the person's page says, where that is more than their state's words.  So
    many ``attempts`` may meet it before it counts, with an account that was found before.
    """

    code: str
    name: str | Promise
    state: State
    advice: Promise
    person: Promise | None = None
    attempts: int = 1


def _blocked(
    problem: Problem, advice: Promise, person: Promise | None = None, attempts: int = 1
) -> Failure:
    return Failure(problem.value, problem.label, State.BLOCKED, advice, person, attempts)


FAILURES: Final[dict[str, Failure]] = {
    failure.code: failure
    for failure in (
        Failure(
            errors.DirectoryUnavailableError.code,
            _("not reached, or a fault over there"),
            State.RETRYING,
            _("Nothing, if it passes. If it lasts: network, proxy, the provider's status page."),
        ),
        Failure(
            errors.ThrottledError.code,
            _("asked to slow down"),
            State.RETRYING,
            _("Nothing, if it passes. If it lasts: see what else uses up the quota over there."),
        ),
        Failure(
            errors.UnclearOutcomeError.code,
            _("sent without an answer, worker stopped while sending, or internal error"),
            State.RETRYING,
            _(
                "Nothing: whether it was applied is settled before anything else is sent. After "
                "an internal error, see the log."
            ),
        ),
        Failure(
            "late",
            _("too late to send within the claim"),
            State.RETRYING,
            _("Nothing, if it passes. If it lasts, the worker's machine is too slow."),
        ),
        Failure(
            errors.DirectoryRefusedError.code,
            _("credentials, delegation or tenant refused"),
            State.PAUSED,
            _("Do what the reason says, then check the directory."),
        ),
        Failure(
            "no_key",
            _("worker without private key"),
            State.PAUSED,
            _("Give every worker for directories the private keys."),
        ),
        Failure(
            errors.PasswordRejectedError.code,
            _("password refused by the directory's own rules"),
            State.REFUSED,
            _("Nothing: the person chooses another one."),
        ),
        Failure(
            "password_gone",
            _("password expired, replaced or not to be opened any more"),
            State.WAITING,
            _("Nothing. If it is frequent: keys that are removed too early, too few workers."),
        ),
        Failure(
            errors.AttributeRejectedError.code,
            _("value refused"),
            State.UP_TO_DATE,
            _("Correct the value, or what is mapped."),
        ),
        Failure(
            errors.AddressRejectedError.code,
            _("rename refused"),
            State.UP_TO_DATE,
            _("Free the address over there, or correct it here."),
        ),
        _blocked(
            Problem.PERMISSION_DENIED,
            _(
                "Check permissions and roles over there, and whether it is an administrator's. "
                "Three people in a row, and the directory is paused."
            ),
            _("The portal may not change your account in %(directory)s."),
        ),
        _blocked(
            Problem.OTHER,
            _("Mend the account over there; the reason says what is known."),
        ),
        _blocked(
            Problem.NOT_FOUND,
            _(
                "Create it over there, or correct the person's e-mail. One that was found before "
                "is tried three times first."
            ),
            _("No account was found for you in %(directory)s."),
            attempts=3,  # replicas over there lag
        ),
        _blocked(
            Problem.AMBIGUOUS,
            _("Leave the person's e-mail to one account over there."),
            _("More than one account in %(directory)s could be yours."),
        ),
        _blocked(
            Problem.MISMATCH,
            _("Make it the primary address over there; if another account is meant, bind again."),
            _("The address of your account in %(directory)s is not yours here."),
        ),
        _blocked(
            Problem.SYNCED,
            _("Set its password there, or take it out of the synchronisation."),
            _("Another system looks after your account in %(directory)s."),
        ),
        _blocked(
            Problem.FEDERATED,
            _("End the binding, or have the domain managed in the directory."),
            _("Another system signs you in to %(directory)s."),
        ),
        _blocked(
            Problem.PRIVILEGED,
            _("Take the roles away, or allow privileged accounts for the directory."),
            _("Your account in %(directory)s has special rights."),
        ),
        _blocked(
            Problem.TAKEN,
            _("End that binding first. If it has ended, an administrator binds this one."),
            _("Your account in %(directory)s belongs to somebody else here."),
        ),
    )
}


def person_text(code: str) -> Promise:
    """Get what the person's page says of a failure."""
    failure = FAILURES[code]
    return failure.person or HOMES[failure.state].person


def operator_text(code: str) -> str:
    """Get what an operator can do about a failure, and when it is tried again; "" for none."""
    if code not in FAILURES:
        return ""
    failure = FAILURES[code]
    again = HOMES[failure.state].again
    return _("%(advice)s Tried again: %(again)s") % {"advice": failure.advice, "again": again}
