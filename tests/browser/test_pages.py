"""Every page, light and dark, wide and narrow: accessible, and nothing runs over the edge."""

from __future__ import annotations

from collections.abc import Callable
from datetime import timedelta
from itertools import product
from typing import Literal
from unittest.mock import Mock

import pytest
from allauth.mfa.recovery_codes.internal.auth import RecoveryCodes
from allauth.mfa.totp.internal.auth import TOTP
from axe_playwright_python.sync_playwright import Axe
from django.utils import timezone
from playwright.sync_api import BrowserContext

from accounts import links
from accounts.models import LoginEvent, PasswordLink, User
from directories.models import Binding, Directory
from passwordsync.models import Due
from portal.models import Bookmark, Notification, Organisation
from tests.browser.conftest import FIREFOX, SCREENSHOTS, signed_in
from tests.factories import BindingFactory, DirectoryFactory, SyncJobFactory, UserFactory

pytestmark = pytest.mark.django_db(transaction=True)

WIDTHS = (1280, 360)
SCHEMES: tuple[Literal["light", "dark"], ...] = ("light", "dark")
RULES = {
    "runOnly": ["wcag2a", "wcag2aa", "wcag21a", "wcag21aa", "wcag22aa", "best-practice"],
    "resultTypes": ["violations"],
}


def grace() -> User:
    return User.objects.get(username="grace")


def nothing() -> str:
    return ""


def every_state() -> str:
    """Give Grace a directory in each state, and everything else that a home page can show."""
    person = grace()
    Organisation.objects.create(
        pk=1, name="Example", help_desk="IT service desk", help_desk_email="help@example.com"
    )
    Bookmark.objects.create(label="Wiki", address="https://wiki.example.com/", icon="document")
    google = Directory.objects.get(name="Google")
    up_to_date = BindingFactory(directory=google, user=person, managed=True)
    SyncJobFactory(
        binding=BindingFactory(directory=DirectoryFactory(name="Waiting"), user=person),
        trigger=Due.RECORD,
    )
    SyncJobFactory(
        binding=BindingFactory(
            directory=DirectoryFactory(name="Blocked"), user=person, problem="account_not_found"
        ),
        blocked=True,
    )
    BindingFactory(directory=DirectoryFactory(name="Paused", paused=True), user=person)
    for kind in Notification.Kind.values:
        Notification.objects.create(user=person, binding=up_to_date, kind=kind)
    Notification.objects.filter(kind="password_updated").update(read_at=timezone.now())
    return ""


def retrying() -> str:
    far = timezone.now() + timedelta(hours=1)
    binding = BindingFactory(directory=Directory.objects.get(name="Google"), user=grace())
    SyncJobFactory(binding=binding, queued=True, error="It did not answer.", next_attempt_at=far)
    return ""


def refused() -> str:
    BindingFactory(
        directory=Directory.objects.get(name="Entra"),
        user=grace(),
        refused_password_version=1,
        refusal_text="banned",
    )
    return ""


def one_binding() -> str:
    binding = BindingFactory(directory=Directory.objects.get(name="Google"), user=grace())
    return f"/directories/{binding.pk}/send/"


def many_notifications() -> str:
    binding = BindingFactory(user=grace(), managed=True)
    Notification.objects.bulk_create(
        Notification(user=grace(), binding=binding, kind="password_updated") for _ in range(60)
    )
    return "/notifications/?page=2"


def full_record() -> str:
    text = ("job_title", "department", "company", "work_phone", "city", "street")
    User.objects.filter(username="grace").update(
        **dict.fromkeys(text, "Something that is rather long and has to wrap"),
        manager=UserFactory(display_name="Ada Manager"),
    )
    return ""


