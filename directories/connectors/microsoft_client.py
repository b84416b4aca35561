"""Microsoft's SDK, tamed: one call is one HTTP request within one deadline.

The SDK gets a plain httpx client without its middleware, which would repeat and redirect a
PATCH, password and all.  After an answer of 401, and only then, the token is renewed once and the
request repeated once, since a 401 says that nothing was applied.
"""

from __future__ import annotations

import asyncio
import base64
import re
import time
from collections.abc import AsyncIterator, Mapping
from contextlib import suppress
from functools import partial
from typing import Any
from urllib.parse import quote, urlsplit
from uuid import uuid4

import certifi
import httpx
from azure.core.credentials import AccessToken
from azure.core.exceptions import AzureError
from azure.identity.aio import CertificateCredential, ClientSecretCredential
from kiota_abstractions.base_request_configuration import RequestConfiguration
from kiota_abstractions.headers_collection import HeadersCollection
from kiota_abstractions.native_response_handler import NativeResponseHandler
from kiota_abstractions.serialization import Parsable, SerializationWriter
from kiota_authentication_azure.azure_identity_authentication_provider import (
    AzureIdentityAuthenticationProvider,
)
from kiota_http.middleware.options import ResponseHandlerOption
from kiota_http.observability_options import ObservabilityOptions
from msgraph.generated.models.reference_update import ReferenceUpdate
from msgraph.generated.users.item.user_item_request_builder import UserItemRequestBuilder
from msgraph.graph_request_adapter import GraphRequestAdapter
from msgraph.graph_service_client import GraphServiceClient

from directories.connectors import library_logs
from directories.connectors.answers import Answer, reading
from directories.connectors.base import DEADLINE_SECONDS, Connection, Endpoints, Push
from directories.connectors.credential_files import origin_of
from directories.connectors.errors import (
    ConnectorError,
    DirectoryUnavailableError,
    UnclearOutcomeError,
)
from directories.connectors.microsoft_errors import refusal, token_refusal
from directories.connectors.tls import client_context

library_logs.silence()

MICROSOFT_LOGIN = "https://login.microsoftonline.com"
NATIONAL_GRAPHS = {
    "dod-graph.microsoft.us",
    "graph.microsoft.us",
    "microsoftgraph.chinacloudapi.cn",
}
# Their tokens are for themselves. Source: msgraph-core 1.5.2, NationalClouds.
CONNECT_TIMEOUT_SECONDS = 5.0
READ_TIMEOUT_SECONDS = 15.0
# For each read of a socket; DEADLINE_SECONDS limits the whole.
IDLE_SECONDS = 50.0
# An older idle connection is not used again: the other end may be about to close it.
MAX_CONNECTIONS = 64
TOKEN_MARGIN_SECONDS = 300
# A token with less time left is renewed, as azure-identity does.
MAX_PAGES = 50
READ_SHARE = 0.05
# A read takes so much of a directory's pace as a write does: 20 writes a second are published, and
# at least 350 reads.  Source: learn.microsoft.com/graph/throttling-limits, read 2026-11-23.


def scope_of(microsoft_graph: str) -> str:
    """Return the scope to ask for: that of the public cloud for any but a national Graph."""
    host = urlsplit(microsoft_graph).hostname
    return f"https://{host if host in NATIONAL_GRAPHS else 'graph.microsoft.com'}/.default"


class _TokenRefusedError(Exception):
    def __init__(self, answer: Answer) -> None:
        super().__init__()
        self.answer = answer


def _stop_at_refusal(response: Any) -> None:
    """Stop azure-identity at a refusal, whose status it would otherwise hide."""
    http_response = response.http_response
    if http_response.status_code != 200:
        headers = {name.lower(): text for name, text in http_response.headers.items()}
        raise _TokenRefusedError(
            Answer(status=http_response.status_code, headers=headers, content=http_response.content)
        )


