"""Everything that the sandbox knows, in one place, so that it can be reset as a whole."""

from __future__ import annotations

from typing import Any

from directories.sandbox.accounts import (
    Account,
    AuditRecord,
    EntraTenant,
    GoogleCustomer,
    Provider,
    Tenant,
)
from directories.sandbox.clock import Clock
from directories.sandbox.expectations import Expectations
from directories.sandbox.faults import Faults
from directories.sandbox.passwords import PasswordKeeper, StoredPassword
from directories.sandbox.quotas import Quotas
from directories.sandbox.requestlog import RequestLog
from directories.sandbox.tokens import BearerTokens


class World:
    """Both providers' state."""

    def __init__(self) -> None:
        self.clock = Clock()
        self.keeper = PasswordKeeper()
        self.origins: dict[str, str] = {}
        self.reset()

    def reset(self) -> None:
        """Forget everything but the keys and the ports."""
        self.clock.offset_seconds = 0.0
        self.tokens = BearerTokens()
        self.customers: dict[str, GoogleCustomer] = {}
        self.tenants: dict[str, EntraTenant] = {}
        self.requests = RequestLog(self.keeper)
        self.faults = Faults()
        self.quotas = Quotas()
        self.expectations = Expectations(self.keeper)
        self.audit_lag: dict[Provider, float] = {"google": 0.0, "microsoft": 0.0}
        self._audit_number = 0

    def of_provider(self, provider: str) -> list[Tenant]:
        if provider == "google":
            return list(self.customers.values())
        if provider == "microsoft":
            return list(self.tenants.values())
        raise ValueError("provider is google or microsoft")

    def find(self, provider: str, key: str) -> tuple[Tenant, Account]:
        """Find an account in any tenant, by id or address. Raises LookupError."""
        for tenant in self.of_provider(provider):
            account = tenant.account(key)
            if account is not None:
                return tenant, account
        raise LookupError(f"no such account at {provider}")

    def find_deleted(self, provider: str, key: str) -> tuple[Tenant, Account]:
        """Find a deleted account in any tenant, by id or last address. Raises LookupError."""
        for tenant in self.of_provider(provider):
            for account in tenant.deleted.values():
                if key in (account.external_id, account.address):
                    return tenant, account
        raise LookupError(f"no such deleted account at {provider}")

    def set_password(
        self, account: Account, address: str, password: StoredPassword, clear: str | None
    ) -> float:
        """Store a password; ``clear`` is used for the page's verdict and not kept."""
        now = self.clock.now()
        account.password = password
        account.last_password_change = now
        account.verdict = self.expectations.judge(address, password, clear)
        return now

    def record(self, tenant: Tenant, account: Account, address: str, **values: Any) -> None:
        """Write an audit record: ``how``, ``actor_id``, ``actor_address``."""
        self._audit_number += 1
        tenant.audit.append(
            AuditRecord(
                number=self._audit_number,
                at=self.clock.now(),
                target_id=account.external_id,
                target_address=address,
                **values,
            )
        )

    def audit(self, provider: Provider, tenant: Tenant) -> list[AuditRecord]:
        """Return the records that have become visible, newest first."""
        seen_until = self.clock.now() - self.audit_lag[provider]
        return [record for record in reversed(tenant.audit) if record.at <= seen_until]
