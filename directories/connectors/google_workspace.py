"""Google Workspace; twin of ``microsoft_entra.py``."""

from __future__ import annotations

import asyncio
import hmac
import json
from collections.abc import Mapping
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

import passlib.hash
from cryptography.exceptions import UnsupportedAlgorithm
from cryptography.hazmat.primitives.asymmetric.rsa import RSAPrivateKey
from cryptography.hazmat.primitives.serialization import load_pem_private_key

from directories.connectors.addresses import domain_of, is_same_address
from directories.connectors.answers import reading
from directories.connectors.base import (
    MASK,
    Account,
    AccountState,
    Actor,
    Check,
    Connection,
    Endpoints,
    PasswordChange,
    Push,
    Receipt,
    ScanPage,
)
from directories.connectors.credential_files import json_object, origin_of, required_text
from directories.connectors.errors import (
    AccountError,
    AccountMismatchError,
    AccountNotFoundError,
    AddressRejectedError,
    AttributeRejectedError,
    CredentialsError,
    DirectoryRefusedError,
    PasswordRejectedError,
    PermissionDeniedError,
    UnclearOutcomeError,
)
from directories.connectors.fields import Step, too_long
from directories.connectors.google_fields import FIELDS, lists_of, merged, names
from directories.connectors.password_rules import PasswordRules

if TYPE_CHECKING:
    from collections.abc import Callable

    from directories.connectors.answers import Answer
    from directories.connectors.google_client import GoogleClient, Services

GOOGLE_TOKEN_URI = "https://oauth2.googleapis.com/token"  # noqa: S105  an address
HASH_ROUNDS = 10_000
# The most that Google takes in a crypt prefix. Source: discovery document directory_v1 20261104.
PASSWORD_RULES = PasswordRules(min_length=8, max_length=100)
# Source: Directory API reference, as PROVIDERS.md 1.2 quotes it.
PAGE_SIZE = 500
EVENTS_SIZE = 1000
# Accounts, and events, of one page of a scan: the most that Google gives.
EVENTS = (
    ("admin", "CHANGE_PASSWORD"),
    ("user_accounts", "password_edit"),
    ("login", "password_edit"),
)
# Applications of the audit log and their events that tell of passwords.
MAX_EVENTS = 50
# Newest first, so more would not help; a few late ones may stand in the wrong order.
SALT_ALPHABET = "./0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz"
passlib.hash.sha512_crypt.using(rounds=1000).hash("")
# passlib gets ready at its first hash, and fails one of two threads that are first together.


def parse_credentials(text: str | bytes, endpoints: Endpoints) -> dict[str, Any]:
    """Read a service account's key file; keeps only the fields that are needed.

    Raises CredentialsError with what to do.
    """
    content = json_object(text)
    if content.get("type") != "service_account":
        raise CredentialsError(
            "This is not a service account's key: create a JSON key for a service account in the "
            "Google Cloud console."
        )
    names = ("client_email", "client_id", "private_key", "private_key_id", "token_uri")
    credentials = {name: required_text(content, name) for name in names}
    if content.get("universe_domain", "googleapis.com") != "googleapis.com":
        raise CredentialsError("The key is for another universe than googleapis.com.")
    if not _is_trusted(credentials["token_uri"], endpoints):
        raise CredentialsError(f"The key's token_uri is not {GOOGLE_TOKEN_URI}: create a new key.")
    try:
        key = load_pem_private_key(credentials["private_key"].encode(), password=None)
    except (ValueError, TypeError, UnsupportedAlgorithm):
        key = None
    if not isinstance(key, RSAPrivateKey):
        raise CredentialsError("The private key cannot be read: create a new JSON key.")
    return credentials


def _is_trusted(token_uri: str, endpoints: Endpoints) -> bool:
    if token_uri == GOOGLE_TOKEN_URI:
        return True
    try:
        return origin_of(token_uri) == origin_of(endpoints.google_api)
    except ValueError:
        return False


