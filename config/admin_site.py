"""The admin, for operators: it signs nobody in and sets no password."""

from __future__ import annotations

from collections.abc import Callable
from typing import Final

from allauth.account.decorators import secure_admin_login
from csp.decorators import csp_replace
from django.http import HttpRequest, HttpResponse, HttpResponseBase
from django.shortcuts import redirect
from django.urls import URLPattern, URLResolver
from unfold.sites import UnfoldAdminSite

LEFT_OUT = {"password_change", "password_change_done"}
"""The admin's own views that see a password; the portal has the only ones."""


POLICY: Final = {
    # Alpine, which unfold is made with, evaluates the expressions in its pages.
    "script-src": ["'self'", "'unsafe-eval'"],
    # unfold writes its colours, and Alpine what it shows and hides, as styles in the page.
    "style-src": ["'self'", "'unsafe-inline'"],
    "img-src": ["'self'", "data:"],
    "font-src": ["'self'"],
}


class LatchkeyAdminSite(UnfoldAdminSite):
    """Its ``login`` leads to the portal's; the name has to exist, all its pages redirect to it."""

    def __init__(self, name: str = "admin") -> None:
        super().__init__(name)
        self.login = secure_admin_login(self._already_in)

    def get_urls(self) -> list[URLPattern | URLResolver]:
        return [url for url in super().get_urls() if getattr(url, "name", "") not in LEFT_OUT]

    def admin_view(
        self, view: Callable[..., HttpResponseBase], cacheable: bool = False
    ) -> Callable[..., HttpResponseBase]:
        policed: Callable[..., HttpResponseBase] = csp_replace(POLICY)(
            super().admin_view(view, cacheable)
        )
        return policed

    def _already_in(self, request: HttpRequest) -> HttpResponse:
        return redirect("admin:index")
