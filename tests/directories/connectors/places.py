"""Two providers with accounts in them, behind one interface, for the contract suite.

Google is the sandbox's own service, served from a thread.  The sandbox has no Microsoft side and
no client yet, so Entra ID is a small stand-in for now; with ``directories.sandbox.client`` both
classes shrink to calls of it, and the contract suite stays as it is.
"""

from __future__ import annotations

import asyncio
import json
import re
import threading
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, Protocol, cast
from urllib.parse import parse_qs, unquote, urlsplit
from uuid import uuid4

from directories.connectors.base import Endpoints
from directories.sandbox.accounts import GoogleCustomer, new_google_id
from directories.sandbox.certificates import key_pem
from directories.sandbox.exchange import Exchange
from directories.sandbox.google import DEFAULT_SCOPES, Google
from directories.sandbox.google_users import new_user
from directories.sandbox.http import HttpProtocol
from directories.sandbox.tokens import service_account_key
from directories.sandbox.world import World

from .conftest import TENANT_ID, entra_file, google_file
from .scripted import ScriptedServer, Seen, reply

DOMAIN = "example.com"


class Place(Protocol):
    """A provider that a test can look into."""

    kind: str
    tenant_id: str
    admin_email: str
    endpoints: Endpoints

    def good_credentials(self) -> str: ...

    def bad_credentials(self) -> str: ...

    def add(self, address: str, *, alias: str = "", is_privileged: bool = False) -> str:
        """Make an account with the names Old Name; return its id."""

    def has_password(self, external_id: str, password: str) -> bool: ...

    def names(self, external_id: str) -> tuple[str, str]: ...

    def requests(self) -> list[str]:
        """Return the methods and paths received so far."""

    def stop(self) -> None: ...


class GooglePlace:
    kind = "google_workspace"
    tenant_id = "C01contract"
    admin_email = f"admin@{DOMAIN}"

    def __init__(self, folder: Path) -> None:
        self.world = World()
        self._loop = asyncio.new_event_loop()
        self._thread = threading.Thread(target=self._loop.run_forever, daemon=True)
        self._thread.start()
        self._exchange = Exchange("google", Google(self.world), self.world)
        self._transports: list[asyncio.Transport] = []
        serving = self._loop.create_server(self._protocol, "127.0.0.1", 0)
        self._server = asyncio.run_coroutine_threadsafe(serving, self._loop).result(5)
        origin = f"http://127.0.0.1:{self._server.sockets[0].getsockname()[1]}"
        self.world.origins["google"] = origin
        self.endpoints = Endpoints(google_api=origin, microsoft_graph="", microsoft_login="")
        self.customer = GoogleCustomer(
            self.tenant_id,
            (DOMAIN,),
            admin_email=self.admin_email,
            client_email="latchkey@latchkey.iam.gserviceaccount.com",
            private_key_id="abc123",
            scopes=frozenset(DEFAULT_SCOPES),
        )
        self.world.customers[self.tenant_id] = self.customer
        self.add(self.admin_email, is_privileged=True)

    def good_credentials(self) -> str:
        key = key_pem(service_account_key()).decode()
        return google_file(self.endpoints.google_api, private_key=key)

    def bad_credentials(self) -> str:
        return google_file(self.endpoints.google_api)

    def add(self, address: str, *, alias: str = "", is_privileged: bool = False) -> str:
        account = new_user(self.customer, address, new_google_id(), self.world.clock.now())
        account.attributes["name"] = {"givenName": "Old", "familyName": "Name"}
        account.attributes["aliases"] = [alias] if alias else []
        account.attributes["isAdmin"] = is_privileged
        self.customer.add(account)
        return account.external_id

    def has_password(self, external_id: str, password: str) -> bool:
        stored = self.customer.accounts[external_id].password
        return stored is not None and self.world.keeper.matches(stored, password)

    def names(self, external_id: str) -> tuple[str, str]:
        name = self.customer.accounts[external_id].attributes["name"]
        return name["givenName"], name["familyName"]

    def requests(self) -> list[str]:
        entries = reversed(self.world.requests.latest(10_000))
        return [f"{entry.method} {entry.target}" for entry in entries]

    def stop(self) -> None:
        """Close the port and all connections; may be called twice."""
        if self._loop.is_closed():
            return

        async def close() -> None:
            self._server.close()
            for transport in self._transports:
                transport.abort()
            await asyncio.sleep(0)

        asyncio.run_coroutine_threadsafe(close(), self._loop).result(5)
        self._loop.call_soon_threadsafe(self._loop.stop)
        self._thread.join(5)
        self._loop.close()

    def _protocol(self) -> HttpProtocol:
        transports = self._transports

        class Protocol(HttpProtocol):
            def connection_made(self, transport: asyncio.BaseTransport) -> None:
                super().connection_made(transport)
                transports.append(cast("asyncio.Transport", transport))

        return Protocol(self._exchange, self.world.clock.http_date)