def sign_ins() -> str:
    person = grace()
    for kind, outcome in product(LoginEvent.Kind.values, ("succeeded", "failed")):
        LoginEvent.objects.create(
            user=person,
            kind=kind,
            outcome=outcome,
            address="2001:db8::1:2:3:4",
            browser=FIREFOX,
        )
    google = Directory.objects.get(name="Google")
    SyncJobFactory(
        binding=BindingFactory(directory=google, user=person, managed=True),
        succeeded=True,
        login_event=LoginEvent.objects.get(kind="login", outcome="succeeded"),
    )
    signed_in(Mock(), "", person)
    return ""


def link(kind: str, **changes: object) -> Callable[[], str]:
    def prepare() -> str:
        person = UserFactory(new=True) if kind == "welcome" else grace()
        Binding.objects.create(user=person, directory=Directory.objects.get(name="Entra"))
        made = links.issue([person])[0]
        PasswordLink.objects.update(**changes)
        return links.url(made)

    return prepare


def second_factor() -> str:
    TOTP.activate(grace(), "JBSWY3DPEHPK3PXP")
    RecoveryCodes.activate(grace())
    return ""


def expired() -> str:
    User.objects.filter(username="grace").update(password_demanded_at=timezone.now())
    return ""


PAGES: dict[str, tuple[str, bool, Callable[[], str]]] = {
    "login": ("/login/", False, nothing),
    "forgotten": ("/forgotten/", False, nothing),
    "set-up": ("", False, link("welcome")),
    "set-up-reset": ("", False, link("reset")),
    "set-up-expired": ("", False, link("welcome", expires_at=timezone.now())),
    "set-up-unknown": ("/set-up/unknown/", False, nothing),
    "not-found": ("/nothing/", False, nothing),
    "home-empty": ("/", True, nothing),
    "home": ("/", True, every_state),
    "home-retrying": ("/", True, retrying),
    "refused": ("/", True, refused),
    "send": ("", True, one_binding),
    "result-nothing": ("/result/", True, nothing),
    "result-retrying": ("/result/", True, retrying),
    "result-refused": ("/result/", True, refused),
    "notifications-empty": ("/notifications/", True, nothing),
    "notifications": ("/notifications/", True, every_state),
    "notifications-many": ("", True, many_notifications),
    "profile": ("/profile/", True, full_record),
    "security": ("/security/", True, sign_ins),
    "password": ("/password/", True, one_binding),
    "password-expired": ("/", True, expired),
    "confirm": ("/confirm/", True, nothing),
    "sign-out": ("/logout/", True, nothing),
    "second-factor-off": ("/second-factor/", True, nothing),
    "second-factor-on": ("/second-factor/", True, second_factor),
}
"""Each page: its address (or what its preparation returns), whether Grace is in, what it shows."""


@pytest.mark.parametrize("name", PAGES)
def test_page_is_accessible_and_fits(
    name: str, open_browser: Callable[..., BrowserContext], portal: str
) -> None:
    address, is_signed_in, prepare = PAGES[name]
    address = prepare() if not address else (prepare(), address)[1]
    SCREENSHOTS.mkdir(exist_ok=True)

    context = open_browser(reduced_motion="reduce")
    if is_signed_in:
        signed_in(context, portal, grace())
    page = context.new_page()
    page.goto(address)
    for width, scheme in product(WIDTHS, SCHEMES):
        page.set_viewport_size({"width": width, "height": 800})
        page.emulate_media(color_scheme=scheme)

        page.screenshot(path=SCREENSHOTS / f"{name}-{width}-{scheme}.png", full_page=True)
        found = Axe().run(page, options=RULES)
        assert found.violations_count == 0, found.generate_report()
        assert page.evaluate("document.documentElement.scrollWidth") <= width


def test_axe_finds_what_is_wrong(open_browser: Callable[..., BrowserContext]) -> None:
    page = open_browser().new_page()
    page.goto("/login/")
    page.evaluate("document.querySelector('label').remove()")

    found = Axe().run(page, options=RULES)

    assert [violation["id"] for violation in found.response["violations"]] == ["label"]
