"""Pages of accounts that allauth has not."""

from __future__ import annotations

from allauth.account.internal.flows.login import perform_login
from allauth.account.models import Login
from allauth.core.ratelimit import consume
from django.conf import settings
from django.contrib.auth import logout
from django.db import transaction
from django.http import HttpRequest, HttpResponse
from django.shortcuts import render, resolve_url
from django.views.decorators.cache import never_cache
from django.views.decorators.debug import sensitive_post_parameters
from django.views.decorators.http import require_http_methods

from accounts import first_administrator, links, sign_in
from accounts.forms import FirstAdministratorForm, ForgottenForm, SetUpForm
from accounts.models import LoginEvent, PasswordLink, User


@sensitive_post_parameters()
@never_cache
@require_http_methods(["GET", "POST"])
def make_first_administrator(request: HttpRequest, token: str) -> HttpResponse:
    """Ask who the first administrator is, make and sign them in."""
    if not first_administrator.is_valid(token):
        return render(request, "accounts/first_administrator_gone.html", status=410)
    form = FirstAdministratorForm(request.POST or None)
    if request.method == "POST" and form.is_valid():
        with transaction.atomic():
            is_first = not first_administrator.is_there()
            if is_first:
                user = form.save()
        if is_first:
            response: HttpResponse = perform_login(request, Login(user=user))
            return response
        return render(request, "accounts/first_administrator_gone.html", status=410)
    return render(request, "accounts/first_administrator.html", {"form": form})


@sensitive_post_parameters()
@never_cache
@require_http_methods(["GET", "HEAD", "POST"])
def set_up(request: HttpRequest, token: str) -> HttpResponse:
    """Let the owner of a mailed link choose their password, and sign them in.

    Only the form uses the link up.  One that was used, or has expired, offers a new mail.
    """
    link = links.find(token)
    if link is None or not links.is_usable(link):
        return _gone(request, link)
    if not consume(request, action="set_password", key=link.pk.hex):
        return render(request, "429.html", status=429)
    form = SetUpForm(user=link.user, data=request.POST or None)
    if request.method == "POST" and form.is_valid():
        # Whoever was signed in here before: from now on it is the owner of the link.
        logout(request)
        try:
            # Together, so that no password is set without its event and its mail.
            with transaction.atomic():
                user = links.use(request, link, form.cleaned_data["password1"])
                to = resolve_url(settings.PASSWORD_SET_REDIRECT_URL)
                response: HttpResponse = perform_login(request, Login(user=user, redirect_url=to))
        except links.LinkUsedError:
            return _gone(request, links.find(token))
        return response
    return render(request, "accounts/set_up.html", {"form": form, "link": link})


def _gone(request: HttpRequest, link: PasswordLink | None) -> HttpResponse:
    """Say that a link is of no use any more; where it was ours, mail a new one if asked."""
    is_mailed = False
    if link is not None and request.method == "POST" and "mail" in request.POST:
        if not _may_mail(request, link.user):
            return render(request, "429.html", status=429)
        links.issue([link.user])
        is_mailed = True
    context = {"link": link, "is_mailed": is_mailed, "is_active": link and link.user.is_active}
    return render(request, "accounts/set_up_gone.html", context, status=410)


@never_cache
@require_http_methods(["GET", "POST"])
def forgotten(request: HttpRequest) -> HttpResponse:
    """Mail a link to whoever forgot their password; says the same whoever was named."""
    form = ForgottenForm(request.POST or None)
    if request.method != "POST" or not form.is_valid():
        return render(request, "accounts/forgotten.html", {"form": form})
    login = form.cleaned_data["login"].lower()
    user = User.objects.find(login)
    is_allowed = _may_mail(request, user, login)
    refusal = sign_in.state_refusal(user) if user else LoginEvent.Reason.UNKNOWN_USER
    outcome = LoginEvent.Outcome.FAILED if refusal else LoginEvent.Outcome.LINK_SENT
    if not is_allowed:
        outcome, refusal = LoginEvent.Outcome.THROTTLED, LoginEvent.Reason.TOO_MANY_ATTEMPTS
    with transaction.atomic():
        sign_in.record(
            request, user=user, kind=LoginEvent.Kind.RESET, outcome=outcome, reason=refusal
        )
        if user is not None and outcome == LoginEvent.Outcome.LINK_SENT:
            links.issue([user])
    return render(request, "accounts/forgotten_sent.html")


def _may_mail(request: HttpRequest, user: User | None, login: str = "") -> bool:
    """Count the mails that are asked for, by address of the browser and by person."""
    key = f"user:{user.pk}" if user else f"login:{login}"
    return bool(consume(request, action="password_link", key=key))
