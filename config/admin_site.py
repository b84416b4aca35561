"""The admin, for operators: it signs nobody in and sets no password."""

from __future__ import annotations

from allauth.account.decorators import secure_admin_login
from django.http import HttpRequest, HttpResponse
from django.shortcuts import redirect
from django.urls import URLPattern, URLResolver
from unfold.sites import UnfoldAdminSite

LEFT_OUT = {"password_change", "password_change_done"}
"""The admin's own views that see a password; the portal has the only ones."""


class LatchkeyAdminSite(UnfoldAdminSite):
    """Its ``login`` leads to the portal's; the name has to exist, all its pages redirect to it."""

    def __init__(self, name: str = "admin") -> None:
        super().__init__(name)
        self.login = secure_admin_login(self._already_in)

    def get_urls(self) -> list[URLPattern | URLResolver]:
        return [url for url in super().get_urls() if getattr(url, "name", "") not in LEFT_OUT]

    def _already_in(self, request: HttpRequest) -> HttpResponse:
        return redirect("admin:index")