class _Token:
    """The access token that all requests to a tenant share; what the SDK calls a credential.

    azure-identity keeps a token, too, but fetches one for each of those who ask at the same time,
    and gives out a rejected one again.
    """

    def __init__(self, connection: Connection, endpoints: Endpoints) -> None:
        self._fields = dict(connection.credentials)
        self._options: dict[str, Any] = {
            "authority": endpoints.microsoft_login,
            "disable_instance_discovery": endpoints.microsoft_login.rstrip("/") != MICROSOFT_LOGIN,
            "connection_verify": endpoints.ca_bundle or certifi.where(),
            "connection_timeout": CONNECT_TIMEOUT_SECONDS,
            "read_timeout": READ_TIMEOUT_SECONDS,
            "retry_total": 0,
            "raw_response_hook": _stop_at_refusal,
        }
        self._scope = scope_of(endpoints.microsoft_graph)
        self._lock = asyncio.Lock()
        self._credential: ClientSecretCredential | CertificateCredential | None = None
        self._token = AccessToken("", 0)
        self._claims: str | None = None
        self._fetched_at = 0.0

    async def get_token(
        self, *_scopes: str, claims: str | None = None, **_options: Any
    ) -> AccessToken:
        """Return a token; ``claims`` are what a 401 asked the next one to satisfy."""
        if claims is None and self._is_good():
            return self._token
        async with self._lock:
            is_recent = time.monotonic() - self._fetched_at < CONNECT_TIMEOUT_SECONDS
            is_answered = claims is None or (claims == self._claims and is_recent)
            if not (is_answered and self._is_good()):
                await self._fetch(claims)
            return self._token

    async def renew(self, rejected: str, claims: str | None) -> None:
        """Fetch a new token, unless somebody did since ``rejected`` was sent."""
        async with self._lock:
            if self._token.token == rejected:
                await self._close_credential()
                await self._fetch(claims)

    def _is_good(self) -> bool:
        return self._token.expires_on - time.time() > TOKEN_MARGIN_SECONDS

    async def _fetch(self, claims: str | None) -> None:
        if self._credential is None:
            self._credential = self._make_credential()
        self._token = await self._credential.get_token(self._scope, claims=claims, enable_cae=True)
        self._claims, self._fetched_at = claims, time.monotonic()

    def _make_credential(self) -> ClientSecretCredential | CertificateCredential:
        tenant_id, client_id = self._fields["tenant_id"], self._fields["client_id"]
        if "client_secret" in self._fields:
            secret = self._fields["client_secret"]
            return ClientSecretCredential(tenant_id, client_id, secret, **self._options)
        certificate = self._fields["certificate"].encode()
        return CertificateCredential(
            tenant_id, client_id, certificate_data=certificate, **self._options
        )

    async def _close_credential(self) -> None:
        credential, self._credential = self._credential, None
        if credential is not None:
            with suppress(AzureError, OSError):
                await credential.close()

    async def close(self) -> None:
        async with self._lock:
            await self._close_credential()


class _Changes(Parsable):
    """What is written to an account, by Graph's own names; null clears.

    The SDK's ``User`` takes longer to make and to write than a request does otherwise, writes null
    under Python's names, which Graph refuses, and shows the password in its repr.
    Source: msgraph-sdk 1.65, measured 2026-11-25.
    """

    def __init__(self, fields: Mapping[str, Any]) -> None:
        self._fields = {"@odata.type": "#microsoft.graph.user", **fields}

    def get_field_deserializers(self) -> dict[str, Any]:
        """Get nothing: it is never read."""
        return {}

    def serialize(self, writer: SerializationWriter) -> None:
        """See Parsable.serialize."""
        writer.write_additional_data_value(self._fields)