class GoogleWorkspaceConnector:
    """One Google Workspace customer, managed as one of its administrators."""

    # The same hash again: its salt comes from the push's repeat key.
    repeats_are_harmless = True

    def __init__(self, connection: Connection, endpoints: Endpoints) -> None:
        # Here and not above: the SDK weighs 33 MB, and web processes only parse credentials.
        from directories.connectors.google_client import GoogleClient  # noqa: PLC0415

        self._connection = connection
        self._endpoints = endpoints
        self._client: GoogleClient = GoogleClient(connection, endpoints)

    @property
    def spent(self) -> float:
        """See Connector.spent: at Google every request counts the same."""
        return self._client.spent

    async def check(self) -> Check:
        """See Connector.check."""
        connection = self._connection
        try:
            admin = await self._user(connection.admin_email, "customerId,isAdmin")
            with reading("Google"):
                customer_id, is_super = str(admin["customerId"]), bool(admin.get("isAdmin"))
            self._require_pinned(customer_id)
            users = await self._run(
                lambda services: services.users.list(
                    domain=connection.domain, maxResults=1, fields="users(customerId)"
                )
            )
        except (AccountError, PermissionDeniedError):
            raise DirectoryRefusedError(
                "The admin account may not manage users of this domain: check the domain, and "
                "give the account the role User Management Admin or Super Admin."
            ) from None
        with reading("Google"):
            customers = {user["customerId"] for user in (users.body or {}).get("users", [])}
        if customers - {customer_id}:
            raise DirectoryRefusedError("The domain is another customer's than the admin account.")
        warnings = await self._audit_log_warnings()
        if not is_super:
            warnings += (
                "The admin account is no super administrator: it cannot reset administrators.",
            )
        return Check(
            tenant_id=customer_id,
            verified_domains=frozenset({connection.domain.lower()}),
            warnings=warnings,
        )

    async def find(self, address: str) -> Account:
        """See Connector.find."""
        if domain_of(address) not in self._connection.verified_domains:
            raise AccountMismatchError(
                "The person's address is not in the domain of this directory: an administrator "
                "may link an account."
            )
        fields = "id,primaryEmail,customerId,isAdmin,isDelegatedAdmin,suspended,archived"
        user = await self._user(address, fields)
        with reading("Google"):
            customer_id = str(user["customerId"])
            standing = {
                "super administrator": user.get("isAdmin"),
                "delegated administrator": user.get("isDelegatedAdmin"),
            }
            account = Account(
                external_id=str(user["id"]),
                address=str(user["primaryEmail"]),
                privileges=tuple(name for name, is_held in standing.items() if is_held),
                is_suspended=bool(user.get("suspended") or user.get("archived")),
            )
        self._require_pinned(customer_id)
        if not is_same_address(account.address, address):
            raise AccountMismatchError(
                "The person's address is only an alias of an account: an administrator may link it."
            )
        return account

    async def push(self, push: Push) -> Receipt:
        """See Connector.push.

        Sent again for the same job the hash is the same, byte for byte, so a request whose outcome
        is unclear may be repeated without harm.
        """
        if long := too_long(FIELDS, push.attributes):
            raise AttributeRejectedError(
                f"Google does not take so long a value of {', '.join(long)}.", names=long
            )
        steps = {FIELDS[name].step for name in push.attributes}
        if push.password is None and Step.ADDRESS in steps:
            return await self._rename(push)
        if push.password is None and Step.MERGED in steps:
            return await self._merge(push)
        is_clear = self._connection.sends_clear_password
        # From a hash Google cannot tell what it would not let the person type.
        if push.password is not None and PASSWORD_RULES.impossible(push.password):
            raise PasswordRejectedError(
                f"Google takes passwords of {PASSWORD_RULES.min_length} to "
                f"{PASSWORD_RULES.max_length} characters, without accents or other scripts."
            )

        return await self._update(
            push, lambda: names(push.attributes) | _password(push, is_clear=is_clear)
        )

    async def _merge(self, push: Push) -> Receipt:
        user = await self._user(push.external_id, ",".join(["id", *lists_of(push.attributes)]))
        with reading("Google"):
            body = merged(user, push.attributes, push.previous)
        return await self._update_fields(push, body)

    async def _rename(self, push: Push) -> Receipt:
        """Rename an account, unless somebody else has the address, also as an alias."""
        [(name, address)] = push.attributes.items()
        if domain_of(address) not in self._connection.verified_domains:
            raise AddressRejectedError(
                "The new address is not in the domain of this directory, so the account keeps "
                "its own.",
                names=[name],
            )
        try:
            holder = (await self._user(address, "id")).get("id")
        except (AccountNotFoundError, PermissionDeniedError):
            holder = None
        if holder not in (None, push.external_id):
            raise AddressRejectedError(
                "The new address is another account's, or its alias: free it over there, or "
                "change the address here.",
                names=[name],
            )
        return await self._update_fields(push, {name: address})

    async def _update_fields(self, push: Push, body: dict[str, Any]) -> Receipt:
        """Write fields of a step of its own; where that is forbidden, they are refused."""
        try:
            return await self._update(push, lambda: body)
        except (PermissionDeniedError, AttributeRejectedError) as error:
            is_rename = Step.ADDRESS in {FIELDS[name].step for name in push.attributes}
            kind = AddressRejectedError if is_rename else AttributeRejectedError
            raise kind(
                error.message, names=getattr(error, "names", ()) or push.attributes
            ) from None

    async def _update(self, push: Push, make_body: Callable[[], dict[str, Any]]) -> Receipt:
        """Write once; the body, with its hash, is made in the thread that sends it."""

        def make_request(services: Services) -> Any:
            return services.users.update(userKey=push.external_id, body=make_body(), fields="id")

        answer = await self._run(make_request, push)
        if (answer.body or {}).get("id") != push.external_id:
            raise UnclearOutcomeError(
                "Google's answer does not name the account: the change may have been applied."
            )
        return Receipt(request_id=str(push.attempt_id))

    async def password_changed_at(self, external_id: str) -> PasswordChange:
        """See Connector.password_changed_at.

        Google keeps no such time with the account; only the audit log tells, some minutes later
        or, rarely, never.  Source: support.google.com/a/answer/7061566, read 2026-11-23.
        """
        user = await self._user(external_id, "primaryEmail,customerId")
        with reading("Google"):
            customer_id, address = str(user["customerId"]), str(user["primaryEmail"])
        self._require_pinned(customer_id)
        by_admins, by_themselves = await asyncio.gather(
            self._run(
                lambda services: services.activities.list(
                    userKey="all",
                    applicationName="admin",
                    eventName="CHANGE_PASSWORD",
                    filters=f"USER_EMAIL=={address}",
                    maxResults=MAX_EVENTS,
                )
            ),
            self._run(
                lambda services: services.activities.list(
                    userKey=external_id,
                    applicationName="user_accounts",
                    eventName="password_edit",
                    maxResults=MAX_EVENTS,
                )
            ),
        )
        with reading("Google"):
            events = [
                event
                for event in (by_admins.body or {}).get("items", [])
                # Google leaves out a filter that it does not accept, and lists everybody's.
                if _is_about(event, address)
            ] + (by_themselves.body or {}).get("items", [])
            times = [datetime.fromisoformat(event["id"]["time"]) for event in events]
        return PasswordChange(changed_at=max(times, default=None), provider_now=by_admins.date)

    async def scan(self, cursor: str, since: datetime) -> ScanPage:
        """See Connector.scan: first the accounts, then the audit log's three events.

        The log is late, and rarely tells twice: whoever reads it compares times.
        """
        source, token = json.loads(cursor) if cursor else (0, None)
        if source == 0:
            answer = await self._run(
                lambda services: services.users.list(
                    customer="my_customer",
                    maxResults=PAGE_SIZE,
                    pageToken=token,
                    fields="nextPageToken,users(id,primaryEmail,suspended,archived)",
                )
            )
            read = _account_states
        else:
            application, event = EVENTS[source - 1]
            answer = await self._run(
                lambda services: services.activities.list(
                    userKey="all",
                    applicationName=application,
                    eventName=event,
                    startTime=since.astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%S.000Z"),
                    maxResults=EVENTS_SIZE,
                    pageToken=token,
                )
            )
            read = _admin_events if application == "admin" else _own_events
        with reading("Google"):
            body = answer.body or {}
            states, following = read(body), body.get("nextPageToken")
        if not following:
            source += 1
        end = source > len(EVENTS)
        return ScanPage(
            states=states,
            cursor="" if end else json.dumps([source, following]),
            provider_now=answer.date,
        )

    async def password_actor(self, external_id: str, changed_at: datetime) -> Actor:
        """See Connector.password_actor: the events of a scan have told already."""
        return Actor()

    async def close(self) -> None:
        """See Connector.close."""
        self._client.close()

    async def _run(
        self, make_request: Callable[[Services], Any], push: Push | None = None
    ) -> Answer:
        """Run a request, unless the key is from a time when the endpoint was another."""
        if not _is_trusted(self._connection.credentials["token_uri"], self._endpoints):
            raise DirectoryRefusedError("The key's token_uri is not Google's: upload a new key.")
        return await self._client.run(make_request, push)

    async def _user(self, key: str, fields: str) -> dict[str, Any]:
        answer = await self._run(lambda services: services.users.get(userKey=key, fields=fields))
        return answer.body or {}

    async def _audit_log_warnings(self) -> tuple[str, ...]:
        try:
            await self._run(
                lambda services: services.activities.list(
                    userKey="all",
                    applicationName="admin",
                    eventName="CHANGE_PASSWORD",
                    maxResults=1,
                )
            )
        except (AccountError, PermissionDeniedError):
            return (
                (
                    "The admin account may not read the audit log, so passwords changed elsewhere "
                    "go unnoticed: give its role the privilege Reports."
                ),
            )
        return ()

    def _require_pinned(self, customer_id: str) -> None:
        if self._connection.tenant_id not in ("", customer_id):
            raise DirectoryRefusedError(
                "The credentials belong to another Google customer than this directory was set up "
                "with: upload those of the first, or make a new directory."
            )


