"""What people do, from the first mail on, with scripts and without."""

from __future__ import annotations

import re
from collections.abc import Callable
from datetime import timedelta

import pytest
from django.core import mail as django_mail
from django.utils import timezone
from playwright.sync_api import BrowserContext, Locator, Page, expect

from accounts import people
from accounts.models import LoginEvent, User
from passwordsync.models import Status, SyncJob
from portal.models import Bookmark
from tests.browser.conftest import Watch, link_in, mail_to, sign_in, wait_until
from tests.conftest import Company
from tests.factories import PASSWORD, UserFactory

pytestmark = pytest.mark.django_db(transaction=True)

NEW_PASSWORD = "another-Canary-8-here"
BANNED = "Contoso1Contoso1"
"""Made of a word that Entra bans, which only Entra knows."""


def card(page: Page, name: str) -> Locator:
    return page.get_by_role("listitem").filter(
        has=page.get_by_role("heading", name=name, exact=True)
    )


def expect_state(page: Page, name: str, state: str) -> None:
    """Wait until a directory's card says so; without scripts the person reloads."""
    badge = card(page, name).get_by_text(state, exact=True)
    if not page.has_scripts:  # type: ignore[attr-defined]
        for _ in range(20):
            if badge.is_visible():
                break
            reload = page.get_by_role("link", name="Reload")
            reload.click() if reload.is_visible() else page.reload()
    expect(badge).to_be_visible()


def choose(page: Page, password: str = NEW_PASSWORD, *, button: str = "Set password") -> None:
    page.get_by_label("New password", exact=True).fill(password)
    page.get_by_label("New password, once more").fill(password)
    page.get_by_role("button", name=button).click()


def change(page: Page, password: str, *, present: str = PASSWORD) -> None:
    page.get_by_label("Present password").fill(present)
    choose(page, password, button="Change password")


def take_over(company: Company, page: Page) -> None:
    """Bring Grace to where most people are: bound to both, and up to date."""
    company.bind()
    sign_in(page, "grace")
    for name in ("Google", "Entra"):
        expect_state(page, name, "up to date")


@pytest.mark.parametrize("count", [1, 2])
def test_active_person(company: Company, page: Page, count: int) -> None:
    directories = [company.google, company.entra][:count]
    company.bind(*directories)
    for directory in directories:
        mail = mail_to("grace@example.com", f"You were added to {directory.name}")
    assert len(django_mail.outbox) == count

    page.goto(link_in(mail))
    sign_in(page, "grace@example.com")

    for directory in directories:
        expect_state(page, directory.name, "up to date")
        assert company.opens(directory)
        expect(page.get_by_text(f"Your password was updated in {directory.name}.")).to_be_visible()
    expect(page.get_by_role("link", name=f"Notifications {count}")).to_be_visible()


def test_new_person(company: Company, page: Page) -> None:
    nina = UserFactory(
        new=True, username="nina", given_name="Nina", alternate_email="nina@home.example"
    )
    company.sandbox.add_google_user("nina@example.com")
    company.bind(company.google, user=nina)
    first = link_in(mail_to("nina@example.com", "Welcome"))
    other = link_in(mail_to("nina@home.example", "Welcome"))

    page.goto(first)
    page.goto(other)
    expect(page.get_by_role("heading", name="Welcome, Nina")).to_be_visible()
    choose(page)

    expect(page.get_by_role("heading", name="Your new password is set")).to_be_visible()
    expect_state(page, "Google", "up to date")
    expect(page.get_by_text("Done. Your password opens everything above.")).to_be_visible()
    assert company.sandbox.opens("google", "nina@example.com", NEW_PASSWORD)
    assert "set-up" in LoginEvent.objects.get().kind
    mail_to("nina@example.com", "Your password was set")
    page.get_by_role("link", name="Go to the home page").click()
    expect(page.get_by_role("heading", name="Hello, Nina")).to_be_visible()
    page.goto(first)
    expect(page.get_by_text("A password has been set already")).to_be_visible()


