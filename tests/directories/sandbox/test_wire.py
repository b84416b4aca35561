"""The HTTP server, byte by byte."""

from __future__ import annotations

import socket
import ssl
from collections.abc import Iterator
from urllib.parse import urlsplit

import pytest

from directories.sandbox.client import Sandbox

from .conftest import GoogleSide


@pytest.fixture
def wire(google: GoogleSide) -> Iterator[socket.socket]:
    parts = urlsplit(google.sandbox.google)
    with socket.create_connection((parts.hostname, parts.port), timeout=5) as connection:
        yield connection


def read_until(connection: socket.socket, count: int, marker: bytes = b"HTTP/1.1 ") -> bytes:
    data = b""
    while data.count(marker) < count or not data.endswith((b"\n", b"}", b"Bad Request")):
        received = connection.recv(65_536)
        if not received:
            break
        data += received
    return data


def test_pipelined_requests_are_answered_in_order(google: GoogleSide, wire: socket.socket) -> None:
    google.sandbox.fault(provider="google", path_contains="/first", delay=0.1)
    head = f"Host: x\r\nAuthorization: Bearer {google.token}\r\n\r\n"
    known = f"/admin/directory/v1/users/{google.user_id}"

    wire.sendall(f"GET /first HTTP/1.1\r\n{head}GET {known} HTTP/1.1\r\n{head}".encode())

    data = read_until(wire, 2)
    assert data.index(b" 404 ") < data.index(b" 200 ")


def test_chunked_body_in_small_pieces(google: GoogleSide, wire: socket.socket) -> None:
    body = b'{"password": "long enough"}'
    request = (
        f"PUT /admin/directory/v1/users/{google.user_id} HTTP/1.1\r\nHost: x\r\n"
        f"Authorization: Bearer {google.token}\r\nContent-Type: application/json\r\n"
        "Transfer-Encoding: chunked\r\n\r\n"
    ).encode()
    chunks = b"".join(
        b"%x\r\n%s\r\n" % (len(body[i : i + 5]), body[i : i + 5]) for i in range(0, 27, 5)
    )

    for byte in request + chunks + b"0\r\n\r\n":
        wire.sendall(bytes([byte]))

    assert b" 200 OK" in read_until(wire, 1)
    assert google.sandbox.opens("google", google.user_id, "long enough")


@pytest.mark.parametrize(
    "request_bytes",
    [
        b"nonsense\r\n\r\n",
        b"GET / HTTP/1.1\r\nbroken header\r\n\r\n",
        b"PUT / HTTP/1.1\r\nContent-Length: -1\r\n\r\n",
        b"PUT / HTTP/1.1\r\nTransfer-Encoding: chunked\r\nContent-Length: 3\r\n\r\n",
        b"PUT / HTTP/1.1\r\nTransfer-Encoding: chunked\r\n\r\nzz\r\n",
    ],
)
def test_broken_request_is_400_and_closed(wire: socket.socket, request_bytes: bytes) -> None:
    wire.sendall(request_bytes)

    data = b"".join(iter(lambda: wire.recv(65_536), b""))
    assert data.startswith(b"HTTP/1.1 400 ")


def test_connection_close_is_honoured(wire: socket.socket) -> None:
    wire.sendall(b"GET / HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n")

    data = b"".join(iter(lambda: wire.recv(65_536), b""))
    assert b"Connection: close" in data


def test_tls_certificate_is_good_for_both_loopback_names(sandbox: Sandbox) -> None:
    parts = urlsplit(sandbox.login)
    context = ssl.create_default_context(cafile=sandbox.ca_bundle)
    context.verify_flags |= ssl.VERIFY_X509_STRICT

    for name in ("127.0.0.1", "localhost"):
        plain = socket.create_connection(("127.0.0.1", parts.port or 0), timeout=5)
        with context.wrap_socket(plain, server_hostname=name) as connection:
            assert connection.version() in ("TLSv1.2", "TLSv1.3")
