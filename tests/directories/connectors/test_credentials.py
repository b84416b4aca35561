"""Uploaded credentials: what is kept, and what is refused with which advice."""

from __future__ import annotations

import json
import subprocess
import sys
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec, rsa

from directories.connectors import CONNECTORS
from directories.connectors.base import Connection, Endpoints
from directories.connectors.errors import CredentialsError

from .conftest import TENANT_ID, Run, entra_file, google_file, make_push, private_key_text
from .scripted import ScriptedServer, reply

PRODUCTION = Endpoints(
    google_api="https://admin.googleapis.com",
    microsoft_graph="https://graph.microsoft.com",
    microsoft_login="https://login.microsoftonline.com",
)
GOOGLE_TOKEN_URI = "https://oauth2.googleapis.com/token"


def parse(kind: str, text: str | bytes) -> dict[str, Any]:
    return CONNECTORS[kind].parse_credentials(text, PRODUCTION)


def certificate_text(*, days: int = 90, is_rsa: bool = True, is_fitting: bool = True) -> str:
    key: Any = (
        rsa.generate_private_key(public_exponent=65537, key_size=2048)
        if is_rsa
        else ec.generate_private_key(ec.SECP256R1())
    )
    other = rsa.generate_private_key(public_exponent=65537, key_size=2048)
    name = x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, "latchkey")])
    now = datetime.now(UTC)
    certificate = (
        x509.CertificateBuilder()
        .subject_name(name)
        .issuer_name(name)
        .public_key((key if is_fitting else other).public_key())
        .serial_number(1)
        .not_valid_before(now - timedelta(days=400))
        .not_valid_after(now + timedelta(days=days))
        .sign(key if is_fitting else other, hashes.SHA256())
    )
    private = key.private_bytes(
        serialization.Encoding.PEM,
        serialization.PrivateFormat.PKCS8,
        serialization.NoEncryption(),
    )
    text: bytes = private + certificate.public_bytes(serialization.Encoding.PEM)
    return text.decode()


def test_google_file_keeps_only_what_is_needed() -> None:
    credentials = parse("google_workspace", google_file("", token_uri=GOOGLE_TOKEN_URI).encode())

    assert set(credentials) == {
        "client_email",
        "client_id",
        "private_key",
        "private_key_id",
        "token_uri",
    }


@pytest.mark.parametrize(
    "changes",
    [
        {"type": "authorized_user"},
        {"type": "external_account"},
        {"token_uri": "https://evil.example/token"},
        {"token_uri": "https://oauth2.googleapis.com.evil.example/token"},
        {"token_uri": "https://oauth2.googleapis.com/token?x"},
        {"token_uri": "http://admin.googleapis.com/token"},
        {"token_uri": "https://admin.googleapis.com:port/token"},
        {"private_key": "-----BEGIN PRIVATE KEY-----\nAAAA\n-----END PRIVATE KEY-----\n"},
        {"private_key": None},
        {"client_email": 7},
        {"universe_domain": "evil.example"},
    ],
    ids=str,
)
def test_google_file_is_refused(changes: dict[str, Any]) -> None:
    text = google_file("", **({"token_uri": GOOGLE_TOKEN_URI} | changes))

    with pytest.raises(CredentialsError):
        parse("google_workspace", text)


@pytest.mark.parametrize("kind", CONNECTORS)
@pytest.mark.parametrize("text", ["", "{", "[]", b"\xff\xfe", "[" * 90_000, '"' + "x" * 200_000])
def test_what_is_no_json_object_is_refused(kind: str, text: str | bytes) -> None:
    with pytest.raises(CredentialsError):
        parse(kind, text)


def test_entra_secret_is_kept() -> None:
    text = entra_file(tenant_id=TENANT_ID.upper(), extra="x")

    credentials = parse("microsoft_entra", text)

    assert set(credentials) == {"tenant_id", "client_id", "client_secret"}
    assert credentials["tenant_id"] == TENANT_ID


def test_entra_certificate_is_kept() -> None:
    pem = certificate_text()

    credentials = parse("microsoft_entra", entra_file(client_secret=None, certificate=pem))

    assert credentials["certificate"] == pem.strip()


@pytest.mark.parametrize(
    "changes",
    [
        {"tenant_id": "contoso.onmicrosoft.com"},
        {"tenant_id": "../" + TENANT_ID},
        {"client_id": None},
        {"client_secret": None},
        {"certificate": "both"},
        {"client_secret": None, "certificate": "nonsense"},
        {"client_secret": None, "certificate": private_key_text()},
        {"client_secret": None, "certificate": certificate_text(is_rsa=False)},
        {"client_secret": None, "certificate": certificate_text(is_fitting=False)},
        {"client_secret": None, "certificate": certificate_text(days=-1)},
    ],
    ids=lambda changes: str(changes)[:60],
)
def test_entra_credentials_are_refused(changes: dict[str, Any]) -> None:
    with pytest.raises(CredentialsError) as raised:
        parse("microsoft_entra", entra_file(**changes))

    assert "PRIVATE" not in str(raised.value)


def test_entra_certificate_signs_the_token_request(
    endpoints: Endpoints, scripted: ScriptedServer, run: Run[Any]
) -> None:
    kind = CONNECTORS["microsoft_entra"]
    text = entra_file(client_secret=None, certificate=certificate_text(days=10))
    connection = Connection(
        domain="example.com", credentials=kind.parse_credentials(text, endpoints)
    )
    connector = kind.connect(connection, endpoints)
    domain = {"id": "example.com", "isVerified": True, "authenticationType": "Managed"}
    scripted.answers.append(reply(204))
    scripted.answers.append(reply(200, {"value": [{"id": TENANT_ID}]}))
    scripted.answers.append(reply(200, {"value": [domain]}))

    run(connector.push(make_push()))
    check = run(connector.check())

    assert b"client_assertion=" in scripted.token_requests[0].body
    assert len(check.warnings) == 1
    run(connector.close())


def test_registry_and_parsers_import_no_sdk() -> None:
    files = {
        "google_workspace": google_file("", token_uri=GOOGLE_TOKEN_URI),
        "microsoft_entra": entra_file(),
    }
    program = f"""
import sys
from directories.connectors import CONNECTORS
from directories.connectors.base import Endpoints
assert "passlib" not in sys.modules and "httpx" not in sys.modules
endpoints = Endpoints(google_api="https://admin.googleapis.com", microsoft_graph="https://g",
                      microsoft_login="https://l")
for name, text in {files!r}.items():
    CONNECTORS[name].parse_credentials(text, endpoints)
heavy = {{"googleapiclient", "google", "httplib2", "msgraph", "azure", "httpx", "kiota_http"}}
print(sorted(heavy & set(sys.modules)))
"""

    result = subprocess.run(
        [sys.executable, "-c", program], capture_output=True, text=True, check=True
    )

    assert json.loads(result.stdout) == []