def _account_states(body: dict[str, Any]) -> list[AccountState]:
    return [
        AccountState(
            external_id=str(user["id"]),
            address=str(user["primaryEmail"]),
            is_suspended=bool(user.get("suspended") or user.get("archived")),
        )
        for user in body.get("users", [])
    ]


def _own_events(body: dict[str, Any]) -> list[AccountState]:
    """Read what people did themselves; the actor is the account."""
    return [
        AccountState(
            external_id=str(item["actor"].get("profileId", "")),
            address=str(item["actor"].get("email", "")),
            password_changed_at=datetime.fromisoformat(item["id"]["time"]),
            actor=Actor(kind="person", name=str(item["actor"].get("email", ""))),
        )
        for item in body.get("items", [])
    ]


def _admin_events(body: dict[str, Any]) -> list[AccountState]:
    """Read what administrators did, we among them; only the address of the account is told."""
    return [
        AccountState(
            external_id="",
            address=str(parameter["value"]),
            password_changed_at=datetime.fromisoformat(item["id"]["time"]),
            actor=Actor(kind="administrator", name=str(item["actor"].get("email", ""))),
        )
        for item in body.get("items", [])
        for event in item["events"]
        for parameter in event.get("parameters", [])
        if parameter.get("name") == "USER_EMAIL"
    ]