class EntraPlace(ScriptedServer):
    kind = "microsoft_entra"
    tenant_id = TENANT_ID
    admin_email = ""

    def __init__(self, folder: Path) -> None:
        super().__init__(folder)
        self.accounts: dict[str, dict[str, Any]] = {}
        self._client_id = str(uuid4())
        self.endpoints = Endpoints(
            google_api="",
            microsoft_graph=self.origin,
            microsoft_login=self.origin,
            ca_bundle=self.ca_bundle,
        )

    def good_credentials(self) -> str:
        return entra_file(client_id=self._client_id)

    def bad_credentials(self) -> str:
        return entra_file(client_id=self._client_id, client_secret="wrong")

    def add(self, address: str, *, alias: str = "", is_privileged: bool = False) -> str:
        external_id = str(uuid4())
        self.accounts[external_id] = {
            "id": external_id,
            "userPrincipalName": address,
            "mail": address,
            "userType": "Member",
            "accountEnabled": True,
            "givenName": "Old",
            "surname": "Name",
            "lastPasswordChangeDateTime": None,
            "aliases": [alias],
            "roles": ["Global Administrator"] if is_privileged else [],
            "password": None,
        }
        return external_id

    def has_password(self, external_id: str, password: str) -> bool:
        return bool(self.accounts[external_id]["password"] == password)

    def names(self, external_id: str) -> tuple[str, str]:
        account = self.accounts[external_id]
        return account["givenName"], account["surname"]

    def requests(self) -> list[str]:
        return [f"{seen.method} {seen.path}" for seen in self.seen]

    def _answer_to(self, seen: Seen) -> Any:
        if seen.path.endswith("/token"):
            if b"client_secret=s3cret-value" in seen.body:
                return super()._answer_to(seen)
            text = "AADSTS7000215: Invalid client secret provided."
            return reply(401, {"error": "invalid_client", "error_description": text})
        date = {"Date": datetime.now(UTC).strftime("%a, %d %b %Y %H:%M:%S GMT")}
        status, body = self._graph(seen)
        return reply(status, body, date)

    def _graph(self, seen: Seen) -> tuple[int, Any]:
        url = urlsplit(seen.path)
        parts = unquote(url.path).split("/")[2:]
        if parts == ["organization"]:
            return 200, {"value": [{"id": self.tenant_id}]}
        if parts == ["domains"]:
            domain = {"id": DOMAIN, "isVerified": True, "authenticationType": "Managed"}
            return 200, {"value": [domain]}
        if parts == ["users"]:
            return 200, {"value": self._filtered(parse_qs(url.query)["$filter"][0])}
        account = self.accounts.get(parts[1])
        if account is None:
            return 404, {"error": {"code": "Request_ResourceNotFound", "message": ""}}
        if parts[2:] == ["transitiveMemberOf"]:
            kind = "#microsoft.graph.directoryRole"
            roles = [{"@odata.type": kind, "displayName": role} for role in account["roles"]]
            return 200, {"value": roles}
        if seen.method == "PATCH":
            return self._patch(account, json.loads(seen.body))
        return 200, account

    def _filtered(self, condition: str) -> list[dict[str, Any]]:
        wanted = re.findall(r"'([^']*)'", condition)[0].lower().removeprefix("smtp:")
        field = "aliases" if condition.startswith("proxyAddresses") else "userPrincipalName"
        return [
            account
            for account in self.accounts.values()
            if (wanted in account[field] if field == "aliases" else wanted == account[field])
        ]

    def _patch(self, account: dict[str, Any], body: dict[str, Any]) -> tuple[int, Any]:
        profile = body.pop("passwordProfile", None)
        unknown = body.keys() - {"@odata.type", "givenName", "surname", "displayName"}
        if unknown:
            return 400, {"error": {"code": "Request_BadRequest", "message": "unknown property"}}
        account.update(body)
        if profile:
            account["password"] = profile["password"]
            now = datetime.now(UTC).strftime("%Y-%m-%dT%H:%M:%SZ")
            account["lastPasswordChangeDateTime"] = now
        return 204, None
