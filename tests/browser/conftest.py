"""A real portal, its worker and the sandbox, seen through headless Chromium.

Pages and worker are the product's own parts in threads of this process, so that tests reach the
same database.  Every page that a test opens is watched: whatever the browser complains of, a
refused script or a request that failed, fails the test.
"""

from __future__ import annotations

import os
import re
import shutil
import threading
import time
from collections.abc import Callable, Iterator
from http import HTTPStatus
from pathlib import Path
from typing import Any

import pytest
from allauth.usersessions.models import UserSession
from celery.worker import WorkController
from django.conf import settings as django_settings
from django.core import mail as django_mail
from django.core.mail import EmailMultiAlternatives
from django.core.wsgi import get_wsgi_application
from django.test import Client
from django.urls import reverse
from playwright.sync_api import Browser, BrowserContext, Page, Response, expect, sync_playwright
from pytest_django import Settings
from waitress.server import create_server

from accounts.models import User
from config.celery import app
from config.workers import Presence
from portal import outbox
from tests.conftest import Company
from tests.factories import PASSWORD

SCREENSHOTS = Path(__file__).parents[1] / "screenshots"
CHROMIUM = shutil.which("chromium")
TIMEOUT_MS = 10_000
FIREFOX = "Mozilla/5.0 (Windows NT 10.0; Win64; x64; rv:140.0) Gecko/20100101 Firefox/140.0"

expect.set_options(timeout=TIMEOUT_MS)


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    if CHROMIUM is None:
        for item in items:
            if "tests/browser" in item.path.as_posix():
                item.add_marker(pytest.mark.skip(reason="Chromium is not installed."))


@pytest.fixture(autouse=True)
def woken() -> None:
    """Here a real worker is woken."""


@pytest.fixture(scope="module")
def server() -> Iterator[str]:
    """The portal's address; pages and worker run until the module's end."""
    http: Any = create_server(get_wsgi_application(), host="127.0.0.1", port=0, threads=4)
    with pytest.MonkeyPatch.context() as patch:
        # It would leave its mark in the database between two tests, where there is none.
        patch.setattr(Presence, "include_if", lambda *_: False)
        worker = WorkController(
            app=app,
            queues=["directories", "default"],
            without_heartbeat=True,
            without_mingle=True,
            without_gossip=True,
        )
    threads = [threading.Thread(target=run, daemon=True) for run in (http.run, worker.start)]
    for thread in threads:
        thread.start()
    yield f"http://127.0.0.1:{http.effective_port}"
    http.close()
    worker.stop()
    for thread in threads:
        thread.join(timeout=TIMEOUT_MS / 1000)


@pytest.fixture(scope="module")
def chromium() -> Iterator[Browser]:
    # Playwright's loop runs in this thread: the ORM is used between its calls, never in them, and
    # tests of other modules have loops of their own.
    os.environ["DJANGO_ALLOW_ASYNC_UNSAFE"] = "1"
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(
            executable_path=CHROMIUM,
            args=["--no-sandbox", "--disable-gpu", "--disable-background-networking"],
        )
        yield browser
        browser.close()
    del os.environ["DJANGO_ALLOW_ASYNC_UNSAFE"]


class Watch:
    """Notes what a browser complains of."""

    def __init__(self) -> None:
        self.complaints: list[str] = []
        self.urls: list[str] = []

    def over(self, context: BrowserContext) -> BrowserContext:
        context.set_default_timeout(TIMEOUT_MS)
        context.on("page", self._page)
        return context

    def _page(self, page: Page) -> None:
        page.on("pageerror", lambda error: self.complaints.append(str(error)))
        page.on("console", lambda message: self._console(message.type, message.text))
        page.on("request", lambda request: self.urls.append(request.url))
        page.on("response", self._response)

    def _response(self, response: Response) -> None:
        if response.status >= HTTPStatus.INTERNAL_SERVER_ERROR:
            self.complaints.append(response.url)

    def _console(self, kind: str, text: str) -> None:
        # A page that answers 404 or 410 on purpose is no complaint.
        if kind == "error" and not re.search(r"responded with a status of 4\d\d", text):
            self.complaints.append(text)


@pytest.fixture
def watch() -> Iterator[Watch]:
    watch = Watch()
    yield watch
    assert watch.complaints == []


@pytest.fixture
def portal(server: str, settings: Settings, company: Company) -> str:
    """The address of the portal of a company with two directories."""
    settings.PORTAL_URL = server
    return server


@pytest.fixture
def open_browser(
    chromium: Browser, watch: Watch, portal: str
) -> Iterator[Callable[..., BrowserContext]]:
    """Open browsers that know nothing of each other."""
    contexts: list[BrowserContext] = []

    def open_one(**options: Any) -> BrowserContext:
        context = watch.over(chromium.new_context(base_url=portal, **options))
        contexts.append(context)
        return context

    yield open_one
    for context in contexts:
        context.close()


@pytest.fixture(params=[True, False], ids=["scripts", "no-scripts"])
def page(
    request: pytest.FixtureRequest, open_browser: Callable[..., BrowserContext]
) -> Iterator[Page]:
    """A page in a fresh browser, with scripts and without; a failure leaves a picture of it."""
    page = open_browser(java_script_enabled=request.param).new_page()
    page.has_scripts = request.param  # type: ignore[attr-defined]
    failed = request.session.testsfailed
    yield page
    if request.session.testsfailed > failed:
        SCREENSHOTS.mkdir(exist_ok=True)
        name = re.sub(r"[^\w-]+", "-", request.node.name)
        page.screenshot(path=SCREENSHOTS / f"failed-{name}.png", full_page=True)


def signed_in(context: BrowserContext, portal: str, person: User) -> None:
    """Put a session of a person into a browser."""
    client = Client()
    client.force_login(person)
    UserSession.objects.create(
        user=person, session_key=client.session.session_key, ip="203.0.113.7", user_agent=FIREFOX
    )
    value = client.cookies[django_settings.SESSION_COOKIE_NAME].value
    cookie: Any = {"name": django_settings.SESSION_COOKIE_NAME, "value": value, "url": portal}
    context.add_cookies([cookie])


def sign_in(page: Page, login: str, password: str = PASSWORD) -> None:
    """Sign in as a person does."""
    page.goto(reverse("account_login"))
    page.get_by_label("User name or e-mail").fill(login)
    page.get_by_label("Password", exact=True).fill(password)
    page.get_by_role("button", name="Sign in").click()


def wait_until(is_so: Callable[[], object]) -> None:
    """Wait for something that the worker does."""
    end = time.monotonic() + TIMEOUT_MS / 1000
    while not is_so():
        assert time.monotonic() < end, "It did not come true."
        time.sleep(0.05)


def mail_to(address: str, subject: str) -> EmailMultiAlternatives:
    """Wait for the mail to an address with these words in its subject; gets the newest."""

    def found() -> list[EmailMultiAlternatives]:
        return [
            message
            for message in django_mail.outbox
            if isinstance(message, EmailMultiAlternatives)
            and message.to == [address]
            and subject in str(message.subject)
        ]

    # Beat sends what nobody waits for at a screen; there is none here.
    wait_until(lambda: found() or (outbox.send_due() and found()))
    return found()[-1]


def link_in(message: EmailMultiAlternatives) -> str:
    """Get the address that a mail asks to open."""
    found = re.search(r"^https?://\S+$", str(message.body), re.MULTILINE)
    assert found
    return found[0]
