"""The pages of the portal."""

from __future__ import annotations

from typing import Final, cast

from django.conf import settings
from django.contrib import messages
from django.contrib.auth.decorators import login_required
from django.core.exceptions import ValidationError
from django.core.paginator import Paginator
from django.http import HttpRequest, HttpResponse, HttpResponseBase
from django.shortcuts import get_object_or_404, redirect, render
from django.urls import reverse
from django.utils.translation import gettext as _
from django.utils.translation import ngettext
from django.views.decorators.cache import cache_control, never_cache
from django.views.decorators.debug import sensitive_post_parameters
from django.views.decorators.http import require_http_methods, require_POST, require_safe
from django.views.decorators.vary import vary_on_headers
from django_htmx.http import HttpResponseClientRedirect

from accounts.adapter import get_account_adapter
from accounts.models import User
from accounts.sessions import end
from directories.models import Binding
from passwordsync.states import State
from portal import colours
from portal import live as live_parts
from portal import notifications as notices
from portal import profile as record
from portal import security as sign_ins
from portal.forms import PasswordForm

PAGE: Final = 25
"""Notifications on one page."""
LED: Final = "led_to_change"
"""Session key: the version of the refused password whose owner was led to change it."""


@never_cache
@require_safe
@login_required
def home(request: HttpRequest) -> HttpResponse:
    """Show a person their directories; leads them on where a directory refuses their password."""
    user = _person(request)
    part = live_parts.home(request, user)
    refused = [card for card in part.cards if card.state == State.REFUSED]
    if refused and request.session.get(LED) != user.password_version:
        request.session[LED] = user.password_version
        messages.warning(request, refused[0].text)
        return redirect("account_change_password")
    return render(request, "portal/home.html", {"live_part": part.html})


@never_cache
@require_safe
@login_required
def result(request: HttpRequest) -> HttpResponse:
    """Show what becomes of a new password, directory by directory."""
    user = _person(request)
    if request.session.get(LED) != user.password_version:
        live_parts.settle(user)
    part = live_parts.result(request, user)
    # They see a refusal here; home need not lead them once more.
    request.session[LED] = user.password_version
    return render(request, "portal/result.html", {"live_part": part.html})


@never_cache
@vary_on_headers("HX-Request")
@require_safe
def live(request: HttpRequest) -> HttpResponseBase:
    """Give the moving part of a page; 204 where nothing is new since ``seen``."""
    if not request.headers.get("HX-Request"):
        return redirect("portal:home")
    if not request.user.is_authenticated:
        # A redirect would put the sign-in form into the middle of the page.
        return HttpResponseClientRedirect(reverse("account_login"))
    make = live_parts.result if request.GET.get("page") == "result" else live_parts.home
    part = make(request, _person(request), is_news=True)
    if request.GET.get("seen") == part.fingerprint:
        return HttpResponse(status=204)
    return HttpResponse(part.html)


@sensitive_post_parameters()
@never_cache
@require_http_methods(["GET", "POST"])
@login_required
def send(request: HttpRequest, binding_id: int) -> HttpResponse:
    """Send a person's password to one directory alone, once they have typed it."""
    user = _person(request)
    binding = get_object_or_404(
        Binding.objects.select_related("directory").filter(Binding.LIVE, user=user), pk=binding_id
    )
    form = PasswordForm(request.POST or None)
    if request.method == "POST" and form.is_valid():
        password = form.cleaned_data["password"]
        try:
            is_right = get_account_adapter(request).reauthenticate(user, password, only=binding.pk)
        except ValidationError as error:
            form.add_error("password", error)
        else:
            if is_right:
                return redirect(f"{reverse('portal:home')}#directory-{binding.pk}")
            form.add_error(
                "password", _("This is not your portal password. Check it and try again.")
            )
    return render(request, "portal/send.html", {"form": form, "directory": binding.directory})


@never_cache
@require_safe
@login_required
def notifications(request: HttpRequest) -> HttpResponse:
    """Show all that a person was told."""
    paginator = Paginator(notices.every(_person(request)), PAGE)
    page = paginator.get_page(request.GET.get("page"))
    return render(request, "portal/notifications.html", {"page": page})


@require_POST
@login_required
def notifications_read(request: HttpRequest) -> HttpResponse:
    """Mark a person's notifications as read."""
    notices.mark_read(user=_person(request))
    is_from_page = request.POST.get("from") == "notifications"
    return redirect("portal:notifications" if is_from_page else "portal:home")


@never_cache
@require_safe
@login_required
def profile(request: HttpRequest) -> HttpResponse:
    """Show what the company knows about a person."""
    return render(request, "portal/profile.html", {"groups": record.groups(_person(request))})


@never_cache
@require_safe
@login_required
def security(request: HttpRequest) -> HttpResponse:
    """Show a person's password age, second factor, sessions and recent sign-ins."""
    user = _person(request)
    context = {
        "sessions": sign_ins.open_sessions(user, session_key=request.session.session_key),
        "sign_ins": sign_ins.recent_sign_ins(user),
        "has_second_factor": sign_ins.has_second_factor(user),
    }
    return render(request, "portal/security.html", context)


@require_POST
@login_required
def sessions_end(request: HttpRequest, session_id: int | None = None) -> HttpResponse:
    """End one of a person's other sessions, or all of them."""
    others = sign_ins.sessions(_person(request)).exclude(session_key=request.session.session_key)
    count = end(others if session_id is None else others.filter(pk=session_id))
    messages.success(
        request,
        ngettext("%d session was ended.", "%d sessions were ended.", count) % count
        if count
        else _("There was nothing to end: the session is over already."),
    )
    return redirect("portal:security")


def _person(request: HttpRequest) -> User:
    return cast("User", request.user)


@require_safe
@cache_control(public=True, max_age=365 * 24 * 3600, immutable=True)
def theme(request: HttpRequest) -> HttpResponse:
    """Give the colours made of the product's; the address has a fingerprint of them."""
    return HttpResponse(colours.style_sheet(settings.PRODUCT_COLOUR), content_type="text/css")
