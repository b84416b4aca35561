"""What a connector is: four verbs, plain frozen values in and out.

A connector knows neither Django nor our models, and no SDK object leaves its file.  All verbs
are coroutines that run on the one loop thread of a worker process; every failure leaves them as
an error of ``errors.py``, raised ``from None``.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any, Protocol
from uuid import UUID

MASK = "•••"
# What stands for a password where a request is shown.
DEADLINE_SECONDS = 25.0
# No request to a directory takes longer, token and all; a push is one, and a claim must outlast it.


@dataclass(frozen=True, kw_only=True)
class Endpoints:
    """Where the providers answer, and whom to trust on the way there."""

    google_api: str
    microsoft_graph: str
    microsoft_login: str
    ca_bundle: str | None = None


@dataclass(frozen=True, kw_only=True)
class Connection:
    """One directory, as a connector needs to know it.

    ``credentials`` is what the connector's ``parse_credentials`` returned; ``tenant_id`` is the
    customer or tenant the directory is pinned to, "" before the first good check.
    ``verified_domains`` and ``federated_domains`` are those of the last good check.
    """

    domain: str
    credentials: Mapping[str, Any] = field(repr=False)
    admin_email: str = ""
    tenant_id: str = ""
    verified_domains: frozenset[str] = frozenset()
    federated_domains: frozenset[str] = frozenset()
    sends_clear_password: bool = False


@dataclass(frozen=True, kw_only=True)
class Check:
    """What a good check of the connection found.

    ``tenant_id`` is the customer or tenant id to pin; domains are in lower case; ``warnings``
    are sentences for an operator about what works but should be looked at.
    """

    tenant_id: str
    verified_domains: frozenset[str]
    federated_domains: frozenset[str] = frozenset()
    warnings: tuple[str, ...] = ()


@dataclass(frozen=True, kw_only=True)
class Account:
    """An external account: its immutable id, its primary address, and its standing.

    ``privileges`` names the administrative roles it holds, empty for an ordinary account.
    """

    external_id: str
    address: str
    privileges: tuple[str, ...] = ()
    is_suspended: bool = False


@dataclass(frozen=True, kw_only=True)
class Push:
    """What brings one account up to date: one request, or one step of fields without password.

    ``attributes`` maps fields over there, all of one step, to values; "" clears what we sent
    before, an absent field is left alone.  ``previous`` is what we sent before.  ``password``
    None leaves the password alone.  ``attempt_id`` is new for every attempt; ``repeat_key`` stays
    the same for all attempts of one job, so that a repeated request can be byte for byte the same.
    """

    external_id: str
    attributes: Mapping[str, str]
    attempt_id: UUID
    previous: Mapping[str, str] = field(default_factory=dict)
    password: str | None = field(default=None, repr=False)
    repeat_key: bytes = field(default=b"", repr=False)


@dataclass(frozen=True, kw_only=True)
class Receipt:
    """The provider's word that a push was applied.

    ``request_id`` is the provider's id of the request, or the attempt's where it gives none.
    """

    request_id: str


@dataclass(frozen=True, kw_only=True)
class PasswordChange:
    """When the password over there last changed.

    ``changed_at`` None means that the provider cannot tell, or has no record; ``provider_now``
    is the provider's own clock as it answered, to compare with.
    """

    changed_at: datetime | None
    provider_now: datetime


@dataclass(frozen=True, kw_only=True)
class Actor:
    """Who changed a password over there.

    ``kind`` is "person", "administrator", "application", or "" where the directory does not tell;
    ``name`` is an address or a name, or "".
    """

    kind: str = ""
    name: str = ""


@dataclass(frozen=True, kw_only=True)
class AccountState:
    """What a scan says of one account; None and "" mean that this page does not tell.

    ``external_id`` is "" where only the address is known.
    """

    external_id: str
    address: str = ""
    password_changed_at: datetime | None = None
    actor: Actor | None = None
    is_suspended: bool | None = None


@dataclass(frozen=True, kw_only=True)
class ScanPage:
    """One page of a scan; ``cursor`` reads the next one, "" is the end."""

    states: Sequence[AccountState]
    cursor: str
    provider_now: datetime


class Connector(Protocol):
    """Speaks to one directory.

    ``repeats_are_harmless`` says that the very same push may be repeated where its outcome is
    unclear; elsewhere it is settled by ``password_changed_at`` first.
    """

    repeats_are_harmless: bool

    @property
    def spent(self) -> float:
        """How much of the published quotas was used since it was made, in requests."""

    def __init__(self, connection: Connection, endpoints: Endpoints) -> None: ...

    async def check(self) -> Check:
        """Check token, tenant and domain; write nothing.

        Raises DirectoryRefusedError with what to mend, also for credentials of another tenant
        than the pinned one; DirectoryUnavailableError and ThrottledError when it cannot tell.
        """

    async def find(self, address: str) -> Account:
        """Find the one account whose primary address is ``address`` in a verified domain.

        Raises AccountNotFoundError, AccountAmbiguousError, AccountMismatchError,
        AccountSyncedError, AccountFederatedError.
        """

    async def push(self, push: Push) -> Receipt:
        """Send password and fields in one request, or the fields of another step.

        Raises AttributeRejectedError where only fields are refused.
        """

    async def password_changed_at(self, external_id: str) -> PasswordChange:
        """Read when the password of an account last changed."""

    async def scan(self, cursor: str, since: datetime) -> ScanPage:
        """Read one page of what happened to accounts; "" begins.

        ``since`` bounds what is read of events; states are read whole.  A cursor outlives the
        process.
        """

    async def password_actor(self, external_id: str, changed_at: datetime) -> Actor:
        """Find out who changed a password, where the scan did not tell."""

    async def close(self) -> None:
        """Give back connections."""
