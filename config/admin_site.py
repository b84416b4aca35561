"""The admin, for operators: it signs nobody in and sets no password."""

from __future__ import annotations

from allauth.account.decorators import secure_admin_login
from django.urls import URLPattern, URLResolver
from unfold.sites import UnfoldAdminSite

LEFT_OUT = {"login", "password_change", "password_change_done"}
"""The admin's own views that see a password; the portal has the only ones."""


class LatchkeyAdminSite(UnfoldAdminSite):
    def __init__(self, name: str = "admin") -> None:
        super().__init__(name)
        self.login = secure_admin_login(super().login)  # type: ignore[method-assign]

    def get_urls(self) -> list[URLPattern | URLResolver]:
        return [url for url in super().get_urls() if getattr(url, "name", "") not in LEFT_OUT]
