"""What the company knows about a person, as the person sees it."""

from __future__ import annotations

from typing import Any, Final, cast

from django.db.models import Field
from django.utils.functional import Promise
from django.utils.text import capfirst
from django.utils.translation import gettext_lazy as _

from accounts.models import User

GROUPS: Final[tuple[tuple[Promise, tuple[str, ...]], ...]] = (
    (
        _("You"),
        ("display_name", "given_name", "family_name", "username", "email", "alternate_email"),
    ),
    (
        _("Work"),
        (
            "job_title",
            "department",
            "division",
            "company",
            "cost_center",
            "office_location",
            "employee_id",
            "employee_type",
            "manager",
        ),
    ),
    (
        _("Phone and address"),
        ("work_phone", "mobile_phone", "street", "postal_code", "city", "region", "country"),
    ),
    (_("Language and time"), ("preferred_language", "time_zone")),
)


FIELDS: Final[dict[str, Field[Any, Any]]] = {
    name: cast("Field[Any, Any]", User._meta.get_field(name))
    for _title, names in GROUPS
    for name in names
}


def groups(user: User) -> list[tuple[Promise, list[tuple[str, object]]]]:
    """Group the fields that are set, each with its name in plain words."""
    found = []
    for title, names in GROUPS:
        facts = [
            (capfirst(str(FIELDS[name].verbose_name)), value)
            for name in names
            if (value := getattr(user, name))
        ]
        if facts:
            found.append((title, facts))
    return found
