"""httplib2, tamed: a request is sent once, to where it was addressed, over a live connection."""

from __future__ import annotations

import http.client
import selectors
import socket
import threading
import time
from contextlib import suppress
from typing import Any

import httplib2

from directories.connectors.tls import client_context

CONNECT_TIMEOUT_SECONDS = 5.0
READ_TIMEOUT_SECONDS = 15.0
# For each read of a socket; DEADLINE_SECONDS limits the whole.
IDLE_SECONDS = 50.0
# An older idle connection is not used again: the other end may be about to close it.


class NotSentError(Exception):
    """The request did not leave: no connection, or nobody waits for the answer any more."""


class SentOnceError(Exception):
    """httplib2 wants to send a request again, without knowing what became of the first."""


class Call:
    """What the loop and a thread know of one call; the thread sends, the loop gives up."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._connection: http.client.HTTPConnection | None = None
        self._is_abandoned = False
        self.is_sent = False

    def before_sending(self, connection: http.client.HTTPConnection) -> None:
        with self._lock:
            if self._is_abandoned:
                raise NotSentError("abandoned")
            if self.is_sent:
                raise SentOnceError
            self._connection = connection
            self.is_sent = True

    def not_applied(self) -> None:
        """Note that the answer was 401, so the request may be sent once more."""
        self.is_sent = False

    def abandon(self) -> bool:
        """Stop the thread's part; say whether the request may have been applied."""
        with self._lock:
            self._is_abandoned = True
            sock = self._connection.sock if self._connection is not None else None
            if self.is_sent and sock is not None:
                with suppress(OSError):
                    socket.socket.shutdown(sock, socket.SHUT_RDWR)
            return self.is_sent

    def finish(self) -> None:
        """Forget the connection, which serves the next call from now on."""
        with self._lock:
            self._connection = None


running = threading.local()
# .call: the call that a thread is at; httplib2 has no place to pass it through.


class _OnceConnection:
    """Tells "could not connect" from "sent", and sends once.

    httplib2 sends a PUT again when the server closed the connection without an answer.
    Source: httplib2 0.32.1 ``Http._conn_request``, measured 2026-11-23.
    """

    def connect(self) -> None:
        if running.call.is_sent:
            raise SentOnceError
        try:
            super().connect()  # type: ignore[misc]
        except (OSError, httplib2.HttpLib2Error, http.client.HTTPException) as error:
            raise NotSentError(type(error).__name__) from None
        self.sock: Any
        self.sock.settimeout(READ_TIMEOUT_SECONDS)

    def request(self, *args: Any, **kwargs: Any) -> None:
        running.call.before_sending(self)
        super().request(*args, **kwargs)  # type: ignore[misc]


class _HttpConnection(_OnceConnection, httplib2.HTTPConnectionWithTimeout):
    pass


class _HttpsConnection(_OnceConnection, httplib2.HTTPSConnectionWithTimeout):
    def __init__(
        self,
        host: str,
        *,
        timeout: float,
        proxy_info: Any,
        ca_certs: str | None,
        **_: Any,
    ) -> None:
        """Skip httplib2's own, which reads all certificate authorities for each connection."""
        http.client.HTTPSConnection.__init__(
            self, host, timeout=timeout, context=client_context(ca_certs)
        )
        self.ca_certs = ca_certs
        self.disable_ssl_certificate_validation = False
        self.proxy_info = proxy_info("https") if callable(proxy_info) else proxy_info


class Http(httplib2.Http):
    """An httplib2.Http that never follows, never sends twice and never uses a stale connection."""

    def __init__(self, ca_bundle: str | None) -> None:
        super().__init__(timeout=CONNECT_TIMEOUT_SECONDS, ca_certs=ca_bundle)
        self.follow_redirects = False
        self._used_at = 0.0

    def request(self, uri: str, *args: Any, **kwargs: Any) -> Any:
        is_plain = uri.startswith("http:")
        kwargs["connection_type"] = _HttpConnection if is_plain else _HttpsConnection
        is_old = time.monotonic() - self._used_at > IDLE_SECONDS
        for connection in self.connections.values():
            if connection.sock is not None and (is_old or _was_closed(connection.sock)):
                connection.close()
        try:
            return super().request(uri, *args, **kwargs)
        except BaseException:
            self.close()
            raise
        finally:
            self._used_at = time.monotonic()


def _was_closed(sock: socket.socket) -> bool:
    """Look whether there is something to read where no answer is due: the end, that is."""
    with selectors.DefaultSelector() as selector:
        selector.register(sock, selectors.EVENT_READ)
        return bool(selector.select(timeout=0))
