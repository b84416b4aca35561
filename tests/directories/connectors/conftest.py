"""Connectors against a scripted server and against the sandbox, with one loop for each module."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Callable, Coroutine, Iterator
from dataclasses import replace
from functools import lru_cache
from typing import Any, TypeVar
from uuid import uuid4

import pytest
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import rsa

from directories.connectors import CONNECTORS
from directories.connectors.base import Connection, Connector, Endpoints, Push

from .scripted import ScriptedServer, reply

Result = TypeVar("Result")
Run = Callable[[Coroutine[Any, Any, Result]], Result]

PASSWORD = "Canary-7f3e-Secret"
TENANT_ID = "6f9619ff-8b86-4d01-b42d-00cf4fc964ff"
EXTERNAL_ID = "87d349ed-44d7-43e1-9a83-5f2406dee5bd"

DONE = {
    "google_workspace": reply(200, {"id": EXTERNAL_ID}),
    "microsoft_entra": reply(204, None, {"request-id": "r-1"}),
}
# A success, as each provider words it.


@lru_cache
def private_key_text() -> str:
    key = rsa.generate_private_key(public_exponent=65537, key_size=2048)
    return key.private_bytes(
        serialization.Encoding.PEM,
        serialization.PrivateFormat.PKCS8,
        serialization.NoEncryption(),
    ).decode()


def google_file(origin: str, **changes: Any) -> str:
    """Return a service account's key file as Google writes it."""
    content = {
        "type": "service_account",
        "project_id": "latchkey",
        "private_key_id": "abc123",
        "private_key": private_key_text(),
        "client_email": "latchkey@latchkey.iam.gserviceaccount.com",
        "client_id": "103000000000000000001",
        "auth_uri": "https://accounts.google.com/o/oauth2/auth",
        "token_uri": f"{origin}/token",
        "universe_domain": "googleapis.com",
    }
    return json.dumps({k: v for k, v in (content | changes).items() if v is not None})


def entra_file(**changes: Any) -> str:
    content = {"tenant_id": TENANT_ID, "client_id": str(uuid4()), "client_secret": "s3cret-value"}
    return json.dumps({k: v for k, v in (content | changes).items() if v is not None})


def make_push(kind: str = "", **changes: Any) -> Push:
    """Make a push with a password; with the names that a kind of directory has, too."""
    names = {"given_name": "Ada", "family_name": "Lovelace", "display_name": "Ada L."}
    mapping = CONNECTORS[kind].default_mapping if kind else {}
    push = Push(
        external_id=EXTERNAL_ID,
        attributes={mapping[name]: value for name, value in names.items() if mapping},
        attempt_id=uuid4(),
        password=PASSWORD,
        repeat_key=b"k" * 32,
    )
    return replace(push, **changes)


@pytest.fixture(scope="module")
def run() -> Iterator[Run[Any]]:
    with asyncio.Runner() as runner:
        yield runner.run


@pytest.fixture(scope="session")
def scripted_server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[ScriptedServer]:
    server = ScriptedServer(tmp_path_factory.mktemp("scripted"))
    yield server
    server.stop()


@pytest.fixture
def scripted(scripted_server: ScriptedServer) -> ScriptedServer:
    scripted_server.reset()
    return scripted_server


@pytest.fixture
def endpoints(scripted: ScriptedServer) -> Endpoints:
    return Endpoints(
        google_api=scripted.origin,
        microsoft_graph=scripted.origin,
        microsoft_login=scripted.origin,
        ca_bundle=scripted.ca_bundle,
    )


Make = Callable[..., Connector]


@pytest.fixture
def make(endpoints: Endpoints, run: Run[Any]) -> Iterator[Make]:
    """Make connectors to the scripted server by kind; they are closed afterwards."""
    made = []

    def make_one(kind: str, **changes: Any) -> Connector:
        text = google_file(endpoints.google_api) if kind == "google_workspace" else entra_file()
        connection = Connection(
            domain="example.com",
            credentials=CONNECTORS[kind].parse_credentials(text, endpoints),
            admin_email="admin@example.com" if kind == "google_workspace" else "",
            verified_domains=frozenset({"example.com", "login.example.com"}),
            federated_domains=frozenset({"login.example.com"}),
        )
        connector = CONNECTORS[kind].connect(replace(connection, **changes), endpoints)
        made.append(connector)
        return connector

    yield make_one
    for connector in made:
        run(connector.close())
