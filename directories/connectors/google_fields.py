"""Where attributes go at Google, and how they are merged into its lists; see ``google_errors``.

Google replaces a list whole, so it is read first; what is not ours stays as it is.  Source:
discovery document directory_v1 20261104, and the reference of users, read 2026-11-24.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

from directories.connectors.fields import Field, Step

Entry = dict[str, Any]

FIELDS = {
    "name.givenName": Field(
        label="First name", home_of="given_name", max_length=60, is_reserved=True
    ),
    "name.familyName": Field(
        label="Last name", home_of="family_name", max_length=60, is_reserved=True
    ),
    "name.displayName": Field(
        label="Display name", home_of="display_name", max_length=256, is_reserved=True
    ),
    "organizations.title": Field(label="Job title", home_of="job_title", step=Step.MERGED),
    "organizations.department": Field(label="Department", home_of="department", step=Step.MERGED),
    "organizations.costCenter": Field(label="Cost centre", home_of="cost_center", step=Step.MERGED),
    "organizations.description": Field(
        label="Type of employee", home_of="employee_type", step=Step.MERGED
    ),
    "organizations.name": Field(label="Organization", home_of="company", step=Step.MERGED),
    "organizations.location": Field(
        label="Location of the organization", home_of="office_location", step=Step.MERGED
    ),
    "externalIds.organization": Field(label="Employee ID", home_of="employee_id", step=Step.MERGED),
    "phones.work": Field(label="Work phone", home_of="work_phone", step=Step.MERGED),
    "phones.mobile": Field(label="Mobile phone", home_of="mobile_phone", step=Step.MERGED),
    "addresses.streetAddress": Field(
        label="Work address: street", home_of="street", step=Step.MERGED
    ),
    "addresses.locality": Field(label="Work address: city", home_of="city", step=Step.MERGED),
    "addresses.region": Field(label="Work address: region", home_of="region", step=Step.MERGED),
    "addresses.postalCode": Field(
        label="Work address: postal code", home_of="postal_code", step=Step.MERGED
    ),
    "addresses.country": Field(label="Work address: country", home_of="country", step=Step.MERGED),
    "languages.preferred": Field(
        label="Preferred language",
        home_of="preferred_language",
        step=Step.MERGED,
        is_reserved=True,
    ),
    "relations.manager": Field(
        label="Manager",
        home_of="manager",
        step=Step.MERGED,
        is_reserved=True,
        manager_by="external_address",
    ),
    "primaryEmail": Field(
        label="Primary email (renames the account)",
        home_of="email",
        step=Step.ADDRESS,
        is_reserved=True,
    ),
}


@dataclass(frozen=True)
class _Part:
    """A key of the one entry of a list that stands for the person's work."""

    is_entry: Callable[[Entry], Any]
    new_entry: Entry


@dataclass(frozen=True)
class _Value:
    """Whole entries of one type; of ``is_only`` ones there is no second."""

    key: str
    new_entry: Entry
    is_only: bool = False

    def is_entry(self, entry: Entry) -> bool:
        return all(entry.get(name) == value for name, value in self.new_entry.items())


_PARTS = {
    "organizations": _Part(lambda entry: entry.get("primary"), {"primary": True}),
    "addresses": _Part(lambda entry: entry.get("type") == "work", {"type": "work"}),
}
_VALUES = {
    "externalIds.organization": _Value("value", {"type": "organization"}, is_only=True),
    "phones.work": _Value("value", {"type": "work"}),
    "phones.mobile": _Value("value", {"type": "mobile"}),
    "languages.preferred": _Value("languageCode", {"preference": "preferred"}, is_only=True),
    "relations.manager": _Value("value", {"type": "manager"}, is_only=True),
}


def names(values: Mapping[str, str]) -> dict[str, Any]:
    """Build the part of a body that goes with the password; null clears."""
    parts = {name.partition(".")[2]: value or None for name, value in values.items()}
    return {"name": parts} if parts else {}


def lists_of(values: Mapping[str, str]) -> list[str]:
    """Name the lists that fields belong to, each once."""
    return list(dict.fromkeys(name.partition(".")[0] for name in values))


def merged(
    user: Mapping[str, Any], values: Mapping[str, str], previous: Mapping[str, str]
) -> dict[str, list[Entry]]:
    """Merge values into the lists of a user that was read; "" takes out what we sent before.

    ``previous`` is what we sent before: an entry that somebody else wrote is not taken out.
    """
    lists = {name: [dict(entry) for entry in user.get(name) or []] for name in lists_of(values)}
    for name, value in values.items():
        array, _, key = name.partition(".")
        if name in _VALUES:
            _merge_value(lists[array], _VALUES[name], value, previous.get(name, ""))
        else:
            _merge_part(lists[array], _PARTS[array], key, value, previous.get(name, ""))
    return lists


def _merge_part(entries: list[Entry], rule: _Part, key: str, value: str, before: str) -> None:
    entry = next((entry for entry in entries if rule.is_entry(entry)), None)
    if value:
        if entry is None:
            entry = dict(rule.new_entry)
            entries.append(entry)
        entry[key] = value
    elif entry is not None and entry.get(key) == before:
        del entry[key]
        if entry == rule.new_entry:
            entries.remove(entry)


def _merge_value(entries: list[Entry], rule: _Value, value: str, before: str) -> None:
    ours = [entry for entry in entries if rule.is_entry(entry)]
    entry = next((entry for entry in ours if entry.get(rule.key) == value), None) if value else None
    if entry is None:
        entry = next((entry for entry in ours if before and entry.get(rule.key) == before), None)
    if entry is None and value and rule.is_only and ours:
        entry = ours[0]
    if value and entry is None:
        entries.append({**rule.new_entry, rule.key: value})
    elif value and entry is not None:
        entry[rule.key] = value
    elif entry is not None:
        entries.remove(entry)