class GraphClient:
    """Runs requests to one tenant."""

    def __init__(self, connection: Connection, endpoints: Endpoints) -> None:
        self._base_url = f"{endpoints.microsoft_graph.rstrip('/').removesuffix('/v1.0')}/v1.0"
        self._ca_bundle = endpoints.ca_bundle
        self._token = _Token(connection, endpoints)
        self._http: httpx.AsyncClient | None = None
        self._sdk: GraphServiceClient | None = None
        self.spent = 0.0

    async def get(self, path: str, params: dict[str, str]) -> Answer:
        """Read; the answer's status is 200.  Raises ConnectorError, and nothing else."""
        return await self._get(f"{self._base_url}/{path}?{_query(params)}")

    async def get_all(self, path: str, params: dict[str, str]) -> list[dict[str, Any]]:
        """Read all pages of a collection."""
        return [item async for item in self._items(f"{self._base_url}/{path}?{_query(params)}")]

    async def get_page(
        self, path: str, params: dict[str, str], *, following: str = ""
    ) -> tuple[list[dict[str, Any]], str, Answer]:
        """Read one page of a collection, and the link to the next one, "" after the last."""
        return await self._page(following or f"{self._base_url}/{path}?{_query(params)}")

    async def _page(self, url: str) -> tuple[list[dict[str, Any]], str, Answer]:
        if origin_of(url) != origin_of(self._base_url):
            raise DirectoryUnavailableError("Microsoft Graph's next page is on another host.")
        answer = await self._get(url)
        with reading("Microsoft Graph"):
            body = answer.body or {}
            return list(body["value"]), str(body.get("@odata.nextLink") or ""), answer
        raise AssertionError  # what goes wrong above has been raised

    async def _items(self, url: str) -> AsyncIterator[dict[str, Any]]:
        for _ in range(MAX_PAGES):
            items, url, _answer = await self._page(url)
            for item in items:
                yield item
            if not url:
                return
        raise DirectoryUnavailableError("Microsoft Graph's answer has too many pages.")

    async def _get(self, url: str) -> Answer:
        async def send(token: str) -> httpx.Response:
            headers = {
                "Authorization": f"Bearer {token}",
                "Accept": "application/json",
                "client-request-id": str(uuid4()),
            }
            return await self._client().get(url, headers=headers)

        return await self._run(send, None)

    async def patch_user(self, changes: Mapping[str, Any], push: Push) -> Answer:
        """Write one account; the answer's status is 204.  Raises ConnectorError, nothing else."""
        body: Any = _Changes(changes)

        async def send(_token: str) -> httpx.Response:
            # Given whole: the SDK expands its template of an address three times a request.
            url = f"{self._base_url}/users/{quote(push.external_id, safe='')}"
            builder = UserItemRequestBuilder(self._graph().request_adapter, url)
            # With a NativeResponseHandler the SDK returns httpx's response, whatever it declares.
            response: Any = await builder.patch(body, _options(push))
            return response  # type: ignore[no-any-return]

        return await self._run(send, push)

    async def set_manager(self, manager_id: str, push: Push) -> Answer:
        """Make another account the manager of one, "" for nobody; see ``patch_user``."""
        manager = ReferenceUpdate(odata_id=f"{self._base_url}/users/{quote(manager_id, safe='')}")

        async def send(_token: str) -> httpx.Response:
            builder = self._graph().users.by_user_id(push.external_id).manager.ref
            do: Any = partial(builder.put, manager) if manager_id else builder.delete
            response: httpx.Response = await do(_options(push))
            return response

        return await self._run(send, push)

    async def _run(self, send: Any, push: Push | None) -> Answer:
        is_sent = False
        outcome: Answer | ConnectorError
        try:
            async with asyncio.timeout(DEADLINE_SECONDS):
                token = (await self._token.get_token()).token
                is_sent = True
                self.spent += READ_SHARE if push is None else 1
                response = await send(token)
                # With a claims challenge the SDK has renewed the token and repeated already.
                if response.status_code == 401 and _token_of(response) == token:
                    is_sent = False
                    await self._token.renew(token, _claims_of(response))
                    token = (await self._token.get_token()).token
                    is_sent = True
                    response = await send(token)
            outcome = _as_answer(response)
            if outcome.status != (200 if push is None else 204):
                outcome = refusal(outcome, push)
        except Exception as error:  # noqa: BLE001 - whatever the SDKs raise is about this call
            outcome = _failure(error, is_write_sent=is_sent and push is not None)
        if isinstance(outcome, ConnectorError):
            raise outcome from None
        return outcome

    def _client(self) -> httpx.AsyncClient:
        if self._http is None:
            self._http = httpx.AsyncClient(
                verify=client_context(self._ca_bundle),
                timeout=httpx.Timeout(
                    READ_TIMEOUT_SECONDS,
                    connect=CONNECT_TIMEOUT_SECONDS,
                    pool=CONNECT_TIMEOUT_SECONDS,
                ),
                limits=httpx.Limits(
                    max_connections=MAX_CONNECTIONS,
                    max_keepalive_connections=MAX_CONNECTIONS,
                    keepalive_expiry=IDLE_SECONDS,
                ),
                follow_redirects=False,
            )
        return self._http

    def _graph(self) -> GraphServiceClient:
        if self._sdk is None:
            authentication = AzureIdentityAuthenticationProvider(
                self._token,  # type: ignore[arg-type]
                scopes=[scope_of(self._base_url)],
                # A port in it would silently drop the token.  Source: measured 2026-11-23.
                allowed_hosts=[urlsplit(self._base_url).hostname or ""],
            )
            adapter = GraphRequestAdapter(authentication, client=self._client())
            adapter.base_url = self._base_url
            adapter.observability_options = ObservabilityOptions(include_euii_attributes=False)
            self._sdk = GraphServiceClient(request_adapter=adapter)
        return self._sdk

    async def close(self) -> None:
        await self._token.close()
        if self._http is not None:
            await self._http.aclose()