def test_rules_are_ticked_off_while_typing(
    company: Company, open_browser: Callable[..., BrowserContext]
) -> None:
    company.bind()
    page = open_browser().new_page()
    sign_in(page, "grace")
    page.goto("/password/")
    rules = page.locator("#password-rules li[data-rule]")
    expect(rules).to_have_count(5)
    expect(page.locator(".rule-met")).to_have_count(0)

    page.get_by_label("New password", exact=True).fill("Grace-1")
    met = page.locator(".rule-met").all_inner_texts()
    page.get_by_label("New password", exact=True).fill(NEW_PASSWORD)

    expect(page.locator(".rule-met")).to_have_count(5)
    assert not any("user name" in text or "At least 12" in text for text in met)
    expect(page.get_by_text("All rules that can be checked here are met.")).to_be_visible()
    page.get_by_role("button", name="Show password").click()
    expect(page.get_by_label("New password", exact=True)).to_have_attribute("type", "text")


def test_change(company: Company, page: Page) -> None:
    take_over(company, page)

    page.get_by_role("link", name="Change password").first.click()
    change(page, "password1234")
    expect(page.get_by_text("This password is too common.")).to_be_visible()
    change(page, NEW_PASSWORD)

    expect(page.get_by_role("heading", name="Your new password is set")).to_be_visible()
    for directory in (company.google, company.entra):
        expect_state(page, directory.name, "up to date")
        assert company.opens(directory, NEW_PASSWORD)
        assert not company.opens(directory)
    mail_to("grace@example.com", "Your password was set")


def test_forgotten(company: Company, page: Page) -> None:
    take_over(company, page)
    page.get_by_role("button", name="Sign out").click()

    page.get_by_role("link", name="No password yet, or forgotten?").click()
    page.get_by_label("User name or e-mail").fill("grace")
    page.get_by_role("button", name="Send me the mail").click()
    expect(page.get_by_role("heading", name="Look into your mail")).to_be_visible()
    page.goto(link_in(mail_to("grace@example.com", "Choose a new password")))
    choose(page)

    for directory in (company.google, company.entra):
        expect_state(page, directory.name, "up to date")
        assert company.opens(directory, NEW_PASSWORD)


def test_expired(company: Company, page: Page) -> None:
    company.bind()
    people.demand_new_password(users=[company.grace], actor=None)

    sign_in(page, "grace")
    expect(page.get_by_text("Please choose a new password before you go on.")).to_be_visible()
    page.goto("/security/")
    assert company.writes("google") == []
    change(page, NEW_PASSWORD)

    for directory in (company.google, company.entra):
        expect_state(page, directory.name, "up to date")
        assert company.opens(directory, NEW_PASSWORD)


def test_refused_by_one_directory_and_mended(company: Company, page: Page) -> None:
    take_over(company, page)

    page.goto("/password/")
    change(page, BANNED)

    expect_state(page, "Entra", "refused")
    expect_state(page, "Google", "up to date")
    page.get_by_role("link", name="Choose another password").click()
    change(page, NEW_PASSWORD, present=BANNED)
    expect_state(page, "Entra", "up to date")
    assert company.opens(company.entra, NEW_PASSWORD)
    assert company.opens(company.google, NEW_PASSWORD)


def test_person_with_a_refused_password_is_led_to_change_it(company: Company, page: Page) -> None:
    company.grace.set_password(BANNED)
    company.grace.save()
    company.bind(company.entra)
    sign_in(page, "grace", BANNED)
    expect(page.get_by_role("button", name="Sign out")).to_be_visible()
    wait_until(lambda: SyncJob.objects.filter(status=Status.REFUSED).exists())
    writes = len(company.writes("microsoft"))
    page.get_by_role("button", name="Sign out").click()

    sign_in(page, "grace", BANNED)

    expect(page.get_by_text("Entra has password rules of its own")).to_be_visible()
    expect(page.get_by_label("Present password")).to_be_visible()
    assert len(company.writes("microsoft")) == writes


