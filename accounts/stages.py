"""Our two steps in allauth's login: hold for a second factor, and release at the end."""

from __future__ import annotations

from typing import Any

from allauth.account.adapter import get_adapter
from allauth.account.stages import LoginStage
from allauth.mfa.stages import AuthenticateStage
from django.contrib import messages
from django.http import HttpResponseBase
from django.shortcuts import redirect

from accounts import sign_in
from accounts.models import LoginEvent

HELD = "held_password"
VERSION = "password_version"
"""Of the password that was proved, through however many stages and minutes."""


class SecondFactorStage(AuthenticateStage):
    """allauth's second factor; while it is asked, the sealed password is held in the database.

    Only the row's id is in the session.
    """

    def handle(self) -> tuple[HttpResponseBase | None, bool]:
        user: Any = self.login.user
        self.login.state.setdefault(VERSION, user.password_version)
        response, is_continued = super().handle()
        found = sign_in.remembered(self.request) if response else None
        if found:
            kind, sealed = found
            held_id = sign_in.hold(self.request, kind=kind, sealed=sealed)
            self.login.state[HELD] = {"id": held_id, "kind": kind.value}
        return response, is_continued


class ReleaseStage(LoginStage):
    """The last stage: the person is in, and what they proved goes on its way."""

    key = "release"

    def handle(self) -> tuple[HttpResponseBase | None, bool]:
        user: Any = self.login.user
        kind, sealed = LoginEvent.Kind.LOGIN, None
        if found := sign_in.remembered(self.request):
            kind, sealed = found
        elif held := self.login.state.pop(HELD, None):
            kind = LoginEvent.Kind(held["kind"])
            sealed = sign_in.take_held(held["id"], user=user)
        try:
            sign_in.release(
                self.request,
                user=user,
                kind=kind,
                sealed=sealed,
                password_version=self.login.state[VERSION],
            )
        except sign_in.OvertakenError:
            message = get_adapter(self.request).error_messages["overtaken"]
            messages.error(self.request, message)
            return redirect("account_login"), False
        return None, True
