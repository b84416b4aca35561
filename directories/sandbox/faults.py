"""Faults that a test queues up, and what they do to an answer."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Literal
from urllib.parse import unquote

from directories.sandbox.http import Request, Response

Action = Literal["reset", "close", "truncate", "html", "bad_json"]

HTML_PAGE = (
    b"<!DOCTYPE html>\n<html lang=en><title>Error 502 (Server Error)!!1</title>"
    b"<p><b>502.</b> <ins>That's an error.</ins>"
    b"<p>The server encountered a temporary error and could not complete your request.</html>\n"
)


@dataclass(slots=True)
class Fault:
    """One thing that goes wrong, ``times`` times (0: always) after ``skip`` matching calls.

    ``before``: nothing is applied; ``after``: the request is applied, then this happens.
    A fault with neither status nor action only delays; the request itself is answered.
    Requests for a token match only if ``path_contains`` says so.
    """

    provider: str
    times: int = 1
    skip: int = 0
    method: str | None = None
    path_contains: str | None = None
    tenant_id: str | None = None
    status: int | None = None
    body: object = None
    headers: dict[str, str] = field(default_factory=dict)
    delay: float = 0.0
    when: Literal["before", "after"] = "before"
    action: Action | None = None

    def __post_init__(self) -> None:
        if self.provider not in ("google", "microsoft"):
            raise ValueError("provider is google or microsoft")
        if self.when not in ("before", "after"):
            raise ValueError("when is before or after")
        if self.action not in (None, "reset", "close", "truncate", "html", "bad_json"):
            raise ValueError("action is reset, close, truncate, html or bad_json")

    def fits(self, provider: str, request: Request, tenant_id: str) -> bool:
        if provider != self.provider or self.method not in (None, request.method):
            return False
        if self.tenant_id not in (None, tenant_id):
            return False
        if self.path_contains is None:
            return not request.path.endswith(("/token", "/openid-configuration"))
        return self.path_contains in request.target or self.path_contains in unquote(request.target)

    def only_delays(self) -> bool:
        return self.status is None and self.action is None

    def answer(self, real: Response | None) -> Response:
        """Make the answer; ``real`` is the one of the applied request, if it was applied."""
        if self.action in ("reset", "close"):
            return Response(cut=self.action)
        if self.action == "html":
            status = self.status or 502
            return Response(status, HTML_PAGE, dict(self.headers), "text/html; charset=UTF-8")
        response = self._plain_answer(real)
        if self.action == "bad_json":
            response.body = b'{"error": {"code": '
            response.status = self.status or (200 if response.status == 204 else response.status)
        if self.action == "truncate":
            response.cut = "truncate"
        return response

    def _plain_answer(self, real: Response | None) -> Response:
        if self.status is None:
            return real if real is not None else Response(200, b"{}")
        headers = dict(self.headers)
        if self.body is None:
            return self._default_body(headers)
        if isinstance(self.body, str):
            return Response(self.status, self.body.encode(), headers, "text/plain; charset=UTF-8")
        return Response.of_json(self.body, self.status, headers)

    def _default_body(self, headers: dict[str, str]) -> Response:
        status = self.status or 500
        if self.provider == "google":
            reasons = {401: "authError", 403: "forbidden", 429: "rateLimitExceeded"}
            reason = reasons.get(status, "backendError")
            domain = "usageLimits" if status == 429 else "global"
            message = {401: "Invalid Credentials", 429: "Quota exceeded"}.get(
                status, "Backend Error"
            )
            error = {"message": message, "domain": domain, "reason": reason}
            return Response.of_json(
                {"error": {"code": status, "message": message, "errors": [error]}}, status, headers
            )
        codes = {
            401: "InvalidAuthenticationToken",
            403: "Authorization_RequestDenied",
            409: "Directory_ConcurrencyViolation",
            429: "TooManyRequests",
            503: "serviceNotAvailable",
        }
        inner = {"request-id": "00000000-0000-0000-0000-000000000000"}
        error_body = {"code": codes.get(status, "UnknownError"), "message": "", "innerError": inner}
        headers.setdefault("request-id", inner["request-id"])
        return Response.of_json({"error": error_body}, status, headers)


class Faults:
    """The queue; the oldest fault that fits a request is used."""

    def __init__(self) -> None:
        self._queue: list[Fault] = []

    def add(self, fault: Fault) -> None:
        self._queue.append(fault)

    def clear(self) -> None:
        self._queue.clear()

    def take(self, provider: str, request: Request, tenant_id: str) -> Fault | None:
        for fault in self._queue:
            if not fault.fits(provider, request, tenant_id):
                continue
            if fault.skip > 0:
                fault.skip -= 1
                continue
            if fault.times > 0:
                fault.times -= 1
                if fault.times == 0:
                    self._queue.remove(fault)
            return fault
        return None
