"""The admin in a real browser: its looser policy lets it work, and nothing else."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
from django.db.models import Model
from playwright.sync_api import BrowserContext, expect

from directories.models import Binding
from portal.models import MailText
from tests.admin.test_sweep import MODELS, rows, url_of  # noqa: F401  a fixture
from tests.browser.conftest import signed_in
from tests.browser.test_pages import WIDTHS
from tests.factories import SyncJobFactory, UserFactory

pytestmark = pytest.mark.django_db(transaction=True)


def test_admin_works_under_its_policy(
    rows: dict[type[Model], Any],  # noqa: F811
    open_browser: Callable[..., BrowserContext],
    portal: str,
) -> None:
    context = open_browser()
    signed_in(context, portal, UserFactory(administrator=True))
    page = context.new_page()

    for model in MODELS:
        for address in (url_of(model, "changelist"), url_of(model, "change", rows[model].pk)):
            page.goto(address)
            expect(page.get_by_role("link", name="Login events").first).to_be_visible()
    page.goto(f"/admin/portal/mailtext/{rows[MailText].pk}/preview/")

    mail = page.frame_locator("iframe")
    expect(mail.get_by_role("heading", name="You were added to Example Mail")).to_be_visible()


@pytest.mark.parametrize(
    ("address", "title"),
    [("/admin/waiting/", "What waits"), ("/admin/churn/", "Passwords written")],
)
def test_reports_fit_wide_and_narrow(
    rows: dict[type[Model], Any],  # noqa: F811
    open_browser: Callable[..., BrowserContext],
    portal: str,
    address: str,
    title: str,
) -> None:
    written = {"sent_password_version": 1, "changed_attributes": ["job_title"]}
    SyncJobFactory(binding=rows[Binding], succeeded=True, **written)
    context = open_browser()
    signed_in(context, portal, UserFactory(administrator=True))
    page = context.new_page()
    page.goto(address)

    expect(page.get_by_role("heading", name=title)).to_be_visible()
    for width in WIDTHS:
        page.set_viewport_size({"width": width, "height": 800})
        assert page.evaluate("document.documentElement.scrollWidth") <= width
