"""The outbox: each mail leaves once, whatever fails on the way."""

from __future__ import annotations

from datetime import timedelta
from smtplib import SMTPRecipientsRefused, SMTPServerDisconnected
from types import SimpleNamespace

import pytest
from django.core import mail as django_mail
from django.core.mail.backends.locmem import EmailBackend
from django.utils import timezone
from kombu.exceptions import OperationalError
from pytest_django import DjangoCaptureOnCommitCallbacks, Settings

from accounts.models import User
from accounts.read_only import AuditError
from directories.bindings import bind, unbind
from directories.models import Binding
from portal import mails, occasions, outbox
from portal.models import Mail
from portal.tasks import send_mails
from tests.factories import BindingFactory, DirectoryFactory, UserFactory

pytestmark = pytest.mark.django_db


def queued(**binding: object) -> Mail:
    occasions.bound([BindingFactory(**binding)])
    return Mail.objects.get()


def due_again(mail: Mail) -> None:
    Mail.objects.filter(pk=mail.pk).update(next_attempt_at=timezone.now())


def fail_with(monkeypatch: pytest.MonkeyPatch, error: Exception) -> None:
    def send_messages(self: EmailBackend, messages: object) -> int:
        raise error

    monkeypatch.setattr(EmailBackend, "send_messages", send_messages)


def test_bind_mail_tells_what_to_do(settings: Settings) -> None:
    settings.PORTAL_URL = "https://portal.example.com"
    queued(directory__name="R&D <Labs>", user__email="grace@example.com")

    assert outbox.send_due() == 1

    sent = django_mail.outbox[0]
    assert isinstance(sent, django_mail.EmailMultiAlternatives)
    assert sent.to == ["grace@example.com"]
    assert sent.subject == "You were added to R&D <Labs>"
    assert "https://portal.example.com/" in sent.body
    assert "added to R&D <Labs>." in sent.body
    assert "R&amp;D &lt;Labs&gt;" in str(sent.alternatives[0])


def test_broker_that_is_down_costs_nothing(
    monkeypatch: pytest.MonkeyPatch,
    django_capture_on_commit_callbacks: DjangoCaptureOnCommitCallbacks,
) -> None:
    def refuse(*_args: object, **_options: object) -> None:
        raise OperationalError("down")

    monkeypatch.setattr(outbox, "current_app", SimpleNamespace(send_task=refuse))

    with django_capture_on_commit_callbacks(execute=True):
        bind(directory=DirectoryFactory(), users=[UserFactory()], actor=None)

    assert Mail.objects.filter(Mail.WAITING).count() == 1


def test_second_run_sends_nothing() -> None:
    queued()

    assert [outbox.send_due(), outbox.send_due()] == [1, 0]
    assert len(django_mail.outbox) == 1