def _options(push: Push) -> RequestConfiguration[Any]:
    headers = HeadersCollection()
    headers.add("client-request-id", str(push.attempt_id))
    # Source: learn.microsoft.com/graph/throttling-limits, read 2026-11-23.
    headers.add("x-ms-throttle-priority", "low" if push.password is None else "high")
    return RequestConfiguration[Any](
        headers=headers, options=[ResponseHandlerOption(NativeResponseHandler())]
    )


def _failure(error: Exception, *, is_write_sent: bool) -> ConnectorError:
    """Turn whatever stopped a call without an answer from Graph into our error."""
    if isinstance(error, _TokenRefusedError):
        return token_refusal(error.answer)
    if isinstance(error, AzureError):
        return DirectoryUnavailableError(
            f"Microsoft's login service cannot be reached ({type(error).__name__})."
        )
    if isinstance(error, httpx.ConnectError | httpx.ConnectTimeout | httpx.PoolTimeout):
        return DirectoryUnavailableError(
            f"Microsoft Graph cannot be reached ({type(error).__name__})."
        )
    if not isinstance(error, httpx.HTTPError | TimeoutError):
        library_logs.report_unexpected(error)
    if is_write_sent:
        return UnclearOutcomeError(
            f"Microsoft Graph gave no answer ({type(error).__name__}): the change may have been "
            "applied."
        )
    return DirectoryUnavailableError(f"Microsoft Graph gave no answer ({type(error).__name__}).")


def _as_answer(response: httpx.Response) -> Answer:
    headers = {name.lower(): text for name, text in response.headers.items()}
    return Answer(status=response.status_code, headers=headers, content=response.content)


def _token_of(response: httpx.Response) -> str:
    return str(response.request.headers.get("authorization", "")).removeprefix("Bearer ")


def _claims_of(response: httpx.Response) -> str | None:
    """Return what a claims challenge asks of the next token, None if there is none."""
    challenge = response.headers.get("www-authenticate", "")
    found = re.search(r'claims="([^"]+)"', challenge)
    try:
        return base64.b64decode(found.group(1)).decode() if found else None
    except ValueError:
        return None


def _query(params: dict[str, str]) -> str:
    return "&".join(f"{name}={quote(value, safe='')}" for name, value in params.items())
