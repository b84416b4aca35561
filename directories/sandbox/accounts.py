"""What exists over there: Google customers, Entra tenants, and their accounts."""

from __future__ import annotations

import itertools
import secrets
import uuid
from collections import deque
from dataclasses import dataclass, field
from typing import Any, Literal

from directories.sandbox.clock import google_time
from directories.sandbox.passwords import StoredPassword

Provider = Literal["google", "microsoft"]

LOW_ROLES = frozenset(
    {
        "Directory Readers",
        "Guest Inviter",
        "Groups Administrator",
        "Helpdesk Administrator",
        "Message Center Reader",
        "Password Administrator",
        "Reports Reader",
        "Usage Summary Reports Reader",
        "User Administrator",
    }
)
"""Roles whose holders a User Administrator may still reset. Source: PROVIDERS.md 2.2."""

MAX_AUDIT_RECORDS = 100_000
"""Older audit records of a tenant are forgotten."""


@dataclass(slots=True)
class Account:
    """One account; ``attributes`` is the provider's own representation of it.

    ``password_writes`` counts what came through the provider's API, not what people or other
    administrators did.  ``verdict`` is whether the password is the portal's, None for not known.
    ``changes`` maps a property to the tenant's sequence number of its last change, for delta.
    """

    external_id: str
    attributes: dict[str, Any]
    password: StoredPassword | None = None
    password_writes: int = 0
    must_change_password: bool = False
    last_password_change: float | None = None
    last_write: float | None = None
    roles: tuple[str, ...] = ()
    role_assignable_groups: tuple[str, ...] = ()
    groups: tuple[str, ...] = ()
    deleted_at: float | None = None
    changes: dict[str, int] = field(default_factory=dict)
    verdict: bool | None = None

    @property
    def address(self) -> str:
        """Return the primary address at Google, the userPrincipalName in Entra."""
        attributes = self.attributes
        return str(attributes.get("primaryEmail") or attributes["userPrincipalName"])

    @property
    def is_suspended(self) -> bool:
        attributes = self.attributes
        if "accountEnabled" in attributes:
            return not attributes["accountEnabled"]
        return bool(attributes["suspended"] or attributes["archived"])

    def is_privileged_in_entra(self) -> bool:
        return bool(self.role_assignable_groups) or any(r not in LOW_ROLES for r in self.roles)


@dataclass(slots=True)
class AuditRecord:
    """That somebody set a password or changed an account; written out only when it is read."""

    number: int
    at: float
    how: Literal["api", "admin", "user", "attributes"]
    actor_id: str
    actor_address: str
    target_id: str
    target_address: str


@dataclass(slots=True)
class Tenant:
    """What a Google customer and an Entra tenant have in common."""

    tenant_id: str
    domains: tuple[str, ...]
    accounts: dict[str, Account] = field(default_factory=dict)
    deleted: dict[str, Account] = field(default_factory=dict)
    by_address: dict[str, str] = field(default_factory=dict)
    audit: deque[AuditRecord] = field(default_factory=lambda: deque(maxlen=MAX_AUDIT_RECORDS))
    sequence: itertools.count[int] = field(default_factory=lambda: itertools.count(1))
    current: int = 0

    def account(self, key: str) -> Account | None:
        """Find an account by id or by any of its addresses."""
        found = self.accounts.get(key)
        if found is None:
            external_id = self.by_address.get(key.lower())
            found = self.accounts.get(external_id) if external_id is not None else None
        return found

    def add(self, account: Account) -> None:
        self.accounts[account.external_id] = account

    def remove(self, account: Account, now: float) -> None:
        """Delete an account; it may be restored, and its addresses are free meanwhile."""
        account.deleted_at = now
        self.deleted[account.external_id] = self.accounts.pop(account.external_id)
        self.by_address = {a: i for a, i in self.by_address.items() if i != account.external_id}

    def restore(self, account: Account) -> None:
        account.deleted_at = None
        del self.deleted[account.external_id]
        self.add(account)

    def restorable(self, now: float, seconds: float) -> dict[str, Account]:
        """Return the accounts deleted within so many seconds, by id."""
        return {
            external_id: account
            for external_id, account in self.deleted.items()
            if account.deleted_at is not None and now - account.deleted_at <= seconds
        }

    def has_domain(self, address: str) -> bool:
        return address.rpartition("@")[2].lower() in self.domains

    def touch(self, account: Account, names: list[str]) -> None:
        """Note that properties changed, for delta."""
        self.current = next(self.sequence)
        for name in names:
            account.changes[name] = self.current


@dataclass(slots=True)
class GoogleCustomer(Tenant):
    """A Google Workspace customer, with the service account it delegates to."""

    admin_email: str = ""
    client_email: str = ""
    client_id: str = ""
    private_key_id: str = ""
    scopes: frozenset[str] = frozenset()
    org_units: frozenset[str] = frozenset({"/"})
    api_enabled: bool = True
    provider: Provider = "google"

    def add(self, account: Account) -> None:
        Tenant.add(self, account)
        account.attributes.pop("deletionTime", None)
        for address in (account.attributes["primaryEmail"], *account.attributes["aliases"]):
            self.by_address[address.lower()] = account.external_id

    def remove(self, account: Account, now: float) -> None:
        Tenant.remove(self, account, now)
        account.attributes["deletionTime"] = google_time(now)


@dataclass(slots=True)
class EntraTenant(Tenant):
    """An Entra tenant, with one registered application.

    ``permissions`` are the application permissions granted, looked up at every call;
    ``app_can_write_passwords`` says that the service principal holds User Administrator.
    ``delta_tracks_password``: whether a password change shows in delta is not documented.
    """

    federated_domains: frozenset[str] = frozenset()
    display_name: str = "Contoso"
    client_id: str = ""
    service_principal_id: str = ""
    secret_digest: str = field(default="", repr=False)
    is_secret_expired: bool = False
    certificate: Any = None
    permissions: frozenset[str] = frozenset()
    app_can_write_passwords: bool = True
    delta_tracks_password: bool = False
    removed: dict[str, int] = field(default_factory=dict)
    provider: Provider = "microsoft"

    def add(self, account: Account) -> None:
        Tenant.add(self, account)
        self.removed.pop(account.external_id, None)
        self.by_address[account.attributes["userPrincipalName"].lower()] = account.external_id
        self.touch(account, ["id"])

    def remove(self, account: Account, now: float) -> None:
        Tenant.remove(self, account, now)
        self.current = next(self.sequence)
        self.removed[account.external_id] = self.current

    def is_federated(self, address: str) -> bool:
        return address.rpartition("@")[2].lower() in self.federated_domains


def new_google_id() -> str:
    """Make an id as Google's: 21 digits."""
    return "1" + "".join(secrets.choice("0123456789") for _ in range(20))


def new_graph_id() -> str:
    return str(uuid.uuid4())
