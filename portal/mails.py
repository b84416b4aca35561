"""How mails look: one folder of templates for each kind, in one frame."""

from __future__ import annotations

import re
from dataclasses import dataclass
from datetime import datetime, timedelta, tzinfo
from typing import Any, Final
from urllib.parse import urlsplit
from zoneinfo import ZoneInfo

from django.conf import settings
from django.core.mail import EmailMultiAlternatives
from django.core.mail.backends.base import BaseEmailBackend
from django.template.loader import render_to_string
from django.utils import timezone
from django.utils.formats import date_format

from accounts import links
from accounts.models import LoginEvent, PasswordLink, User
from directories.models import Binding, Directory
from portal import colours, organisation
from portal.browsers import plain_name
from portal.models import Mail, MailText

SAMPLE_BROWSER: Final = "Mozilla/5.0 (Windows NT 10.0; Win64; x64; rv:140.0) Firefox/140.0"
SAMPLE_ADDRESS: Final = "192.0.2.1"
LATE: Final = timedelta(hours=3)
"""A change over there that was found later is said to be, since people have signed in meanwhile."""


@dataclass(frozen=True)
class Rendered:
    """A mail's words; ``html`` is a whole document."""

    subject: str
    text: str
    html: str


def message(mail: Mail, connection: BaseEmailBackend | None = None) -> EmailMultiAlternatives:
    """Make the message of a mail; its rows have to be loaded."""
    link_url = links.url(mail.link) if mail.link else ""
    return _message(
        render(mail, link_url=link_url),
        to=mail.address,
        connection=connection,
        headers={"Message-ID": message_id(mail)},
    )


def sample_message(kind: str, *, person: User) -> EmailMultiAlternatives:
    """Make a sample message to an operator."""
    return _message(sample(kind, person=person), to=person.email)


def sample(kind: str, *, person: User, paragraph: str | None = None) -> Rendered:
    """Render a mail of a kind as ``person`` would get it, with a link that opens nothing.

    ``paragraph`` stands in for the saved one.
    """
    now = timezone.now()
    mail = Mail(
        kind=kind,
        user=person,
        address=person.email,
        binding=Binding(
            user=person,
            drifted_at=now,
            directory=Directory(name="Example Mail", kind=Directory.Kind.GOOGLE_WORKSPACE),
        ),
        link=PasswordLink(expires_at=now + settings.ACTIVATION_LINK_TTL),
        login_event=LoginEvent(
            kind=LoginEvent.Kind.CHANGE, at=now, address=SAMPLE_ADDRESS, browser=SAMPLE_BROWSER
        ),
    )
    return render(mail, link_url=f"{settings.PORTAL_URL}/set-up/sample/", paragraph=paragraph)


def render(mail: Mail, *, link_url: str, paragraph: str | None = None) -> Rendered:
    """Render a mail in its person's time zone."""
    if paragraph is None:
        texts = MailText.objects.filter(kind=mail.kind).values_list("paragraph", flat=True)
        paragraph = texts.first() or ""
    context: dict[str, Any] = {
        "person": mail.user,
        "binding": mail.binding,
        "directory": mail.binding.directory if mail.binding else None,
        "link_url": link_url,
        "event": mail.login_event,
        "browser": plain_name(mail.login_event.browser) if mail.login_event else "",
        "place": f" ({mail.login_event.address})"
        if mail.login_event and mail.login_event.address
        else "",
        "portal_url": settings.PORTAL_URL,
        "product_name": settings.PRODUCT_NAME,
        "light": colours.light(settings.PRODUCT_COLOUR),
        "dark": colours.dark(settings.PRODUCT_COLOUR),
        "organisation": organisation.current(),
        "paragraph": paragraph.strip(),
    }
    folder = f"mail/{mail.kind}"
    with timezone.override(_zone(mail.user)):
        context["expires"] = _moment(mail.link.expires_at) if mail.link else ""
        drifted_at = mail.binding.drifted_at if mail.binding else None
        context["drifted_at"] = _moment(drifted_at) if drifted_at else ""
        context["is_late"] = drifted_at is not None and drifted_at < mail.created_at - LATE
        context["when"] = _moment(mail.login_event.at) if mail.login_event else ""
        return Rendered(
            subject=" ".join(render_to_string(f"{folder}/subject.txt", context).split()),
            text=_tidied(render_to_string(f"{folder}/body.txt", context)),
            html=render_to_string(f"{folder}/body.html", context),
        )


def message_id(mail: Mail) -> str:
    """Name a mail the same at every attempt."""
    host = urlsplit(settings.PORTAL_URL).hostname or "localhost"
    return f"<{mail.kind}.{mail.pk}.{mail.created_at:%Y%m%d%H%M%S%f}@{host}>"


def _message(
    rendered: Rendered,
    *,
    to: str,
    connection: BaseEmailBackend | None = None,
    headers: dict[str, str] | None = None,
) -> EmailMultiAlternatives:
    made = EmailMultiAlternatives(
        subject=rendered.subject,
        body=rendered.text,
        to=[to],
        headers={"Auto-Submitted": "auto-generated", **(headers or {})},
        connection=connection,
    )
    made.attach_alternative(rendered.html, "text/html")
    return made


def _tidied(text: str) -> str:
    """Leave one empty line between paragraphs, and none at the ends."""
    return re.sub(r"\n{3,}", "\n\n", re.sub(r"[ \t]+\n", "\n", text)).strip() + "\n"


def _moment(moment: datetime) -> str:
    """Write a time in the present zone, and name the zone."""
    local = timezone.localtime(moment)
    return f"{date_format(local, 'DATETIME_FORMAT')} ({local:%Z})"


def _zone(user: User) -> tzinfo:
    return ZoneInfo(user.time_zone or settings.TIME_ZONE)