def preview(attributes: Mapping[str, str], *, has_password: bool, is_clear: bool) -> dict[str, Any]:
    """Show what a push sends, in all its steps, with the password masked."""
    password: dict[str, Any] = {"password": MASK, "changePasswordAtNextLogin": False}
    if not is_clear:
        password["hashFunction"] = "crypt"
    steps: dict[Step, dict[str, str]] = {step: {} for step in Step}
    for name, value in attributes.items():
        steps[FIELDS[name].step][name] = value
    return (
        names(steps[Step.TOGETHER])
        | (password if has_password else {})
        | merged({}, steps[Step.MERGED], {})
        | steps[Step.ADDRESS]
    )


def _password(push: Push, *, is_clear: bool) -> dict[str, Any]:
    if push.password is None:
        return {}
    if is_clear:
        return {"password": push.password, "changePasswordAtNextLogin": False}
    return {
        "password": sha512_crypt(push.password, push.repeat_key or push.attempt_id.bytes),
        "hashFunction": "crypt",
        "changePasswordAtNextLogin": False,
    }


def sha512_crypt(password: str, repeat_key: bytes) -> str:
    """Hash for Google; the same key gives the same salt, and so the same hash.

    Takes some 10 ms of CPU.
    """
    digest = hmac.digest(repeat_key, b"latchkey google sha512-crypt salt", "sha256")
    salt = "".join(SALT_ALPHABET[byte & 63] for byte in digest[:16])
    return str(passlib.hash.sha512_crypt.using(salt=salt, rounds=HASH_ROUNDS).hash(password))


def _is_about(event: Any, address: str) -> bool:
    return any(
        parameter.get("name") == "USER_EMAIL"
        and is_same_address(str(parameter.get("value", "")), address)
        for part in event["events"]
        for parameter in part.get("parameters", [])
    )
