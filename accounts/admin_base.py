"""What the admin pages of all apps have in common."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from datetime import datetime
from typing import Any, ClassVar, TypeVar, cast

from django.contrib import admin
from django.contrib.humanize.templatetags.humanize import naturaltime
from django.db import models
from django.http import HttpRequest
from django.urls import reverse
from django.utils import timezone
from django.utils.functional import Promise
from django.utils.html import format_html
from django.utils.safestring import SafeString
from django.utils.text import Truncator
from unfold.admin import ModelAdmin
from unfold.decorators import display
from unfold.paginator import InfinitePaginator

from accounts.models import User

Row = TypeVar("Row", bound=models.Model)
Column = TypeVar("Column", bound=Callable[..., Any])

SECRET_FIELDS = frozenset({"password", "credentials", "sealed_password", "ciphertext", "link"})
"""Fields that no filter in an address may ask about: answers would tell them letter by letter."""
LIST_LIMIT = 20
"""The most rows of another table that a page shows; a link leads to all of them."""


class OperatorAdmin(ModelAdmin[Row]):
    """Deletes nothing, and answers no question about a secret."""

    list_per_page = 50
    show_facets = admin.ShowFacets.NEVER

    def has_delete_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        return False

    def lookup_allowed(self, lookup: str, value: str, request: HttpRequest) -> bool:
        is_secret = not SECRET_FIELDS.isdisjoint(lookup.split("__"))
        return not is_secret and super().lookup_allowed(lookup, value, request)


class AuditAdmin(OperatorAdmin[Row]):
    """Shows rows that nobody adds, changes or deletes by hand."""

    def has_add_permission(self, request: HttpRequest) -> bool:
        return False

    def has_change_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        return False


class LargeTableAdmin(AuditAdmin[Row]):
    """Never counts its rows: pages have a next and a previous, and no last one."""

    paginator = InfinitePaginator
    show_full_result_count = False
    list_disable_select_all = True
    list_max_show_all: ClassVar[int] = 0


def badge(
    *, description: str | Promise, colours: Mapping[Any, str], ordering: str | None = None
) -> Callable[[Column], Column]:
    """Show a column as a badge: it returns a key of ``colours`` and the text, or "" for none."""
    return cast(
        "Callable[[Column], Column]",
        display(description=description, ordering=ordering, label=dict(colours)),
    )


def operator_of(request: HttpRequest) -> User:
    """Get who works here; the admin lets nobody else in."""
    return cast("User", request.user)


def change_link(row: models.Model | None, text: object = None) -> SafeString | str:
    """Link to the page of a row; "" for None."""
    if row is None:
        return ""
    url = reverse(f"admin:{row._meta.app_label}_{row._meta.model_name}_change", args=[row.pk])
    return format_html('<a href="{}" class="text-link">{}</a>', url, row if text is None else text)


def list_link(model: type[models.Model] | str, text: object, **filters: object) -> SafeString:
    """Link to a list of rows, filtered; ``model`` by name where it belongs to an app above."""
    label = model if isinstance(model, str) else model._meta.label_lower
    url = reverse(f"admin:{label.replace('.', '_')}_changelist", query=filters)
    return format_html('<a href="{}" class="text-link">{}</a>', url, text)


def shortened(text: object, characters: int = 80) -> SafeString | str:
    """Shorten a text for a column; the whole shows where the pointer rests, and on the page."""
    whole = str(text)
    if not whole:
        return ""
    short = Truncator(whole).chars(characters)
    classes = "inline-block min-w-56" if len(short) > characters // 2 else ""
    return format_html('<span title="{}" class="{}">{}</span>', whole, classes, short)


def since(moment: datetime | None) -> SafeString | str:
    """Say how long ago; the exact time shows where the pointer rests."""
    if moment is None:
        return ""
    exact = f"{timezone.localtime(moment):%Y-%m-%d %H:%M:%S %Z}"
    return format_html('<span title="{}">{}</span>', exact, naturaltime(moment))


def exactly(moment: datetime) -> SafeString:
    """Write a time to the second, in one line."""
    text = f"{timezone.localtime(moment):%Y-%m-%d %H:%M:%S}"
    return format_html('<span class="whitespace-nowrap">{}</span>', text)
