"""A server that says what a test tells it to, over TLS, and remembers what it was sent.

It answers token requests of both providers by itself, unless ``token_answers`` holds another
answer.  Everything else gets the next of ``answers``; without one it is a mistake of the test.
"""

from __future__ import annotations

import ipaddress
import json
import socket
import ssl
import struct
import threading
import time
from collections import deque
from collections.abc import Callable, Mapping
from contextlib import suppress
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from http import HTTPStatus
from pathlib import Path
from typing import Any

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec

TOKEN_PATHS = ("/token", "/oauth2/v2.0/token")


@dataclass(frozen=True)
class Seen:
    """One request as it arrived."""

    method: str
    path: str
    headers: Mapping[str, str]
    body: bytes = field(repr=False)


Act = Callable[[socket.socket], None]


def reply(status: int, body: object = None, headers: Mapping[str, str] | None = None) -> bytes:
    """Make an answer; a body of dict or list goes as JSON, of str as HTML."""
    content = b"" if body is None else body.encode() if isinstance(body, str) else _json(body)
    kind = "text/html" if isinstance(body, str) else "application/json"
    lines = [f"HTTP/1.1 {status} {_phrase(status)}", f"Content-Type: {kind}"]
    if status != HTTPStatus.NO_CONTENT:
        lines.append(f"Content-Length: {len(content)}")
    lines += [f"{name}: {text}" for name, text in (headers or {}).items()]
    return ("\r\n".join(lines) + "\r\n\r\n").encode() + content


def _json(body: object) -> bytes:
    return json.dumps(body).encode()


def _phrase(status: int) -> str:
    return HTTPStatus(status).phrase


def reset(connection: socket.socket) -> None:
    connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
    raw = socket.socket(fileno=connection.detach())
    raw.close()


def hang_up(connection: socket.socket) -> None:
    connection.close()


def truncated(answer: bytes) -> Act:
    """Send all but the last bytes."""

    def act(connection: socket.socket) -> None:
        connection.sendall(answer[:-3])
        connection.close()

    return act


def then_hang_up(answer: bytes) -> Act:
    """Send an answer that promises a kept connection, and close it."""

    def act(connection: socket.socket) -> None:
        connection.sendall(answer)
        connection.close()

    return act


def dripping(seconds: float) -> Act:
    """Send a byte now and then, so that no single read takes long."""

    def act(connection: socket.socket) -> None:
        end = time.monotonic() + seconds
        with suppress(OSError):
            connection.sendall(b"HTTP/1.1 200 OK\r\nX-Slow: ")
            while time.monotonic() < end:
                connection.sendall(b"z")
                time.sleep(0.05)
        connection.close()

    return act


class ScriptedServer:
    """Serves one port of loopback from threads until ``stop``."""

    def __init__(self, folder: Path) -> None:
        self.answers: deque[bytes | Act] = deque()
        self.token_answers: deque[bytes] = deque()
        self.seen: list[Seen] = []
        self.tokens_given = 0
        self._listener = socket.create_server(("127.0.0.1", 0), backlog=64)
        self.port: int = self._listener.getsockname()[1]
        self.origin = f"https://127.0.0.1:{self.port}"
        self.ca_bundle, self._context = _make_trust(folder)
        threading.Thread(target=self._accept, daemon=True).start()

    def reset(self) -> None:
        self.answers.clear()
        self.token_answers.clear()
        self.seen.clear()

    @property
    def calls(self) -> list[Seen]:
        """All requests but those for tokens."""
        return [seen for seen in self.seen if not seen.path.endswith(TOKEN_PATHS)]

    @property
    def token_requests(self) -> list[Seen]:
        return [seen for seen in self.seen if seen.path.endswith(TOKEN_PATHS)]

    def stop(self) -> None:
        with suppress(OSError):
            self._listener.shutdown(socket.SHUT_RDWR)
        self._listener.close()

    def _accept(self) -> None:
        while True:
            try:
                plain, _ = self._listener.accept()
            except OSError:
                return
            threading.Thread(target=self._serve, args=(plain,), daemon=True).start()

    def _serve(self, plain: socket.socket) -> None:
        with (
            suppress(OSError, ValueError),
            plain,
            self._context.wrap_socket(plain, server_side=True) as connection,
            connection.makefile("rb") as reader,
        ):
            while (seen := _read(reader)) is not None:
                self.seen.append(seen)
                answer = self._answer_to(seen)
                if callable(answer):
                    reader.close()
                    answer(connection)
                    return
                connection.sendall(answer)

    def _answer_to(self, seen: Seen) -> bytes | Act:
        if not seen.path.endswith(TOKEN_PATHS):
            return self.answers.popleft() if self.answers else reply(418, {"error": "no script"})
        if self.token_answers:
            return self.token_answers.popleft()
        self.tokens_given += 1
        token = f"token-{self.tokens_given}"
        return reply(200, {"access_token": token, "expires_in": 3599, "token_type": "Bearer"})


def _read(reader: Any) -> Seen | None:
    first = reader.readline().decode().split()
    if len(first) < 2:
        return None
    headers: dict[str, str] = {}
    while line := reader.readline().decode().strip():
        name, _, text = line.partition(":")
        headers[name.lower()] = text.strip()
    body = reader.read(int(headers.get("content-length", "0")))
    return Seen(method=first[0], path=first[1], headers=headers, body=body)


def _make_trust(folder: Path) -> tuple[str, ssl.SSLContext]:
    """Make a self-signed certificate for loopback, which is its own authority."""
    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, "scripted server")])
    now = datetime.now(UTC)
    loopback = x509.IPAddress(ipaddress.ip_address("127.0.0.1"))
    certificate = (
        x509.CertificateBuilder()
        .subject_name(name)
        .issuer_name(name)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - timedelta(days=1))
        .not_valid_after(now + timedelta(days=2))
        .add_extension(x509.SubjectAlternativeName([loopback]), critical=False)
        .add_extension(x509.BasicConstraints(ca=True, path_length=None), critical=True)
        .add_extension(x509.SubjectKeyIdentifier.from_public_key(key.public_key()), critical=False)
        .sign(key, hashes.SHA256())
    )
    public = folder / "scripted-ca.pem"
    public.write_bytes(certificate.public_bytes(serialization.Encoding.PEM))
    private = folder / "scripted-key.pem"
    private.write_bytes(
        key.private_bytes(
            serialization.Encoding.PEM,
            serialization.PrivateFormat.PKCS8,
            serialization.NoEncryption(),
        )
    )
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(public, private)
    return str(public), context
