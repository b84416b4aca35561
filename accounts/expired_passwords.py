"""Keeping people whose password has expired at the page where they choose another."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Final

from django.contrib import messages
from django.http import HttpRequest, HttpResponseBase
from django.shortcuts import redirect
from django.urls import reverse
from django.utils.translation import gettext as _
from django_htmx.http import HttpResponseClientRedirect

from accounts.models import User

OPEN: Final = {"account_change_password", "account_logout", "account_set_up", "theme"}
"""Views that stay open to somebody whose password has expired."""


class ExpiredPasswordMiddleware:
    """Leads signed-in people whose password has expired to choosing a new one."""

    def __init__(self, get_response: Callable[[HttpRequest], HttpResponseBase]) -> None:
        self.get_response = get_response

    def __call__(self, request: HttpRequest) -> HttpResponseBase:
        return self.get_response(request)

    def process_view(
        self, request: HttpRequest, _view: object, _args: object, _kwargs: Any
    ) -> HttpResponseBase | None:
        match, user = request.resolver_match, request.user
        if (
            match is None
            or match.view_name in OPEN
            or not isinstance(user, User)
            or user.password_status != User.PasswordStatus.EXPIRED
        ):
            return None
        url = reverse("account_change_password")
        if request.headers.get("HX-Request"):
            return HttpResponseClientRedirect(url)
        if not messages.get_messages(request):
            messages.warning(request, _("Please choose a new password before you go on."))
        return redirect(url)
