"""Pages of accounts that allauth has not."""

from __future__ import annotations

from allauth.account.internal.flows.login import perform_login
from allauth.account.models import Login
from django.db import transaction
from django.http import HttpRequest, HttpResponse
from django.shortcuts import render
from django.views.decorators.cache import never_cache
from django.views.decorators.debug import sensitive_post_parameters
from django.views.decorators.http import require_http_methods

from accounts import first_administrator
from accounts.forms import FirstAdministratorForm


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
