"""A small HTTP/1.1 server on asyncio: keep-alive, pipelining, bodies with length or in chunks.

A handler gets a complete Request and returns a Response, or an awaitable of one; the requests of
one connection are answered one after the other, each answer in a single write.
"""

from __future__ import annotations

import asyncio
import json
import socket
import struct
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field
from http import HTTPStatus
from typing import Any, Literal
from urllib.parse import parse_qsl, unquote

MAX_HEAD_BYTES = 64 * 1024
"""A request whose head is longer is refused."""

MAX_BODY_BYTES = 16 * 1024 * 1024
"""A request whose body is longer is refused."""

Cut = Literal["", "reset", "close", "truncate"]
"""What happens to the connection instead of, or in the middle of, an answer."""

_REASONS = {status.value: status.phrase for status in HTTPStatus}
_UNREAD: Any = object()


class BadRequestError(Exception):
    """The bytes on the wire are not HTTP that this server understands."""


@dataclass(slots=True)
class Request:
    """One request; ``path`` is still percent-encoded, header names are in lower case."""

    method: str
    target: str
    headers: dict[str, str]
    body: bytes = field(default=b"", repr=False)
    path: str = ""
    query: str = ""
    _json: Any = field(default=_UNREAD, repr=False)

    def __post_init__(self) -> None:
        self.path, _, self.query = self.target.partition("?")

    def parameters(self) -> list[tuple[str, str]]:
        """Return the decoded query parameters, in order; one given twice is there twice."""
        return parse_qsl(self.query, keep_blank_values=True) if self.query else []

    def segments(self) -> list[str]:
        """Return the decoded parts of the path."""
        return [unquote(part) for part in self.path.split("/")[1:]]

    def json(self) -> Any:
        """Return the parsed body, None for an empty one. Raises ValueError."""
        if self._json is _UNREAD:
            self._json = json.loads(self.body) if self.body else None
        return self._json

    def form(self) -> dict[str, str]:
        """Return the fields of a form body; the last one wins. Raises ValueError."""
        return dict(parse_qsl(self.body.decode("utf-8"), keep_blank_values=True))


@dataclass(slots=True)
class Response:
    """One answer; ``cut`` breaks the connection instead of sending all of it."""

    status: int = 200
    body: bytes = b""
    headers: dict[str, str] = field(default_factory=dict)
    content_type: str = "application/json; charset=UTF-8"
    cut: Cut = ""

    @classmethod
    def of_json(
        cls, value: object, status: int = 200, headers: dict[str, str] | None = None
    ) -> Response:
        body = json.dumps(value, separators=(",", ":"), ensure_ascii=False).encode()
        return cls(status, body, headers or {})


Handler = Callable[[Request], Response | Awaitable[Response]]


def parse_head(head: bytes) -> tuple[str, str, str, dict[str, str]]:
    """Split the head of a request into method, target, version and headers."""
    lines = head.decode("latin-1").replace("\r\n", "\n").split("\n")
    parts = lines[0].split(" ")
    if len(parts) != 3 or not parts[2].startswith("HTTP/1.") or not parts[1].startswith("/"):
        raise BadRequestError("request line")
    headers: dict[str, str] = {}
    for line in lines[1:]:
        name, colon, value = line.partition(":")
        if not colon or not name or name != name.strip():
            raise BadRequestError("header line")
        headers[name.lower()] = value.strip()
    return parts[0], parts[1], parts[2], headers


def read_chunks(data: bytes | bytearray, start: int) -> tuple[bytes, int] | None:
    """Join the chunks from ``start`` on; None while the last one has not arrived."""
    body = bytearray()
    while True:
        line_end = data.find(b"\r\n", start)
        if line_end < 0:
            return None
        try:
            size = int(bytes(data[start:line_end]).split(b";")[0], 16)
        except ValueError:
            raise BadRequestError("chunk size") from None
        start = line_end + 2
        if size == 0:
            end = data.find(b"\r\n", start)
            while end > start:  # trailers
                start = end + 2
                end = data.find(b"\r\n", start)
            return None if end < 0 else (bytes(body), end + 2)
        if len(body) + size > MAX_BODY_BYTES:
            raise BadRequestError("body too long")
        if len(data) < start + size + 2:
            return None
        body += data[start : start + size]
        start += size + 2


