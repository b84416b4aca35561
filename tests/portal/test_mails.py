"""How mails look and what they promise."""

from __future__ import annotations

import re

import pytest
from pytest_django import Settings

from accounts import links
from accounts.models import User
from portal import mails, occasions
from portal.models import Mail, MailText, Organisation
from tests.factories import BindingFactory, UserFactory

pytestmark = pytest.mark.django_db


@pytest.fixture
def grace() -> User:
    return UserFactory(username="grace", given_name="Grace <Hopper>", time_zone="Europe/Berlin")


@pytest.fixture
def example() -> Organisation:
    return Organisation.objects.create(
        pk=1,
        name="Example & Sons",
        help_desk="IT desk",
        help_desk_email="help@example.com",
        help_desk_phone="+49 30 1234",
        help_desk_url="https://help.example.com/",
    )


@pytest.mark.parametrize("kind", Mail.Kind.values)
def test_every_kind_is_whole(kind: str, grace: User, example: Organisation) -> None:
    MailText.objects.create(kind=kind, paragraph="Bring your <badge>.\n\nSee you!")

    mail = mails.sample(kind, person=grace)

    assert 10 < len(mail.subject) < 78
    for part in (mail.text, mail.html):
        assert "help@example.com" in part
        assert "+49 30 1234" in part
        assert "Nobody will ever ask you for your password" in part
        assert "{" not in re.sub(r"<style>.*?</style>", "", part, flags=re.DOTALL)
    assert "Hello Grace <Hopper>," in mail.text
    assert "Bring your <badge>." in mail.text
    assert "Hello Grace &lt;Hopper&gt;," in mail.html
    assert "Bring your &lt;badge&gt;." in mail.html
    assert "Example &amp; Sons" in mail.html
    assert "\n\n\n" not in mail.text


@pytest.mark.parametrize("kind", Mail.Kind.values)
def test_every_kind_does_without_an_organisation(kind: str, grace: User) -> None:
    mail = mails.sample(kind, person=grace)

    for part in (mail.text, mail.html):
        assert "Your help desk will be glad to help." in part
        assert "None" not in part


@pytest.mark.parametrize(
    ("kind", "promises"),
    [
        (
            Mail.Kind.BOUND,
            (
                "You were added to Example Mail",
                "set your password for it: sign in to the portal",
                "your portal password opens Example Mail",
                "in the portal only, not at Google or Microsoft",
                "signed out of Example Mail",
                "Phones and mail apps will ask",
                "second factor",
            ),
        ),
        (
            Mail.Kind.WELCOME,
            ("Your user name is grace", "opening it uses nothing up", "It works until", "CE"),
        ),
        (Mail.Kind.RESET, ("It was not you?", "your password stays as it is", "It works until")),
        (Mail.Kind.PASSWORD_SET, ("Firefox on Windows", "192.0.2.1", "It was not you?")),
        (
            Mail.Kind.PASSWORD_LATE,
            ("Example Mail still has your old password", "Sign in", "The portal does not keep"),
        ),
        (
            Mail.Kind.DRIFT,
            ("was changed in Example Mail itself", "confirm your password", "It was not you"),
        ),
        (Mail.Kind.ADDRESS_CHANGED, ("every address that was known before",)),
    ],
)
def test_mail_keeps_the_promises_of_the_help_article(
    kind: str, promises: tuple[str, ...], grace: User
) -> None:
    mail = mails.sample(kind, person=grace)

    for promise in promises:
        assert promise.lower() in f"{mail.subject}\n{mail.text}\n{mail.html}".lower()


def test_link_is_in_the_mail_and_nowhere_in_the_outbox() -> None:
    link = links.issue([UserFactory(new=True)])[0]
    mail = Mail.objects.get()

    body = str(mails.message(mail).body)

    assert links.url(link) in body
    assert link.pk.hex not in str(Mail.objects.values())


def test_sample_opens_nothing(grace: User) -> None:
    mail = mails.sample(Mail.Kind.WELCOME, person=grace)

    found = re.search(r"/set-up/([^/\s]+)/", mail.text)
    assert found
    assert links.find(found[1]) is None


def test_name_of_the_product_and_its_colour_are_settings(grace: User, settings: Settings) -> None:
    settings.PRODUCT_NAME, settings.PRODUCT_COLOUR = "Passgate", "#aa0000"

    mail = mails.sample(Mail.Kind.WELCOME, person=grace)

    assert "Passgate" in mail.text
    assert "Latchkey" not in mail.text + mail.html
    assert "#aa0000" in mail.html


def test_mail_of_a_binding_names_its_directory() -> None:
    occasions.bound([BindingFactory(directory__name="R&D")])

    message = mails.message(Mail.objects.get())

    assert message.subject == "You were added to R&D"
    assert "R&amp;D" in str(message.alternatives[0])
