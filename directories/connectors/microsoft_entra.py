"""Microsoft 365 and Entra ID; twin of ``google_workspace.py``."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any
from urllib.parse import quote
from uuid import UUID

from cryptography import x509
from cryptography.exceptions import UnsupportedAlgorithm
from cryptography.hazmat.primitives.asymmetric.rsa import RSAPrivateKey
from cryptography.hazmat.primitives.serialization import load_pem_private_key

from directories.connectors.addresses import domain_of, is_same_address
from directories.connectors.answers import Answer, reading
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
from directories.connectors.credential_files import json_object, required_text
from directories.connectors.errors import (
    AccountAmbiguousError,
    AccountError,
    AccountFederatedError,
    AccountMismatchError,
    AccountNotFoundError,
    AccountSyncedError,
    AddressRejectedError,
    AttributeRejectedError,
    CredentialsError,
    DirectoryRefusedError,
    PasswordRejectedError,
    PermissionDeniedError,
)
from directories.connectors.fields import Step, too_long
from directories.connectors.microsoft_errors import FEDERATED, SYNCED, request_id_of
from directories.connectors.microsoft_fields import FIELDS, ORGANIZATION, body, merged
from directories.connectors.password_rules import PasswordRules

if TYPE_CHECKING:
    from directories.connectors.microsoft_client import GraphClient

PASSWORD_RULES = PasswordRules(min_length=8, max_length=256, classes=3, forbids_user_name=True)
# Source: learn.microsoft.com/entra/identity/authentication/concept-sspr-policy, read 2026-11-23.
SCANNED = ("id", "userPrincipalName", "accountEnabled", "lastPasswordChangeDateTime")
PAGE_SIZE = 999
# What a scan reads of each account, and how many at once: the most that Graph gives.
AUDIT_WINDOW = timedelta(minutes=5)
# How far from the change its audit event may be dated.
CERTIFICATE_WARNING = timedelta(days=30)
# A certificate that ends sooner is mentioned at each check.


def parse_credentials(text: str | bytes, endpoints: Endpoints) -> dict[str, Any]:
    """Read an application's credentials, JSON; keeps only the fields that are needed.

    They are ``tenant_id``, ``client_id`` and either ``client_secret`` or ``certificate``, the
    text of a PEM file with certificate and private key.  Raises CredentialsError with what to do.
    """
    content = json_object(text)
    credentials = {name: _guid(content, name) for name in ("tenant_id", "client_id")}
    if bool(content.get("client_secret")) == bool(content.get("certificate")):
        raise CredentialsError("Enter a client secret or a certificate, one of the two.")
    if content.get("client_secret"):
        return credentials | {"client_secret": required_text(content, "client_secret")}
    pem = required_text(content, "certificate")
    if _certificate_end(pem) < datetime.now(UTC):
        raise CredentialsError("The certificate has expired: upload a new one.")
    return credentials | {"certificate": pem}


def _guid(content: dict[str, Any], name: str) -> str:
    try:
        return str(UUID(required_text(content, name)))
    except CredentialsError:
        raise
    except ValueError:
        raise CredentialsError(f"The {name} is not a GUID: copy it from Entra ID.") from None


def _certificate_end(pem: str) -> datetime:
    """Return when the certificate ends; raises CredentialsError if its key does not fit."""
    try:
        key = load_pem_private_key(pem.encode(), password=None)
        certificate = x509.load_pem_x509_certificate(pem.encode())
        does_fit = isinstance(key, RSAPrivateKey) and key.public_key() == certificate.public_key()
    except (ValueError, TypeError, UnsupportedAlgorithm):
        does_fit = False
    if not does_fit:
        raise CredentialsError(
            "The certificate must be PEM text with the certificate and its RSA private key, "
            "without a pass phrase."
        )
    return certificate.not_valid_after_utc


class MicrosoftEntraConnector:
    """One Entra tenant, managed as an application."""

    # Every password write signs the person out, even of the same password.
    repeats_are_harmless = False

    def __init__(self, connection: Connection, endpoints: Endpoints) -> None:
        # Here and not above: the SDK weighs 40 MB, and web processes only parse credentials.
        from directories.connectors.microsoft_client import GraphClient  # noqa: PLC0415

        self._connection = connection
        self._client: GraphClient = GraphClient(connection, endpoints)

    @property
    def spent(self) -> float:
        """See Connector.spent: reads have a much larger quota of their own."""
        return self._client.spent

    async def check(self) -> Check:
        """See Connector.check."""
        try:
            organization = await self._client.get("organization", {"$select": "id"})
            domains = await self._client.get_all(
                "domains", {"$select": "id,isVerified,authenticationType"}
            )
        except (AccountError, PermissionDeniedError) as error:
            raise DirectoryRefusedError(
                "The application may not read the tenant: grant it the application permissions "
                "Organization.Read.All and Domain.Read.All, with admin consent.",
                request_id=error.request_id,
            ) from None
        with reading("Microsoft Graph"):
            tenant_id = str((organization.body or {})["value"][0]["id"]).lower()
            verified = {str(each["id"]).lower(): each for each in domains if each["isVerified"]}
            federated = {
                name
                for name, each in verified.items()
                if each["authenticationType"].lower() == "federated"
            }
        if tenant_id != self._connection.credentials["tenant_id"]:
            raise DirectoryRefusedError(
                "The token is for another tenant than the credentials name: check the tenant id."
            )
        if self._connection.tenant_id not in ("", tenant_id):
            raise DirectoryRefusedError(
                "The credentials belong to another tenant than this directory was set up with: "
                "enter those of the first, or make a new directory."
            )
        if self._connection.domain.lower() not in verified:
            raise DirectoryRefusedError("The tenant has not verified this domain: check it.")
        return Check(
            tenant_id=tenant_id,
            verified_domains=frozenset(verified),
            federated_domains=frozenset(federated),
            warnings=self._warnings(federated),
        )

    async def find(self, address: str) -> Account:
        """See Connector.find."""
        if domain_of(address) not in self._connection.verified_domains:
            raise AccountMismatchError(
                "The person's address is not in a verified domain of this tenant: an "
                "administrator may link an account."
            )
        if domain_of(address) in self._connection.federated_domains:
            raise AccountFederatedError(FEDERATED)
        quoted = address.replace("'", "''")
        user = await self._only_user(f"userPrincipalName eq '{quoted}' or mail eq '{quoted}'")
        if user is None:
            alias = f"proxyAddresses/any(p:p eq 'smtp:{quoted}')"
            if await self._only_user(alias) is not None:
                raise AccountMismatchError(
                    "The person's address is only an alias of an account: an administrator may "
                    "link it."
                )
            raise AccountNotFoundError("Entra ID has no account with this address.")
        with reading("Microsoft Graph"):
            external_id, principal = str(user["id"]), str(user["userPrincipalName"])
            mail = str(user.get("mail") or "")
            is_guest = user.get("userType") == "Guest"
            is_synced = bool(user.get("onPremisesSyncEnabled"))
            is_suspended = not user["accountEnabled"]
        if not (is_same_address(principal, address) or is_same_address(mail, address)):
            raise AccountMismatchError("Entra ID answered with another account than was asked for.")
        if is_guest:
            raise AccountMismatchError("The account is a guest's: its password is kept elsewhere.")
        # People sign in with the principal name, even if the address found is only their mail.
        if domain_of(principal) in self._connection.federated_domains:
            raise AccountFederatedError(FEDERATED)
        if is_synced:
            raise AccountSyncedError(SYNCED)
        return Account(
            external_id=external_id,
            address=principal if is_same_address(principal, address) else mail,
            privileges=await self._privileges(external_id),
            is_suspended=is_suspended,
        )

    async def push(self, push: Push) -> Receipt:
        """See Connector.push.

        Microsoft treats it as a reset and signs the person out, even of the same password.
        """
        if long := too_long(FIELDS, push.attributes):
            raise AttributeRejectedError(
                f"Entra ID does not take so long a value of {', '.join(long)}.", names=long
            )
        if push.attributes.get("displayName") == "":
            # Source: learn.microsoft.com/graph/api/resources/user, displayName, read 2026-11-23.
            raise AttributeRejectedError(
                "Entra ID does not let displayName be cleared.", names=["displayName"]
            )
        steps = {FIELDS[name].step for name in push.attributes} - {Step.TOGETHER}
        if push.password is None and steps:
            return await self._push_step(steps.pop(), push)
        if push.password is not None and PASSWORD_RULES.impossible(push.password):
            raise PasswordRejectedError(
                f"Entra ID takes passwords of {PASSWORD_RULES.min_length} to "
                f"{PASSWORD_RULES.max_length} characters, without accents or other scripts."
            )
        changes = _with_password(body(push.attributes), push.password)
        return _receipt(await self._client.patch_user(changes, push), push)

    async def _push_step(self, step: Step, push: Push) -> Receipt:
        """Send the fields of a step of its own; where that is forbidden, they are refused."""
        do = {
            Step.MERGED: self._merge,
            Step.MANAGER: self._set_manager,
            Step.ADDRESS: self._rename,
        }[step]
        try:
            return _receipt(await do(push), push)
        except (PermissionDeniedError, AttributeRejectedError) as error:
            kind = AddressRejectedError if step is Step.ADDRESS else AttributeRejectedError
            raise kind(error.message, names=push.attributes, request_id=error.request_id) from None

    async def _merge(self, push: Push) -> Answer:
        user = await self._client.get(_path(push.external_id), {"$select": ORGANIZATION})
        with reading("Microsoft Graph"):
            data = merged((user.body or {}).get(ORGANIZATION), push.attributes, push.previous)
        return await self._client.patch_user({ORGANIZATION: data}, push)

    async def _set_manager(self, push: Push) -> Answer:
        [manager_id] = push.attributes.values()
        try:
            return await self._client.set_manager(manager_id, push)
        except AccountNotFoundError as error:
            if not manager_id:
                # There is none any more, which is what was asked for.
                return Answer(status=204, headers={"request-id": error.request_id}, content=b"")
            raise AttributeRejectedError(
                "Entra ID does not find the account, or that of its manager.",
                request_id=error.request_id,
            ) from None

    async def _rename(self, push: Push) -> Answer:
        """Rename an account, unless somebody else has the address, also as an alias."""
        [address] = push.attributes.values()
        connection = self._connection
        if domain_of(address) not in connection.verified_domains - connection.federated_domains:
            raise AddressRejectedError(
                "The new address is not in a verified, managed domain of this tenant, so the "
                "account keeps its own."
            )
        quoted = address.replace("'", "''")
        try:
            holders = [
                await self._only_user(f"userPrincipalName eq '{quoted}' or mail eq '{quoted}'"),
                await self._only_user(f"proxyAddresses/any(p:p eq 'smtp:{quoted}')"),
            ]
        except AccountAmbiguousError:
            holders = [{"id": ""}]
        if any(holder and holder.get("id") != push.external_id for holder in holders):
            raise AddressRejectedError(
                "The new address is another account's, or its alias: free it over there, or "
                "change the address here."
            )
        return await self._client.patch_user(push.attributes, push)

    async def password_changed_at(self, external_id: str) -> PasswordChange:
        """See Connector.password_changed_at."""
        answer = await self._client.get(
            _path(external_id), {"$select": "lastPasswordChangeDateTime"}
        )
        with reading("Microsoft Graph"):
            changed_at = _moment((answer.body or {}).get("lastPasswordChangeDateTime"))
        return PasswordChange(changed_at=changed_at, provider_now=answer.date)

    async def scan(self, cursor: str, since: datetime) -> ScanPage:
        """See Connector.scan.

        Every account is read each time: Graph's delta query does not tell of passwords.
        """
        items, following, answer = await self._client.get_page(
            "users", {"$select": ",".join(SCANNED), "$top": str(PAGE_SIZE)}, following=cursor
        )
        with reading("Microsoft Graph"):
            states = [
                AccountState(
                    external_id=str(item["id"]),
                    address=str(item["userPrincipalName"]),
                    password_changed_at=_moment(item.get("lastPasswordChangeDateTime")),
                    is_suspended=item.get("accountEnabled") is False,
                )
                for item in items
            ]
        return ScanPage(states=states, cursor=following, provider_now=answer.date)

    async def password_actor(self, external_id: str, changed_at: datetime) -> Actor | None:
        """See Connector.password_actor; without AuditLog.Read.All nobody is named.

        The log is some minutes late.
        """
        begin, end = (changed_at + shift for shift in (-AUDIT_WINDOW, AUDIT_WINDOW))
        condition = (
            f"targetResources/any(t:t/id eq '{external_id}')"
            f" and activityDateTime ge {begin:%Y-%m-%dT%H:%M:%SZ}"
            f" and activityDateTime le {end:%Y-%m-%dT%H:%M:%SZ}"
        )
        try:
            events, _next, _answer = await self._client.get_page(
                "auditLogs/directoryAudits", {"$filter": condition, "$top": "50"}
            )
        except (AccountError, PermissionDeniedError):
            return Actor()
        with reading("Microsoft Graph"):
            changes = [e for e in events if "password" in str(e["activityDisplayName"]).lower()]
            if not changes:
                return None
            # Newest first; our own push may have followed, even within the second.
            nearest = min(reversed(changes), key=lambda e: abs(_event_at(e) - changed_at))
            return _actor(nearest["initiatedBy"], external_id)
        raise AssertionError  # what goes wrong above has been raised

    async def close(self) -> None:
        """See Connector.close."""
        await self._client.close()

    async def _only_user(self, condition: str) -> dict[str, Any] | None:
        fields = "id,userPrincipalName,mail,userType,accountEnabled,onPremisesSyncEnabled"
        users = await self._client.get_all("users", {"$filter": condition, "$select": fields})
        if len(users) > 1:
            raise AccountAmbiguousError(
                "Several accounts have this address: an administrator may link one."
            )
        return users[0] if users else None

    async def _privileges(self, external_id: str) -> tuple[str, ...]:
        """Name directory roles and role-assignable groups, also those of groups in groups."""
        memberships = await self._client.get_all(
            f"{_path(external_id)}/transitiveMemberOf",
            {"$select": "id,displayName,isAssignableToRole"},
        )
        with reading("Microsoft Graph"):
            return tuple(
                each["displayName"]
                if each["@odata.type"] == "#microsoft.graph.directoryRole"
                else f"role-assignable group {each['displayName']}"
                for each in memberships
                if each["@odata.type"] == "#microsoft.graph.directoryRole"
                or each.get("isAssignableToRole")
            )

    def _warnings(self, federated: set[str]) -> tuple[str, ...]:
        warnings = []
        if self._connection.domain.lower() in federated:
            warnings.append("The domain is federated: its accounts sign in through another system.")
        pem = self._connection.credentials.get("certificate")
        if pem and _certificate_end(pem) < datetime.now(UTC) + CERTIFICATE_WARNING:
            warnings.append("The application's certificate ends soon: create and upload a new one.")
        return tuple(warnings)


def _moment(text: str | None) -> datetime | None:
    return datetime.fromisoformat(text) if text else None


def _event_at(event: dict[str, Any]) -> datetime:
    return datetime.fromisoformat(event["activityDateTime"])


def _actor(by: dict[str, Any], external_id: str) -> Actor:
    if user := by.get("user"):
        kind = "person" if user["id"] == external_id else "administrator"
        return Actor(kind=kind, name=str(user.get("userPrincipalName") or ""))
    if app := by.get("app"):
        return Actor(kind="application", name=str(app.get("displayName") or ""))
    return Actor()


def preview(attributes: Mapping[str, str], *, has_password: bool, is_clear: bool) -> dict[str, Any]:
    """Show what a push sends, in all its steps, with the password masked.

    Entra ID always needs it in clear.
    """
    together = {n: value for n, value in attributes.items() if FIELDS[n].step is Step.TOGETHER}
    parts = {n: value for n, value in attributes.items() if FIELDS[n].step is Step.MERGED}
    others = {n: attributes[n] or None for n in attributes if n not in (*together, *parts)}
    data = {ORGANIZATION: merged({}, parts, {})} if parts else {}
    return _with_password(body(together), MASK if has_password else None) | data | others


def _path(external_id: str) -> str:
    return f"users/{quote(external_id, safe='')}"


def _receipt(answer: Answer, push: Push) -> Receipt:
    return Receipt(request_id=request_id_of(answer, {}) or str(push.attempt_id))


def _with_password(changes: Mapping[str, Any], password: str | None) -> dict[str, Any]:
    if password is None:
        return dict(changes)
    profile = {"password": password, "forceChangePasswordNextSignIn": False}
    return {**changes, "passwordProfile": profile}