class HttpProtocol(asyncio.Protocol):
    """One connection."""

    def __init__(self, handler: Handler, http_date: Callable[[], str]) -> None:
        self._handler = handler
        self._http_date = http_date
        self._buffer = bytearray()
        self._is_busy = False
        self._continued = False
        self._task: asyncio.Task[None] | None = None
        self._transport: asyncio.Transport | None = None

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        assert isinstance(transport, asyncio.Transport)
        self._transport = transport
        connection = transport.get_extra_info("socket")
        if connection is not None:
            connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)

    def connection_lost(self, exc: Exception | None) -> None:
        self._transport = None  # a delayed request goes on: the provider would apply it too

    def data_received(self, data: bytes) -> None:
        self._buffer += data
        if not self._is_busy:
            self._serve_buffered()

    def _serve_buffered(self) -> None:
        try:
            while self._transport is not None and not self._transport.is_closing():
                parsed = self._next_request()
                if parsed is None:
                    return
                request, keep_alive = parsed
                answer = self._handler(request)
                if isinstance(answer, Response):
                    self._write(answer, keep_alive)
                    continue
                self._is_busy = True
                self._task = asyncio.ensure_future(self._answer_later(answer, keep_alive))
                return
        except BadRequestError:
            refusal = Response(400, b"Bad Request", content_type="text/plain")
            self._write(refusal, keep_alive=False)

    async def _answer_later(self, answer: Awaitable[Response], keep_alive: bool) -> None:
        response = await answer
        self._is_busy = False
        self._write(response, keep_alive)
        self._serve_buffered()

    def _next_request(self) -> tuple[Request, bool] | None:
        buffer = self._buffer
        head_end = buffer.find(b"\r\n\r\n")
        if head_end < 0:
            if len(buffer) > MAX_HEAD_BYTES:
                raise BadRequestError("head too long")
            return None
        method, target, version, headers = parse_head(bytes(buffer[:head_end]))
        start = head_end + 4
        if "transfer-encoding" in headers:
            if headers["transfer-encoding"].lower() != "chunked" or "content-length" in headers:
                raise BadRequestError("transfer-encoding")
            chunked = read_chunks(buffer, start)
            if chunked is None:
                self._continue(headers)
                return None
            body, end = chunked
        else:
            length_text = headers.get("content-length", "0")
            if not length_text.isascii() or not length_text.isdigit():
                raise BadRequestError("content-length")
            length = int(length_text)
            if length > MAX_BODY_BYTES:
                raise BadRequestError("body too long")
            end = start + length
            if len(buffer) < end:
                self._continue(headers)
                return None
            body = bytes(buffer[start:end])
        del buffer[:end]
        self._continued = False
        connection = headers.get("connection", "").lower()
        keep_alive = connection != "close" and (version != "HTTP/1.0" or connection == "keep-alive")
        return Request(method, target, headers, body), keep_alive

    def _continue(self, headers: dict[str, str]) -> None:
        if self._continued or headers.get("expect", "").lower() != "100-continue":
            return
        self._continued = True
        if self._transport is not None:
            self._transport.write(b"HTTP/1.1 100 Continue\r\n\r\n")

    def _write(self, response: Response, keep_alive: bool) -> None:
        transport = self._transport
        if transport is None or transport.is_closing():
            return
        if response.cut == "reset":
            connection = transport.get_extra_info("socket")
            if connection is not None:
                linger = struct.pack("ii", 1, 0)
                connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, linger)
            transport.abort()
            return
        if response.cut == "close":
            transport.close()
            return
        data = self._serialise(response, keep_alive)
        if response.cut == "truncate":
            missing = len(response.body) // 2 + 1 if response.body else len(data) // 2
            transport.write(data[:-missing])
            transport.close()
            return
        transport.write(data)
        if not keep_alive:
            transport.close()

    def _serialise(self, response: Response, keep_alive: bool) -> bytes:
        reason = _REASONS.get(response.status, "Unknown")
        lines = [f"HTTP/1.1 {response.status} {reason}", f"Date: {self._http_date()}"]
        if response.status != 204:
            lines.append(f"Content-Type: {response.content_type}")
            lines.append(f"Content-Length: {len(response.body)}")
        lines.extend(f"{name}: {value}" for name, value in response.headers.items())
        if not keep_alive:
            lines.append("Connection: close")
        lines.append("\r\n")
        return "\r\n".join(lines).encode("latin-1") + response.body
