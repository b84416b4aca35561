"""Merging into Google's lists: ours goes in and out, the customer's own entries stay."""

from __future__ import annotations

from typing import Any

import pytest

from directories.connectors.google_fields import merged

OWN_PHONE = {"type": "work", "value": "+49 30 1", "primary": True}
OWN_JOB = {"primary": True, "type": "work", "title": "Chef", "domain": "kitchen"}


@pytest.mark.parametrize(
    ("user", "values", "previous", "expected"),
    [
        # A key of the primary entry: the others of that entry stay.
        (
            {"organizations": [{"type": "school", "name": "MIT"}, OWN_JOB]},
            {"organizations.title": "Cook"},
            {},
            {"organizations": [{"type": "school", "name": "MIT"}, OWN_JOB | {"title": "Cook"}]},
        ),
        (
            {},
            {"organizations.title": "Cook", "organizations.costCenter": "7"},
            {},
            {"organizations": [{"primary": True, "title": "Cook", "costCenter": "7"}]},
        ),
        # Cleared: only what we sent, and the entry with its last key.
        (
            {"organizations": [{"primary": True, "title": "Cook"}]},
            {"organizations.title": ""},
            {"organizations.title": "Cook"},
            {"organizations": []},
        ),
        (
            {"organizations": [OWN_JOB]},
            {"organizations.title": ""},
            {"organizations.title": "Cook"},
            {"organizations": [OWN_JOB]},
        ),
        # An entry of a type: one more beside theirs, then ours replaced, then ours gone.
        (
            {"phones": [OWN_PHONE]},
            {"phones.work": "+49 30 2"},
            {},
            {"phones": [OWN_PHONE, {"type": "work", "value": "+49 30 2"}]},
        ),
        (
            {"phones": [OWN_PHONE, {"type": "work", "value": "+49 30 2"}]},
            {"phones.work": "+49 30 3"},
            {"phones.work": "+49 30 2"},
            {"phones": [OWN_PHONE, {"type": "work", "value": "+49 30 3"}]},
        ),
        (
            {"phones": [OWN_PHONE, {"type": "work", "value": "+49 30 3"}]},
            {"phones.work": ""},
            {"phones.work": "+49 30 3"},
            {"phones": [OWN_PHONE]},
        ),
        # Sent again after an unclear outcome, it is not there twice.
        (
            {"phones": [{"type": "work", "value": "+49 30 3"}]},
            {"phones.work": "+49 30 3"},
            {"phones.work": "+49 30 2"},
            {"phones": [{"type": "work", "value": "+49 30 3"}]},
        ),
        # Of these there is one.
        (
            {"externalIds": [{"type": "organization", "value": "17"}, {"type": "login_id"}]},
            {"externalIds.organization": "18"},
            {},
            {"externalIds": [{"type": "organization", "value": "18"}, {"type": "login_id"}]},
        ),
        (
            {"relations": [{"type": "spouse", "value": "kim"}]},
            {"relations.manager": "ada@example.com"},
            {},
            {
                "relations": [
                    {"type": "spouse", "value": "kim"},
                    {"type": "manager", "value": "ada@example.com"},
                ]
            },
        ),
        (
            {"languages": [{"languageCode": "en", "preference": "preferred"}]},
            {"languages.preferred": "de"},
            {},
            {"languages": [{"languageCode": "de", "preference": "preferred"}]},
        ),
    ],
)
def test_merge(
    user: dict[str, Any], values: dict[str, str], previous: dict[str, str], expected: dict[str, Any]
) -> None:
    assert merged(user, values, previous) == expected


def test_what_was_read_is_not_altered() -> None:
    user = {"organizations": [dict(OWN_JOB)]}

    merged(user, {"organizations.title": "Cook"}, {})

    assert user == {"organizations": [OWN_JOB]}