def test_retry_of_one_directory(company: Company, page: Page) -> None:
    take_over(company, page)
    company.sandbox.fault(provider="google", times=None, status=503)
    page.goto("/password/")
    change(page, NEW_PASSWORD)
    expect_state(page, "Entra", "up to date")
    page.goto("/")
    expect_state(page, "Google", "retrying")
    company.sandbox.clear_faults()
    entra_writes = len(company.writes("microsoft"))
    # The next attempt by itself is far away: only the person's own brings it there.
    SyncJob.objects.filter(status=Status.QUEUED).update(
        next_attempt_at=timezone.now() + timedelta(hours=1)
    )

    card(page, "Google").get_by_role("link", name="Try again").click()
    page.get_by_label("Portal password").fill("not-my-Password-1")
    page.get_by_role("button", name="Send", exact=True).click()
    expect(page.get_by_text("This is not your portal password.")).to_be_visible()
    page.get_by_label("Portal password").fill(NEW_PASSWORD)
    page.get_by_role("button", name="Send", exact=True).click()

    expect_state(page, "Google", "up to date")
    assert company.opens(company.google, NEW_PASSWORD)
    assert len(company.writes("microsoft")) == entra_writes


def test_bookmarks(company: Company, page: Page) -> None:
    Bookmark.objects.create(label="Wiki", address="https://wiki.example.com/", icon="document")
    company.bind(company.google)

    sign_in(page, "grace")

    drive = card(page, "Google").get_by_role("link", name="Drive")
    expect(drive).to_have_attribute("href", "https://drive.google.com/")
    expect(page.get_by_role("link", name="Wiki")).to_have_attribute("rel", "noopener noreferrer")
    expect(page.get_by_role("link", name="Teams")).to_have_count(0)


def test_ending_another_session(
    company: Company, page: Page, open_browser: Callable[..., BrowserContext]
) -> None:
    other = open_browser().new_page()
    sign_in(other, "grace")
    expect(other.get_by_role("heading", name="Hello, Grace")).to_be_visible()
    sign_in(page, "grace")

    page.get_by_role("link", name="Security").click()
    page.get_by_role("button", name=re.compile(r"^End(?! all)")).click()

    expect(page.get_by_text("1 session was ended.")).to_be_visible()
    other.reload()
    expect(other.get_by_role("button", name="Sign in")).to_be_visible()
    page.reload()
    expect(page.get_by_role("heading", name="Security")).to_be_visible()


def test_change_ends_the_other_sessions(
    company: Company, page: Page, open_browser: Callable[..., BrowserContext]
) -> None:
    other = open_browser().new_page()
    sign_in(other, "grace")
    sign_in(page, "grace")

    page.goto("/password/")
    change(page, NEW_PASSWORD)

    other.goto("/")
    expect(other.get_by_role("button", name="Sign in")).to_be_visible()
    page.goto("/security/")
    expect(page.get_by_text("this one")).to_be_visible()
    expect(page.get_by_role("button", name=re.compile("^End"))).to_have_count(0)


def test_password_stays_in_its_form(
    company: Company, watch: Watch, open_browser: Callable[..., BrowserContext]
) -> None:
    company.bind()
    context = open_browser()
    page = context.new_page()
    pages: list[str] = []
    page.on("load", lambda loaded: pages.append(loaded.content()))

    sign_in(page, "grace", "wrong-Canary-7-here")
    sign_in(page, "grace")
    page.goto("/password/")
    change(page, "short-A1")
    change(page, NEW_PASSWORD)
    expect(page.get_by_role("heading", name="Your new password is set")).to_be_visible()

    stored = page.evaluate("JSON.stringify([localStorage, sessionStorage, document.cookie])")
    seen = "\n".join([*pages, *watch.urls, stored, str(context.cookies())])
    assert len(pages) >= 5
    for secret in (PASSWORD, NEW_PASSWORD, "wrong-Canary-7-here", "short-A1"):
        assert secret not in seen


def test_times_are_in_the_zone_of_the_browser(
    company: Company, open_browser: Callable[..., BrowserContext]
) -> None:
    page = open_browser(timezone_id="Asia/Tokyo").new_page()
    sign_in(page, "grace")

    page.goto("/security/")

    moment = page.locator("time").first
    expect(moment).to_have_attribute("title", re.compile("JST$"))
    User.objects.update(time_zone="Europe/Lisbon")
    page.reload()
    expect(moment).to_have_attribute("title", re.compile("WES?T$"))
