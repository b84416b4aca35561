"""What was received: every request to a provider, without any password or token."""

from __future__ import annotations

import itertools
from collections import deque
from dataclasses import dataclass
from typing import Any
from urllib.parse import unquote

from directories.sandbox.clock import google_time
from directories.sandbox.http import Request
from directories.sandbox.passwords import PasswordKeeper

MAX_ENTRIES = 20_000
"""Older requests are forgotten."""

WITHHELD = "[withheld]"

_FORM_FIELDS = ("client_id", "grant_type", "scope", "client_assertion_type")
_SECRET_NAMES = ("password", "passwordprofile")
_SECRET_HEADERS = ("authorization", "proxy-authorization", "cookie")


@dataclass(slots=True)
class Entry:
    """One request; ``status`` None means that no answer was sent (yet, or at all)."""

    number: int
    provider: str
    method: str
    target: str
    headers: dict[str, str]
    at: float
    tenant_id: str
    body: Any = None
    password_digest: str | None = None
    status: int | None = None
    fault: str | None = None
    was_applied: bool = False

    def describe(self) -> dict[str, Any]:
        return {
            "number": self.number,
            "provider": self.provider,
            "method": self.method,
            "path": self.target,
            "status": self.status,
            "headers": {
                k: WITHHELD if k in _SECRET_HEADERS else v for k, v in self.headers.items()
            },
            "at": google_time(self.at),
            "tenant_id": self.tenant_id,
            "body": self.body,
            "password_digest": self.password_digest,
            "fault": self.fault,
            "was_applied": self.was_applied,
        }


class RequestLog:
    """The latest requests, oldest first."""

    def __init__(self, keeper: PasswordKeeper) -> None:
        self._keeper = keeper
        self._entries: deque[Entry] = deque(maxlen=MAX_ENTRIES)
        self._numbers = itertools.count(1)

    def open(self, provider: str, request: Request, at: float, tenant_id: str) -> Entry:
        """Note a request before it is handled; its body is kept without secrets."""
        entry = Entry(
            next(self._numbers),
            provider,
            request.method,
            request.target,
            request.headers,
            at,
            tenant_id,
        )
        if request.body:
            kind = request.headers.get("content-type", "")
            try:
                if kind.startswith("application/x-www-form-urlencoded"):
                    fields = request.form()
                    entry.body = {n: fields[n] for n in _FORM_FIELDS if n in fields}
                elif "json" in kind:
                    entry.body = self._without_password(request.json(), entry)
            except ValueError:
                entry.body = None
        self._entries.append(entry)
        return entry

    def _without_password(self, value: Any, entry: Entry) -> Any:
        if isinstance(value, dict):
            return {name: self._kept(name, inner, entry) for name, inner in value.items()}
        if isinstance(value, list):
            return [self._without_password(inner, entry) for inner in value]
        return value

    def _kept(self, name: str, value: Any, entry: Entry) -> Any:
        if isinstance(value, str) and name.lower().endswith(_SECRET_NAMES):
            entry.password_digest = entry.password_digest or self._keeper.digest(value)
            return WITHHELD
        return self._without_password(value, entry)

    def clear(self) -> None:
        self._entries.clear()

    def latest(self, count: int) -> list[Entry]:
        """Return the latest entries, newest first."""
        return list(itertools.islice(reversed(self._entries), count))

    def matching(
        self, provider: str | None, method: str | None, path_contains: str | None
    ) -> list[Entry]:
        return [
            entry
            for entry in self._entries
            if provider in (None, entry.provider)
            and method in (None, entry.method)
            and (
                path_contains is None
                or path_contains in entry.target
                or path_contains in unquote(entry.target)
            )
        ]