def test_run_that_starts_while_another_sends_leaves_its_mail_alone(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    queued()
    counts = []
    send_messages = EmailBackend.send_messages

    def slow(self: EmailBackend, messages: list[django_mail.EmailMessage]) -> int:
        counts.append(outbox.send_due())
        return send_messages(self, messages)

    monkeypatch.setattr(EmailBackend, "send_messages", slow)

    assert outbox.send_due() == 1
    assert counts == [0]
    assert len(django_mail.outbox) == 1


def test_failure_is_kept_and_tried_again_under_the_same_message_id(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    mail = queued()
    with monkeypatch.context() as patch:
        fail_with(patch, SMTPServerDisconnected("gone"))
        assert outbox.send_due() == 0
    mail.refresh_from_db()
    assert mail.error == "SMTPServerDisconnected: gone"
    assert mail.next_attempt_at
    assert mail.next_attempt_at > timezone.now() + timedelta(minutes=1)
    assert outbox.send_due() == 0

    due_again(mail)

    assert outbox.send_due() == 1
    mail.refresh_from_db()
    assert (mail.error, mail.attempts) == ("", 2)
    assert django_mail.outbox[0].extra_headers["Message-ID"] == mails.message_id(mail)


def test_sender_that_died_before_its_note_is_followed_under_the_same_message_id(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    class DiedError(BaseException):
        pass

    def die(*_args: object, **_values: object) -> None:
        raise DiedError

    mail = queued()
    with monkeypatch.context() as patch:
        patch.setattr(outbox, "_record", die)
        with pytest.raises(DiedError):
            outbox.send_due()
    while_it_is_claimed = outbox.send_due()
    due_again(mail)

    assert (while_it_is_claimed, outbox.send_due(), outbox.send_due()) == (0, 1, 0)
    ids = {message.extra_headers["Message-ID"] for message in django_mail.outbox}
    assert (len(django_mail.outbox), len(ids)) == (2, 1)


def test_delay_doubles_with_each_attempt() -> None:
    mail = queued()
    delays = []
    for _ in range(3):
        due_again(mail)
        claimed = outbox._claim()
        assert claimed
        claimed.refresh_from_db()
        assert claimed.next_attempt_at
        delays.append(round((claimed.next_attempt_at - timezone.now()) / timedelta(minutes=1)))

    assert delays == [2, 4, 8]


def test_refused_address_does_not_hold_up_the_others(monkeypatch: pytest.MonkeyPatch) -> None:
    occasions.bound([BindingFactory(user__email="gone@example.com"), BindingFactory()])
    send_messages = EmailBackend.send_messages

    def pick(self: EmailBackend, messages: list[django_mail.EmailMessage]) -> int:
        if messages[0].to == ["gone@example.com"]:
            raise SMTPRecipientsRefused({"gone@example.com": (550, b"unknown")})
        return send_messages(self, messages)

    monkeypatch.setattr(EmailBackend, "send_messages", pick)

    assert outbox.send_due() == 1
    assert Mail.objects.get(address="gone@example.com").error


def test_mail_follows_the_person_to_their_present_address() -> None:
    mail = queued()
    User.objects.filter(pk=mail.user_id).update(email="new@example.com")

    outbox.send_due()

    assert [message.to for message in django_mail.outbox] == [["new@example.com"]]
    mail.refresh_from_db()
    assert mail.address == "new@example.com"


def test_mail_of_an_ended_binding_is_cancelled() -> None:
    mail = queued()
    unbind(bindings=Binding.objects.all(), actor=None)

    assert outbox.send_due() == 0

    mail.refresh_from_db()
    assert mail.cancelled_at is not None
    assert django_mail.outbox == []


def test_mail_is_given_up_after_some_days_and_sent_when_an_operator_asks(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    mail = queued()
    Mail.objects.update(created_at=timezone.now() - outbox.GIVE_UP_AFTER - timedelta(hours=1))
    with monkeypatch.context() as patch:
        fail_with(patch, SMTPServerDisconnected("gone"))
        outbox.send_due()
    given_up = Mail.objects.get().next_attempt_at

    assert (given_up, outbox.send_due()) == (None, 0)
    assert outbox.send_now([mail]) == 1
    assert outbox.send_due() == 1


def test_mail_that_a_sender_has_in_hand_is_not_sent_now() -> None:
    mail = queued()
    outbox._claim()

    assert outbox.send_now([mail]) == 0


def test_name_with_a_line_break_makes_no_header() -> None:
    queued(directory__name="Sales\r\nBcc: spy@example.org")

    outbox.send_due()

    assert django_mail.outbox[0].subject == "You were added to Sales Bcc: spy@example.org"


def test_mails_are_never_deleted() -> None:
    mail = queued()

    with pytest.raises(AuditError):
        mail.delete()
    with pytest.raises(AuditError):
        Mail.objects.all().delete()


def test_task_takes_what_a_newer_release_adds() -> None:
    queued()

    send_mails(tenant="of a newer release")

    assert len(django_mail.outbox) == 1
