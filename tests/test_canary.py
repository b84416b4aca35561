"""A canary password stands nowhere in clear: each place it could have got to is searched."""

import logging
import sys
from pathlib import Path
from urllib.request import urlopen

import pytest
from allauth.mfa.totp.internal.auth import TOTP, generate_totp_secret
from django.contrib.sessions.models import Session
from django.core import mail
from django.db import connection
from django.test import RequestFactory
from django.urls import reverse
from django.views.debug import get_exception_reporter_class

from accounts.sealing import AlteredError, open_password
from portal import outbox
from tests.factories import UserFactory, sealed

pytestmark = pytest.mark.django_db(transaction=True)

CANARY = "Canary-7-sings-in-the-mine"
NEW_CANARY = "Canary-8-sings-no-more"
SONG = "sings-"


@pytest.fixture
def log(tmp_path):
    """Everything that anybody logs, at DEBUG."""
    path = tmp_path / "debug.log"
    handler = logging.FileHandler(path)
    root = logging.getLogger()
    level = root.level
    root.addHandler(handler)
    root.setLevel(logging.DEBUG)
    yield path
    root.setLevel(level)
    root.removeHandler(handler)
    handler.close()


@pytest.fixture
def messages(monkeypatch):
    """What would have gone to the broker."""
    sent = []
    monkeypatch.setattr(
        "passwordsync.wake.current_app.send_task",
        lambda *args, **kwargs: sent.append(repr((args, kwargs))),
    )
    return sent


def database_bytes():
    """The database file with its write-ahead log, before anything is tidied away."""
    name = connection.settings_dict["NAME"]
    return b"".join(
        Path(f"{name}{suffix}").read_bytes()
        for suffix in ("", "-wal")
        if Path(f"{name}{suffix}").exists()
    )


def test_the_canary_stands_nowhere(client, company, log, messages):
    grace = company.grace
    grace.set_password(CANARY)
    grace.save()
    second_factor = UserFactory(username="linus")
    second_factor.set_password(CANARY)
    second_factor.save()
    TOTP.activate(second_factor, generate_totp_secret())
    company.bind()
    company.drain()
    pages = []

    def post(name: str, **data: str):
        answer = client.post(reverse(name), data, follow=True)
        pages.append(answer.content.decode())
        return answer

    post("account_login", login=second_factor.email, password=CANARY)  # held
    client.cookies.clear()
    post("account_login", login=grace.email, password=CANARY + "x")  # wrong
    post("account_login", login=CANARY, password=CANARY)  # typed into the wrong field
    post("account_login", login=grace.email, password=CANARY)
    during = database_bytes()
    company.sandbox.fault(provider="microsoft", method="PATCH", when="after", action="reset")
    company.sandbox.fault(provider="google", method="PUT", status=500)
    company.drain()
    post("account_reauthenticate", password=CANARY)
    post(
        "account_change_password",
        oldpassword=CANARY,
        password1=NEW_CANARY,
        password2=NEW_CANARY,
    )
    post("account_change_password", oldpassword=CANARY, password1=NEW_CANARY, password2="other")
    company.drain()
    outbox.send_due()

    pages.append(client.get(reverse("portal:home")).content.decode())
    # The login form hands back what was typed as the name; nobody else ever sees that page.
    pages = [page for page in pages if f'value="{CANARY}"' not in page]
    places = {
        "database": (during + database_bytes()).decode("latin-1"),
        "sessions": str([one.get_decoded() for one in Session.objects.all()]),
        "log": log.read_text(),
        "pages": "".join(pages),
        "mails": str([(one.subject, one.body, one.alternatives) for one in mail.outbox]),
        "broker": "".join(messages),
        "sandbox requests": str(company.sandbox.requests()),
        "sandbox page": urlopen(company.sandbox.control).read().decode(),
    }
    assert company.opens(company.entra, CANARY) or company.opens(company.entra, NEW_CANARY)
    assert len(pages) >= 5
    assert messages
    assert "httpx" in places["log"] or "asyncio" in places["log"] or len(places["log"]) > 1000
    assert [name for name, text in places.items() if SONG in text] == []


def test_an_error_report_holds_no_variables_and_no_posted_data():
    request = RequestFactory().post("/login/", {"password": CANARY})
    request.user = user = UserFactory()
    row = sealed(user, CANARY)
    row.ciphertext = b""

    def push(password):
        open_password(row, user=user)

    try:
        push(CANARY)
    except AlteredError:
        reporter = get_exception_reporter_class(request)(request, *sys.exc_info())

    reports = reporter.get_traceback_html() + reporter.get_traceback_text()
    assert "open_password" in reports
    assert CANARY not in reports
