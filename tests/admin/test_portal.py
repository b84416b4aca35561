"""The admin of what people receive and see."""

from __future__ import annotations

from smtplib import SMTPServerDisconnected

import pytest
from django.core.mail import EmailMultiAlternatives
from django.core.mail.backends.locmem import EmailBackend
from django.test import Client
from django.utils import timezone

from accounts import links
from accounts.models import User
from portal import occasions
from portal.models import Bookmark, Mail, MailText, Organisation
from tests.admin.conftest import Act, said
from tests.factories import BindingFactory, UserFactory


@pytest.fixture
def text(db: None) -> MailText:
    return MailText.objects.create(kind="bound", paragraph="Bring your badge.")


def preview_url(text: MailText) -> str:
    return f"/admin/portal/mailtext/{text.pk}/preview/"


def test_organisation_has_one_page(as_operator: Client) -> None:
    for _ in range(2):
        page = as_operator.get("/admin/portal/organisation/", follow=True)

    as_operator.post("/admin/portal/organisation/1/change/", {"name": "Example"})

    assert page.redirect_chain == [("/admin/portal/organisation/1/change/", 302)]
    assert Organisation.objects.get().name == "Example"
    assert as_operator.get("/admin/portal/organisation/add/").status_code == 403


def test_every_kind_of_mail_has_its_text(as_operator: Client) -> None:
    for _ in range(2):
        as_operator.get("/admin/portal/mailtext/")

    assert set(MailText.objects.values_list("kind", flat=True)) == set(Mail.Kind.values)


def test_preview_shows_the_mail_with_the_own_paragraph(as_operator: Client, text: MailText) -> None:
    page = as_operator.get(preview_url(text))

    assert "You were added to Example Mail" in page.text
    assert page.context["mail"].html.count("Bring your badge.") == 1
    assert 'sandbox srcdoc="&lt;!doctype html&gt;' in page.text


def test_test_mail_goes_to_the_operator(
    as_operator: Client, operator: User, text: MailText, mailoutbox: list[EmailMultiAlternatives]
) -> None:
    page = as_operator.post(preview_url(text), follow=True)

    assert said(page) == [f"A test was sent to {operator.email}."]
    assert [mail.to for mail in mailoutbox] == [[operator.email]]
    assert not Mail.objects.exists()


def test_failure_of_a_test_mail_is_told(
    as_operator: Client, text: MailText, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refuse(self: EmailBackend, messages: object) -> int:
        raise SMTPServerDisconnected("no route")

    monkeypatch.setattr(EmailBackend, "send_messages", refuse)

    assert said(as_operator.post(preview_url(text), follow=True)) == [
        "The mail server refused it: no route"
    ]


def test_preview_needs_permission(client: Client, text: MailText) -> None:
    client.force_login(UserFactory(operator=True))

    assert client.get(preview_url(text)).status_code == 403
    assert client.post(preview_url(text)).status_code == 403


def test_mail_that_failed_is_sent_now(as_operator: Client) -> None:
    occasions.bound([BindingFactory(), BindingFactory()])
    failed, sent = Mail.objects.order_by("pk")
    Mail.objects.filter(pk=failed.pk).update(error="down", next_attempt_at=None)
    Mail.objects.filter(pk=sent.pk).update(sent_at=timezone.now())

    page = Act(as_operator, "portal_mail").agree("send_now", failed, sent)

    assert "1 done, 1 skipped" in said(page)[0]
    failed.refresh_from_db()
    assert failed.next_attempt_at


def test_outbox_shows_no_link(as_operator: Client) -> None:
    link = links.issue([UserFactory(new=True)])[0]
    token = links.url(link).rstrip("/").rpartition("/")[2]
    mail = Mail.objects.get()

    pages = [
        as_operator.get("/admin/portal/mail/"),
        as_operator.get(f"/admin/portal/mail/{mail.pk}/change/"),
    ]

    for page in pages:
        assert page.status_code == 200
        assert link.address in page.text
        assert token not in page.text
        assert link.pk.hex not in page.text.replace("-", "")


@pytest.mark.parametrize(
    ("address", "is_taken"), [("https://wiki.example", True), ("javascript:alert(1)", False)]
)
def test_bookmark_takes_web_addresses_alone(
    as_operator: Client, address: str, is_taken: bool
) -> None:
    as_operator.post(
        "/admin/portal/bookmark/add/",
        {"label": "Wiki", "icon": "link", "address": address, "position": 0},
    )

    assert Bookmark.objects.exists() == is_taken


def test_bookmark_is_deleted(as_operator: Client) -> None:
    bookmark = Bookmark.objects.create(label="Wiki", address="https://wiki.example")

    as_operator.post(f"/admin/portal/bookmark/{bookmark.pk}/delete/", {"post": "yes"})

    assert not Bookmark.objects.exists()
