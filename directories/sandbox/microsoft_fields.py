"""Which properties a Graph user has, which of them an application may set, and to what.

Source: microsoft-graph-v1.0-user.json, PROVIDERS.md 2.1 and 2.2.
"""

from __future__ import annotations

import re
from typing import Any

from directories.sandbox.microsoft_errors import GraphError, bad_request

DEFAULT_SELECT = (
    *("businessPhones", "displayName", "givenName", "jobTitle", "mail", "mobilePhone"),
    *("officeLocation", "preferredLanguage", "surname", "userPrincipalName", "id"),
)

BASIC = frozenset(
    {"displayName", "givenName", "id", "mail", "photo", "surname", "userPrincipalName"}
)
"""What the permissions that see only the basic profile see."""

_STRINGS = {
    "displayName": 256,
    "givenName": 64,
    "surname": 64,
    "jobTitle": 128,
    "department": 64,
    "companyName": 64,
    "city": 128,
    "state": 128,
    "country": 128,
    "postalCode": 40,
    "streetAddress": 1024,
    "officeLocation": 128,
    "mobilePhone": 64,
    "faxNumber": 64,
    "employeeId": 16,
    "employeeType": 64,
    "mailNickname": 64,
    "mail": 256,
    "usageLocation": 2,
    "preferredLanguage": 64,
    "passwordPolicies": 128,
    "userPrincipalName": 113,
    "userType": 16,
    "ageGroup": 16,
    "consentProvidedForMinor": 16,
    "onPremisesImmutableId": 64,
    "preferredDataLocation": 16,
}
"""Strings that may be set, and how long they may be."""
_BOOLEANS = frozenset({"accountEnabled", "showInAddressList"})
_COLLECTIONS = frozenset({"businessPhones", "otherMails"})
_MOMENTS = frozenset({"employeeHireDate", "employeeLeaveDateTime"})
_OBJECTS = frozenset({"passwordProfile", "employeeOrgData", "onPremisesExtensionAttributes"})
_WRITABLE = frozenset(_STRINGS) | _BOOLEANS | _COLLECTIONS | _MOMENTS | _OBJECTS

_ELSEWHERE = frozenset(
    {
        *("aboutMe", "birthday", "hireDate", "interests", "mySite", "pastProjects"),
        *("preferredName", "responsibilities", "schools", "skills"),
    }
)
"""Properties of the profile store, which no application may set together with the others."""

_READ_ONLY = frozenset(
    {
        *("assignedLicenses", "assignedPlans", "authorizationInfo", "createdDateTime"),
        *("creationType", "customSecurityAttributes", "deletedDateTime", "deviceEnrollmentLimit"),
        *("externalUserState", "externalUserStateChangeDateTime", "id", "identities"),
        *("identityParentId", "imAddresses", "isManagementRestricted", "isResourceAccount"),
        *("lastPasswordChangeDateTime", "legalAgeGroupClassification", "licenseAssignmentStates"),
        *("mailboxSettings", "onPremisesDistinguishedName", "onPremisesDomainName"),
        *("onPremisesLastSyncDateTime", "onPremisesProvisioningErrors"),
        *("onPremisesSamAccountName", "onPremisesSecurityIdentifier", "onPremisesSyncEnabled"),
        *("onPremisesUserPrincipalName", "print", "provisionedPlans", "proxyAddresses"),
        *("securityIdentifier", "serviceProvisioningErrors", "signInActivity"),
        *("signInSessionsValidFromDateTime",),
    }
)
KNOWN = _WRITABLE | _ELSEWHERE | _READ_ONLY

SENSITIVE = frozenset(
    {
        *("accountEnabled", "businessPhones", "mobilePhone", "onPremisesImmutableId"),
        *("otherMails", "passwordProfile", "userPrincipalName"),
    }
)
"""Limited by the roles that the target holds. Source: PROVIDERS.md 2.2."""

