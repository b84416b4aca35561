"""A sandbox process for these tests, and plain HTTP calls to it without any SDK."""

from __future__ import annotations

import http.client
import json
import socket
import ssl
import time
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import quote, urlencode, urlsplit

import pytest
from google.auth import crypt, jwt

from directories.sandbox.client import Sandbox

CANARY = "Canary-93-Sparrow!"
USER_SCOPE = "https://www.googleapis.com/auth/admin.directory.user"
SECURITY_SCOPE = "https://www.googleapis.com/auth/admin.directory.user.security"
AUDIT_SCOPE = "https://www.googleapis.com/auth/admin.reports.audit.readonly"
SCOPES = f"{USER_SCOPE} {SECURITY_SCOPE} {AUDIT_SCOPE}"
GRAPH_SCOPE = "https://graph.microsoft.com/.default"
USERS = "/admin/directory/v1/users"


@dataclass
class Answer:
    status: int
    headers: dict[str, str]
    content: bytes

    @property
    def body(self) -> Any:
        return json.loads(self.content)

    @property
    def reason(self) -> str:
        """Return Google's reason or Graph's code."""
        error = self.body["error"]
        return str(error["errors"][0]["reason"] if "errors" in error else error["code"])


def call(
    base: str,
    method: str,
    path: str,
    body: Any = None,
    headers: dict[str, str] | None = None,
    ca_bundle: str | None = None,
) -> Answer:
    """Send one request on a connection of its own; a dict is sent as JSON, a str as a form."""
    parts = urlsplit(base)
    connection: http.client.HTTPConnection
    if parts.scheme == "https":
        context = ssl.create_default_context(cafile=ca_bundle)
        connection = http.client.HTTPSConnection(parts.netloc, context=context, timeout=10)
    else:
        connection = http.client.HTTPConnection(parts.netloc, timeout=10)
    headers = dict(headers or {})
    if isinstance(body, str):
        headers.setdefault("Content-Type", "application/x-www-form-urlencoded")
    elif body is not None and not isinstance(body, bytes):
        headers.setdefault("Content-Type", "application/json")
        body = json.dumps(body)
    try:
        connection.request(method, path, body, headers)
        response = connection.getresponse()
        found = {name.lower(): value for name, value in response.getheaders()}
        return Answer(response.status, found, response.read())
    finally:
        connection.close()


def make_assertion(key_file: dict[str, Any], **changes: Any) -> str:
    now = int(time.time())
    claims = {
        "iss": key_file["client_email"],
        "sub": "admin@example.com",
        "scope": SCOPES,
        "aud": "https://oauth2.googleapis.com/token",
        "iat": now,
        "exp": now + 3600,
    }
    claims.update(changes)
    signer = crypt.RSASigner.from_service_account_info(key_file)
    return bytes(jwt.encode(signer, claims)).decode()


def google_token(sandbox: Sandbox, assertion: str) -> Answer:
    grant = "urn:ietf:params:oauth:grant-type:jwt-bearer"
    form = urlencode({"grant_type": grant, "assertion": assertion})
    return call(sandbox.google, "POST", "/token", form)


def graph_token(sandbox: Sandbox, credentials: dict[str, str], **changes: str) -> Answer:
    fields = {
        "grant_type": "client_credentials",
        "scope": GRAPH_SCOPE,
        "client_id": credentials["client_id"],
        "client_secret": credentials.get("client_secret", ""),
    }
    path = f"/{credentials['tenant_id']}/oauth2/v2.0/token"
    form = urlencode({**fields, **changes})
    return call(sandbox.login, "POST", path, form, ca_bundle=sandbox.ca_bundle)


@dataclass
class GoogleSide:
    """A customer with Grace in it, and a token of its administrator."""

    sandbox: Sandbox
    key_file: dict[str, Any] = field(repr=False)
    user_id: str
    token: str = field(repr=False)

    def __call__(self, method: str, path: str, body: Any = None) -> Answer:
        headers = {"Authorization": f"Bearer {self.token}"}
        return call(self.sandbox.google, method, path, body, headers)

    def put(self, **body: Any) -> Answer:
        return self("PUT", f"{USERS}/{self.user_id}", body)

    def account(self) -> dict[str, Any]:
        return self.sandbox.account(self.user_id, "google")


@dataclass
class GraphSide:
    """A tenant with Grace in it, and a token of its application."""

    sandbox: Sandbox
    credentials: dict[str, str] = field(repr=False)
    user_id: str
    token: str = field(repr=False)

    @property
    def tenant_id(self) -> str:
        return self.credentials["tenant_id"]

    def __call__(self, method: str, path: str, body: Any = None) -> Answer:
        headers = {"Authorization": f"Bearer {self.token}"}
        return call(self.sandbox.graph, method, f"/v1.0{path}", body, headers)

    def patch(self, user: str | None = None, **body: Any) -> Answer:
        return self("PATCH", f"/users/{quote(user or self.user_id)}", body)

    def set_password(self, password: str, user: str | None = None) -> Answer:
        profile = {"password": password, "forceChangePasswordNextSignIn": False}
        return self.patch(user, passwordProfile=profile)

    def account(self) -> dict[str, Any]:
        return self.sandbox.account(self.user_id, "microsoft")


@pytest.fixture(scope="session")
def own_process() -> Iterator[Sandbox]:
    with Sandbox() as sandbox:
        yield sandbox


@pytest.fixture
def sandbox(own_process: Sandbox) -> Sandbox:
    own_process.reset()
    return own_process


@pytest.fixture
def only_loopback(monkeypatch: pytest.MonkeyPatch) -> None:
    """Fail a test that resolves a name of the outside."""
    resolve = socket.getaddrinfo

    def resolve_loopback(host: Any, *arguments: Any, **options: Any) -> Any:
        name = host.decode() if isinstance(host, bytes) else host
        assert name in ("127.0.0.1", "localhost"), name
        return resolve(host, *arguments, **options)

    monkeypatch.setattr(socket, "getaddrinfo", resolve_loopback)


@pytest.fixture
def google(sandbox: Sandbox) -> GoogleSide:
    key_file = sandbox.add_google_customer()
    user_id = sandbox.add_google_user("grace@example.com", aliases=["gh@example.com"])
    token = google_token(sandbox, make_assertion(key_file)).body["access_token"]
    sandbox.clear_requests()
    return GoogleSide(sandbox, key_file, user_id, token)


@pytest.fixture
def graph(sandbox: Sandbox) -> GraphSide:
    credentials = sandbox.add_entra_tenant(federated_domains=["login.example.com"])
    user_id = sandbox.add_entra_user("grace@example.com", mail="grace@example.com")
    token = graph_token(sandbox, credentials).body["access_token"]
    sandbox.clear_requests()
    return GraphSide(sandbox, credentials, user_id, token)
