"""What the admin pages of all apps have in common."""

from __future__ import annotations

from datetime import datetime
from typing import Any, ClassVar, TypeVar, cast

from django.contrib import admin
from django.contrib.humanize.templatetags.humanize import naturaltime
from django.db import models
from django.http import HttpRequest
from django.urls import reverse
from django.utils.html import format_html
from django.utils.safestring import SafeString
from django.utils.text import Truncator
from unfold.admin import ModelAdmin
from unfold.paginator import InfinitePaginator

from accounts.models import User

Row = TypeVar("Row", bound=models.Model)

SECRET_FIELDS = frozenset({"password", "credentials", "sealed_password", "ciphertext"})
"""Fields that no filter in an address may ask about: answers would tell them letter by letter."""
LIST_LIMIT = 20
"""The most rows of another table that a page shows; a link leads to all of them."""


class OperatorAdmin(ModelAdmin[Row]):  # type: ignore[misc]
    """Deletes nothing, and answers no question about a secret."""

    list_per_page = 50
    show_full_result_count = False
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
    list_disable_select_all = True
    list_max_show_all: ClassVar[int] = 0


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


def shortened(text: object, characters: int = 90) -> str:
    """Shorten a text for a column; the row's own page has the whole."""
    return Truncator(str(text)).chars(characters)


def since(moment: datetime | None) -> SafeString | str:
    """Say how long ago, with the exact time where the pointer rests."""
    if moment is None:
        return ""
    exact = f"{moment:%Y-%m-%d %H:%M:%S %Z}"
    return format_html('<span title="{}">{}</span>', exact, naturaltime(moment))