_NOT_NULLABLE = frozenset({"accountEnabled", "displayName", "userPrincipalName", "usageLocation"})
_PROFILE = frozenset(
    {"password", "forceChangePasswordNextSignIn", "forceChangePasswordNextSignInWithMfa"}
)
_MOMENT = re.compile(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(\.\d+)?Z")
_ADDRESS = re.compile(r"[^@\s]+@[^@\s]+\.[^@\s]+")


def _wrong(name: str) -> GraphError:
    return bad_request(
        f"Invalid value specified for property '{name}' of resource 'User'.", target=name
    )


def check_changes(body: dict[str, Any]) -> dict[str, Any]:
    """Return the changes of a PATCH body. Raises GraphError for what Graph would refuse.

    An empty string is refused: a property is cleared with null.
    """
    changes = {name: value for name, value in body.items() if not name.startswith("@odata.")}
    if body.get("@odata.type", "#microsoft.graph.user") != "#microsoft.graph.user":
        raise bad_request("Invalid value specified for property '@odata.type'.")
    for name in body:
        if name.startswith("@odata.") and name != "@odata.type":
            raise bad_request(f"Invalid property '{name}'.")
    for name, value in changes.items():
        if name not in KNOWN:
            raise bad_request(f"Invalid property '{name}'.", target=name)
        if name in _ELSEWHERE:
            raise GraphError(
                501,
                "NotImplemented",
                "The request is currently not supported on the targeted entity set",
            )
        if name in _READ_ONLY:
            raise bad_request(f"Property '{name}' is read-only and cannot be set.", target=name)
        _check_value(name, value)
    return changes


def _check_value(name: str, value: Any) -> None:
    if value is None:
        if name in _NOT_NULLABLE or name in _COLLECTIONS or name == "passwordProfile":
            raise _wrong(name)
    elif name in _STRINGS:
        if not isinstance(value, str) or not value.strip() or len(value) > _STRINGS[name]:
            raise _wrong(name)
        if name == "usageLocation" and re.fullmatch(r"[A-Z]{2}", value) is None:
            raise _wrong(name)
        if name in ("mail", "userPrincipalName") and _ADDRESS.fullmatch(value) is None:
            raise _wrong(name)
        if name == "passwordPolicies" and not _are_policies(value):
            raise _wrong(name)
    elif name in _BOOLEANS:
        if not isinstance(value, bool):
            raise _wrong(name)
    elif name in _COLLECTIONS:
        if not isinstance(value, list) or not all(isinstance(v, str) and v for v in value):
            raise _wrong(name)
        if name == "businessPhones" and len(value) > 1:
            raise _wrong(name)
    elif name in _MOMENTS:
        if not isinstance(value, str) or _MOMENT.fullmatch(value) is None:
            raise _wrong(name)
    elif not isinstance(value, dict):
        raise _wrong(name)
    elif name == "passwordProfile":
        _check_profile(value)


def _are_policies(value: str) -> bool:
    known = {"None", "DisablePasswordExpiration", "DisableStrongPassword"}
    return {part.strip() for part in value.split(",")} <= known


def _check_profile(profile: dict[str, Any]) -> None:
    for name, value in profile.items():
        if name == "@odata.type":
            continue
        if name not in _PROFILE:
            raise bad_request(f"Invalid property '{name}'.", target="passwordProfile")
        if not isinstance(value, str if name == "password" else bool):
            raise _wrong("passwordProfile")


def check_select(text: str) -> tuple[str, ...]:
    """Return the properties that ``$select`` names. Raises GraphError for an unknown one."""
    names = tuple(name.strip() for name in text.split(","))
    for name in names:
        if name not in KNOWN:
            raise GraphError(
                400,
                "BadRequest",
                "Parsing OData Select and Expand failed: Could not find a property named "
                f"'{name}' on type 'microsoft.graph.user'.",
            )
    return names
