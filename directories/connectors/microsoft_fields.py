"""Where attributes go in Entra ID; twin of ``google_fields.py``.

Source: learn.microsoft.com/graph/api/resources/user and api/user-update, read 2026-11-24.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from directories.connectors.fields import Field, Step

FIELDS = {
    "givenName": Field(label="First name", home_of="given_name", max_length=64, is_reserved=True),
    "surname": Field(label="Last name", home_of="family_name", max_length=64, is_reserved=True),
    "displayName": Field(
        label="Display name", home_of="display_name", max_length=256, is_reserved=True
    ),
    "jobTitle": Field(label="Job title", home_of="job_title", max_length=128),
    "department": Field(label="Department", home_of="department", max_length=64),
    "employeeId": Field(label="Employee ID", home_of="employee_id", max_length=16),
    "employeeType": Field(label="Employee type", home_of="employee_type", max_length=64),
    "companyName": Field(label="Company name", home_of="company", max_length=64),
    "officeLocation": Field(label="Office location", home_of="office_location", max_length=128),
    "businessPhones": Field(label="Business phone", home_of="work_phone", max_length=64),
    "mobilePhone": Field(label="Mobile phone", home_of="mobile_phone", max_length=64),
    "streetAddress": Field(label="Street address", home_of="street", max_length=1024),
    "city": Field(label="City", home_of="city", max_length=128),
    "state": Field(label="State or province", home_of="region", max_length=128),
    "postalCode": Field(label="ZIP or postal code", home_of="postal_code", max_length=40),
    "country": Field(label="Country or region", home_of="country", max_length=128),
    "preferredLanguage": Field(
        label="Preferred language", home_of="preferred_language", max_length=64, is_reserved=True
    ),
    "employeeOrgData.costCenter": Field(
        label="Cost centre", home_of="cost_center", step=Step.MERGED
    ),
    "employeeOrgData.division": Field(label="Division", home_of="division", step=Step.MERGED),
    "manager": Field(
        label="Manager",
        home_of="manager",
        step=Step.MANAGER,
        is_reserved=True,
        manager_by="external_id",
    ),
    "userPrincipalName": Field(
        label="User principal name (renames the account)",
        home_of="email",
        step=Step.ADDRESS,
        max_length=113,
        is_reserved=True,
    ),
}
PHONES = "businessPhones"
ORGANIZATION = "employeeOrgData"


def body(values: Mapping[str, str]) -> dict[str, Any]:
    """Build the part of a body that goes with the password; null, or an empty list, clears."""
    return {
        name: ([value] if value else []) if name == PHONES else value or None
        for name, value in values.items()
    }


def merged(
    known: Mapping[str, Any] | None, values: Mapping[str, str], previous: Mapping[str, str]
) -> dict[str, Any]:
    """Merge values into ``employeeOrgData`` as it was read; "" clears what we sent before."""
    data: dict[str, Any] = {
        name: value for name, value in (known or {}).items() if not name.startswith("@")
    }
    for name, value in values.items():
        key = name.partition(".")[2]
        if value:
            data[key] = value
        elif data.get(key) == previous.get(name, ""):
            data[key] = None
    return data
