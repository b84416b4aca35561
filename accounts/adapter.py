"""Where allauth meets us: the only place that sees a clear password, and seals it at once."""

from __future__ import annotations

from typing import Any, cast

from allauth.account.adapter import DefaultAccountAdapter, get_adapter
from allauth.core import context
from allauth.core.exceptions import ImmediateHttpResponse
from django.conf import settings
from django.contrib import messages
from django.core.exceptions import ValidationError
from django.db import transaction
from django.http import HttpRequest
from django.shortcuts import redirect, resolve_url
from django.utils.translation import gettext_lazy as _
from django.views.decorators.debug import sensitive_variables

from accounts import sign_in
from accounts.models import LoginEvent, User
from accounts.sealing import is_sealable, seal_password

MISMATCH = _("User name or password is not right. Check both and try again.")
"""The same words for everybody: unknown, wrong, staged and suspended."""


class AccountAdapter(DefaultAccountAdapter):
    """Seals what ``authenticate`` proved and what ``set_password`` set; audits every attempt."""

    error_messages = {  # noqa: RUF012  allauth's own way to declare them
        **DefaultAccountAdapter.error_messages,
        "email_password_mismatch": MISMATCH,
        "username_password_mismatch": MISMATCH,
        "too_many_login_attempts": _(
            "Too many attempts that were not right. Wait five minutes and try again."
        ),
        "overtaken": _("Your account was changed while you signed in. Sign in again."),
    }

    def _get_login_attempts_cache_key(self, request: HttpRequest, **credentials: Any) -> str:
        """Count failures for each person, however they are named and whatever Host was sent."""
        login = _login_of(credentials)
        user = sign_in.look_up(request, login)
        return f"user:{user.pk}" if user else f"login:{login}"

    def is_ajax(self, request: HttpRequest) -> bool:
        """Answer with pages alone: allauth's JSON holds what was typed into the form."""
        return False

    @sensitive_variables("credentials")
    def authenticate(self, request: HttpRequest, **credentials: Any) -> User | None:
        kind = LoginEvent.Kind.CONFIRM if request.user.is_authenticated else LoginEvent.Kind.LOGIN
        try:
            user = super().authenticate(request, **credentials)
        except ValidationError:
            sign_in.record(
                request,
                user=self._known_user(credentials),
                kind=kind,
                outcome=LoginEvent.Outcome.THROTTLED,
                reason=LoginEvent.Reason.TOO_MANY_ATTEMPTS,
            )
            raise
        if not isinstance(user, User):
            known_user, reason = getattr(request, "refusal", (None, LoginEvent.Reason.UNKNOWN_USER))
            sign_in.record(
                request,
                user=known_user,
                kind=kind,
                outcome=LoginEvent.Outcome.FAILED,
                reason=reason,
            )
            return None
        if is_sealable(password := credentials["password"]):
            sign_in.remember(request, seal_password(password, user=user), kind=kind)
        return user

    @sensitive_variables("password")
    def reauthenticate(self, user: User, password: str, *, only: int | None = None) -> bool:
        """Prove the password once more, and send it to what is due, or to ``only`` one binding."""
        request = context.request
        if not super().reauthenticate(user, password):
            sign_in.remembered(request)
            return False
        self._release(request, user, only=only)
        return True

    @sensitive_variables("password")
    def set_password(
        self,
        user: User,
        password: str,
        *,
        kind: LoginEvent.Kind = LoginEvent.Kind.SET_UP,
    ) -> None:
        """Save a new password and seal it.

        It is released at once where the person is signed in, else when the sign-in that follows
        completes.
        """
        request = context.request
        is_self = request.user.is_authenticated and request.user.pk == user.pk
        with transaction.atomic():
            # Who proved an older password has nothing to say any more: a reset came first.
            current = User.objects.select_for_update(no_key=True).only("password_version")
            if current.get(pk=user.pk).password_version != user.password_version:
                raise self._overtaken(request)
            user.set_password(password)
            user.save(update_fields=["password"])
            sign_in.remember(
                request,
                seal_password(password, user=user),
                kind=LoginEvent.Kind.CHANGE if is_self else kind,
            )
            if is_self:
                self._release(request, user)

    def get_login_stages(self) -> list[str]:
        return ["accounts.stages.SecondFactorStage", "accounts.stages.ReleaseStage"]

    def get_password_change_redirect_url(self, request: HttpRequest) -> str:
        return resolve_url(settings.PASSWORD_SET_REDIRECT_URL)

    def is_open_for_signup(self, request: HttpRequest) -> bool:
        return False

    def _release(self, request: HttpRequest, user: User, *, only: int | None = None) -> None:
        if found := sign_in.remembered(request):
            kind, sealed = found
            try:
                sign_in.release(
                    request,
                    user=user,
                    kind=kind,
                    sealed=sealed,
                    password_version=sealed.password_version,
                    only=only,
                )
            except sign_in.OvertakenError:
                raise self._overtaken(request) from None

    def _overtaken(self, request: HttpRequest) -> ImmediateHttpResponse:
        messages.error(request, self.error_messages["overtaken"])
        return ImmediateHttpResponse(redirect(settings.LOGIN_URL))

    def _known_user(self, credentials: dict[str, Any]) -> User | None:
        login = _login_of(credentials)
        return User.objects.find(login) if login else None


def _login_of(credentials: dict[str, Any]) -> str:
    return (credentials.get("email") or credentials.get("username") or "").lower()


def get_account_adapter(request: HttpRequest) -> AccountAdapter:
    """Get our adapter, as allauth does."""
    return cast("AccountAdapter", get_adapter(request))
