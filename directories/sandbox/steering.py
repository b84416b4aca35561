"""Steering a running sandbox: every command of its control port as a method."""

from __future__ import annotations

import http.client
import json
import threading
from collections.abc import Iterable
from typing import Any, Literal
from urllib.parse import urlsplit

Provider = Literal["google", "microsoft"]

_COMMAND_SECONDS = 30.0


class SandboxError(Exception):
    """The sandbox refused a command, or did not start."""


class SandboxControl:
    """Steers a running sandbox; may be used by several threads.

    ``provider`` is "google" or "microsoft"; an account is named by its address or its id.
    """

    def __init__(self, control: str) -> None:
        self.control = control
        self._lock = threading.Lock()
        self._connection: http.client.HTTPConnection | None = None

    def _call(self, command: str, **values: Any) -> Any:
        body = json.dumps({name: value for name, value in values.items() if value is not None})
        with self._lock:
            try:
                status, content = self._send(command, body)
            except (http.client.HTTPException, OSError):
                self._connection = None
                raise
        answer = json.loads(content)
        if status != 200:
            raise SandboxError(f"{command}: {answer.get('error', status)}")
        return answer["result"]

    def _send(self, command: str, body: str) -> tuple[int, bytes]:
        if self._connection is None:
            netloc = urlsplit(self.control).netloc
            self._connection = http.client.HTTPConnection(netloc, timeout=_COMMAND_SECONDS)
        headers = {"Content-Type": "application/json"}
        self._connection.request("POST", f"/commands/{command}", body, headers)
        response = self._connection.getresponse()
        return response.status, response.read()

    def close(self) -> None:
        with self._lock:
            if self._connection is not None:
                self._connection.close()
            self._connection = None

    # Tenants ------------------------------------------------------------------------------------

    def add_google_customer(
        self,
        *,
        customer_id: str | None = None,
        domains: Iterable[str] = ("example.com",),
        admin_email: str | None = None,
        scopes: Iterable[str] | None = None,
        is_admin_super: bool = True,
        org_units: Iterable[str] = ("/",),
    ) -> dict[str, Any]:
        """Add a customer and its administrator; return the service account's key file.

        ``admin_email`` defaults to admin@ the first domain, ``scopes`` to the three that
        PROVIDERS.md 1.3 names.  Without ``is_admin_super`` the administrator is a delegated one.
        """
        found: dict[str, Any] = self._call(
            "add_google_customer",
            customer_id=customer_id,
            domains=list(domains),
            admin_email=admin_email,
            scopes=None if scopes is None else list(scopes),
            is_admin_super=is_admin_super,
            org_units=list(org_units),
        )
        return found

    def add_entra_tenant(
        self,
        *,
        tenant_id: str | None = None,
        domains: Iterable[str] = ("example.com",),
        federated_domains: Iterable[str] = (),
        with_certificate: bool = False,
        permissions: Iterable[str] | None = None,
        app_can_write_passwords: bool | None = None,
        **settings: Any,
    ) -> dict[str, str]:
        """Add a tenant and its application; return ``tenant_id``, ``client_id`` and a secret.

        The secret is ``client_secret``, or ``certificate``: key and certificate in one PEM.
        ``federated_domains`` are added to ``domains``.  ``permissions`` are the application
        permissions granted, ``app_can_write_passwords`` whether it holds User Administrator.
        Other settings: ``display_name``, ``is_secret_expired``, ``delta_tracks_password``.
        """
        found: dict[str, str] = self._call(
            "add_entra_tenant",
            tenant_id=tenant_id,
            domains=list(domains),
            federated_domains=list(federated_domains),
            with_certificate=with_certificate,
            permissions=None if permissions is None else list(permissions),
            app_can_write_passwords=app_can_write_passwords,
            **settings,
        )
        return found

    def change_google_customer(self, customer_id: str, **settings: Any) -> None:
        """Change ``scopes``, ``org_units`` or ``api_enabled``; scopes count at the next token."""
        self._call("change_tenant", provider="google", tenant_id=customer_id, **settings)

    def change_entra_tenant(self, tenant_id: str, **settings: Any) -> None:
        """Change settings of a tenant, at once.

        They are ``permissions``, ``app_can_write_passwords``, ``is_secret_expired``,
        ``federated_domains``, ``display_name`` and ``delta_tracks_password``.
        """
        self._call("change_tenant", provider="microsoft", tenant_id=tenant_id, **settings)

    def tenants(self) -> list[dict[str, Any]]:
        """List provider, tenant_id, domains and the number of accounts."""
        found: list[dict[str, Any]] = self._call("tenants")
        return found

    # Accounts -----------------------------------------------------------------------------------

    def add_google_user(
        self,
        address: str,
        *,
        customer_id: str | None = None,
        external_id: str | None = None,
        given_name: str = "Grace",
        family_name: str = "Hopper",
        is_admin: bool = False,
        is_delegated_admin: bool = False,
        aliases: Iterable[str] = (),
        suspended: bool = False,
        attributes: dict[str, Any] | None = None,
    ) -> str:
        """Add a user to the customer that has the address's domain; return the id."""
        return str(
            self._call(
                "add_google_user",
                address=address,
                customer_id=customer_id,
                external_id=external_id,
                given_name=given_name,
                family_name=family_name,
                is_admin=is_admin,
                is_delegated_admin=is_delegated_admin,
                aliases=list(aliases),
                suspended=suspended,
                attributes=attributes,
            )
        )

    def add_entra_user(
        self,
        address: str,
        *,
        tenant_id: str | None = None,
        external_id: str | None = None,
        given_name: str = "Grace",
        family_name: str = "Hopper",
        display_name: str | None = None,
        mail: str | None = None,
        proxy_addresses: Iterable[str] = (),
        roles: Iterable[str] = (),
        role_assignable_groups: Iterable[str] = (),
        groups: Iterable[str] = (),
        synced: bool = False,
        suspended: bool = False,
        is_guest: bool = False,
        attributes: dict[str, Any] | None = None,
    ) -> str:
        """Add a user whose userPrincipalName is ``address``; return the id.

        ``roles`` are names of directory roles; ``groups`` are ordinary ones.
        """
        return str(
            self._call(
                "add_entra_user",
                address=address,
                tenant_id=tenant_id,
                external_id=external_id,
                given_name=given_name,
                family_name=family_name,
                display_name=display_name,
                mail=mail,
                proxy_addresses=list(proxy_addresses),
                roles=list(roles),
                role_assignable_groups=list(role_assignable_groups),
                groups=list(groups),
                synced=synced,
                suspended=suspended,
                is_guest=is_guest,
                attributes=attributes,
            )
        )

    def change_account(self, provider: Provider, key: str, **changes: Any) -> None:
        """Change facts of an account.

        They are ``suspended`` and ``attributes``; Google: ``is_admin``, ``is_delegated_admin``;
        Entra: ``synced``, ``roles``, ``role_assignable_groups``, ``groups``.
        """
        self._call("change_account", provider=provider, key=key, **changes)

    def remove_account(self, provider: Provider, key: str, *, for_good: bool = False) -> None:
        """Delete an account, as an administrator over there would; it may be restored."""
        self._call("remove_account", provider=provider, key=key, for_good=for_good)

    def restore_account(self, provider: Provider, key: str) -> None:
        """Restore a deleted account, named by its id or the address it had."""
        self._call("restore_account", provider=provider, key=key)

    def account(self, address_or_id: str, provider: Provider) -> dict[str, Any]:
        """Describe an account; Raises SandboxError where there is none.

        Keys: id, address, tenant_id, attributes (the provider's own), has_password,
        password_kind (digest, MD5, SHA-1, crypt), password_writes (through the API only),
        must_change_password, last_password_change, suspended, roles, role_assignable_groups.
        """
        found: dict[str, Any] = self._call("account", key=address_or_id, provider=provider)
        return found

    def opens(self, provider: Provider, address_or_id: str, password: str) -> bool:
        """Tell whether this password opens the account; never that of a suspended one."""
        return bool(self._call("opens", provider=provider, key=address_or_id, password=password))

    def change_password_there(
        self,
        provider: Provider,
        address: str,
        password: str,
        *,
        by: Literal["user", "admin"] = "user",
    ) -> None:
        """Set a password as the person, or another administrator, does over there."""
        self._call("change_password", provider=provider, key=address, password=password, by=by)

    def expect(self, address: str, password: str) -> None:
        """Say what the person's portal password is; only the page uses it."""
        self._call("expect", address=address, password=password)

    # What was received --------------------------------------------------------------------------

    def requests(
        self,
        *,
        provider: Provider | None = None,
        method: str | None = None,
        path_contains: str | None = None,
    ) -> list[dict[str, Any]]:
        """List the latest requests, oldest first, token requests among them.

        Keys: number, provider, method, path (with the query), status (None: no answer was sent),
        headers, at, tenant_id, body, password_digest, fault, was_applied.
        """
        found: list[dict[str, Any]] = self._call(
            "requests", provider=provider, method=method, path_contains=path_contains
        )
        return found

    def clear_requests(self) -> None:
        self._call("clear_requests")

    def reset(self) -> None:
        """Forget tenants, accounts, tokens, faults, quotas, requests and the clock's offset."""
        self._call("reset")

    # Trouble ------------------------------------------------------------------------------------

    def fault(
        self,
        *,
        provider: Provider,
        times: int | None = 1,
        skip: int = 0,
        method: str | None = None,
        path_contains: str | None = None,
        tenant_id: str | None = None,
        status: int | None = None,
        body: object = None,
        headers: dict[str, str] | None = None,
        delay: float = 0,
        when: Literal["before", "after"] = "before",
        action: Literal["reset", "close", "truncate", "html", "bad_json"] | None = None,
    ) -> None:
        """Queue a fault for the next ``times`` matching requests (None: until cleared).

        ``skip`` matching ones pass first.  "after": the request is applied, then this happens.
        Without status and action it only delays, by ``delay`` seconds.  A ``body`` that is a
        string is sent as plain text, any other as JSON.  Requests for a token match only where
        ``path_contains`` does ("/token").
        """
        values: dict[str, Any] = {
            "provider": provider,
            "skip": skip,
            "method": method,
            "path_contains": path_contains,
            "tenant_id": tenant_id,
            "status": status,
            "body": body,
            "headers": headers,
            "delay": delay,
            "when": when,
            "action": action,
        }
        given = {name: value for name, value in values.items() if value is not None}
        self._call("fault", **given, times=0 if times is None else times)

    def clear_faults(self) -> None:
        self._call("clear_faults")

    def set_quota(
        self,
        *,
        enabled: bool = True,
        scale: float = 1.0,
        google_retry_after: float | None = None,
        graph_retry_after: bool = True,
    ) -> None:
        """Turn the providers' quotas on or off; ``scale`` multiplies every limit.

        Google sends no Retry-After unless ``google_retry_after`` says which.
        """
        self._call(
            "set_quota",
            enabled=enabled,
            scale=scale,
            google_retry_after=google_retry_after,
            graph_retry_after=graph_retry_after,
        )

    def set_audit_lag(self, seconds: float, *, provider: Provider | None = None) -> None:
        """Make audit events visible so many seconds after they happened."""
        self._call("set_audit_lag", seconds=seconds, provider=provider)

    def revoke_tokens(self, tenant_id: str | None = None) -> None:
        """Make the bearer tokens given out, of one tenant or of all, useless."""
        self._call("revoke_tokens", tenant_id=tenant_id)

    def advance(self, seconds: float) -> None:
        """Move the sandbox's clock forward."""
        self._call("advance", seconds=seconds)
