"""Google's batch endpoint: many calls in one multipart body."""

from __future__ import annotations

import json
import secrets
from collections.abc import Callable
from email.message import Message
from email.parser import BytesParser
from http import HTTPStatus

from directories.sandbox.google_errors import GoogleError, unknown_path
from directories.sandbox.http import BadRequestError, Request, Response, parse_head
from directories.sandbox.world import World

MAX_CALLS = 1000
"""Inner calls in one batch. Source: PROVIDERS.md 1.4."""


def _bad(message: str) -> Response:
    return GoogleError(400, "badRequest", message).response


def answer_batch(world: World, request: Request, call: Callable[[Request], Response]) -> Response:
    """Answer every part in the order given; each is logged as a request of its own."""
    if request.method != "POST":
        return unknown_path()
    kind = request.headers.get("content-type", "")
    if not kind.startswith("multipart/mixed") or "boundary=" not in kind:
        return _bad("Failed to parse batch request, error: bad content type.")
    head = f"Content-Type: {kind}\r\n\r\n".encode("latin-1")
    parts = BytesParser().parsebytes(head + request.body).get_payload()
    if not isinstance(parts, list) or not parts:
        return _bad("Failed to parse batch request, error: 0 items.")
    if len(parts) > MAX_CALLS:
        return _bad("The batch request contains too many calls.")
    boundary = "batch_" + secrets.token_urlsafe(18)
    body = bytearray()
    for part in parts:
        assert isinstance(part, Message)
        body += f"--{boundary}\r\nContent-Type: application/http\r\n".encode()
        content_id = str(part.get("Content-ID", ""))
        if content_id:
            echoed = content_id.replace("<", "<response-", 1)
            body += f"Content-ID: {echoed}\r\n".encode("latin-1")
        body += b"\r\n" + _answer_part(world, part, request, call) + b"\r\n"
    body += f"--{boundary}--\r\n".encode()
    return Response(200, bytes(body), content_type=f"multipart/mixed; boundary={boundary}")


def _answer_part(
    world: World, part: Message, outer: Request, call: Callable[[Request], Response]
) -> bytes:
    payload = part.get_payload(decode=True)
    if not isinstance(payload, bytes):
        payload = b""
    head, _, body = payload.replace(b"\r\n", b"\n").partition(b"\n\n")
    try:
        method, target, _, headers = parse_head(head.strip())
    except BadRequestError:
        return b"HTTP/1.1 400 Bad Request\r\n\r\n"
    if "authorization" in outer.headers:
        headers.setdefault("authorization", outer.headers["authorization"])
    inner = Request(method, target, headers, body.strip())
    grant = world.tokens.find(headers.get("authorization", ""))
    entry = world.requests.open(
        "google", inner, world.clock.now(), grant.tenant_id if grant else ""
    )
    response = call(inner)
    entry.status = response.status
    entry.was_applied = response.status < 300
    lines = [
        f"HTTP/1.1 {response.status} {HTTPStatus(response.status).phrase}",
        f"Content-Type: {response.content_type}",
        f"Content-Length: {len(response.body)}",
        *(f"{name}: {value}" for name, value in response.headers.items()),
    ]
    if response.status < 300 and response.body.startswith(b"{"):
        etag = json.loads(response.body).get("etag")
        if etag:
            lines.append(f"ETag: {etag}")
    return ("\r\n".join(lines) + "\r\n\r\n").encode("latin-1") + response.body
