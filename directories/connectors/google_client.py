"""Google's SDK, tamed: one call is one HTTP request within one deadline.

googleapiclient and httplib2 block, so calls run in threads.  httplib2 is not thread-safe, so a call
has an ``Http`` to itself; the one used last is used next, since its connection is the warmest.
Nothing here refreshes a token or sends a request a second time on its own: after an answer of 401,
and only then, the token is renewed once and the request repeated once, since a 401 says that
nothing was applied.
"""

from __future__ import annotations

import asyncio
import http.client
import json
import threading
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from contextvars import copy_context
from dataclasses import dataclass
from functools import lru_cache
from typing import Any
from urllib.parse import urljoin

import google_auth_httplib2
import httplib2
from google.auth.exceptions import GoogleAuthError
from google.oauth2 import service_account
from googleapiclient import discovery, discovery_cache
from googleapiclient.errors import Error as ApiClientError
from googleapiclient.errors import HttpError

from directories.connectors import library_logs
from directories.connectors.answers import Answer
from directories.connectors.base import DEADLINE_SECONDS, Connection, Endpoints, Push
from directories.connectors.errors import (
    ConnectorError,
    DirectoryUnavailableError,
    UnclearOutcomeError,
)
from directories.connectors.google_errors import refusal, token_refusal
from directories.connectors.google_http import (
    CONNECT_TIMEOUT_SECONDS,
    Call,
    Http,
    NotSentError,
    SentOnceError,
    running,
)

library_logs.silence()

SCOPES = (
    "https://www.googleapis.com/auth/admin.directory.user",
    "https://www.googleapis.com/auth/admin.reports.audit.readonly",
)
MAX_THREADS = 32
# For all Google directories of a process.

MakeRequest = Callable[["Services"], Any]


@dataclass(frozen=True)
class Services:
    """What is used of the two APIs, as googleapiclient builds it from their discovery documents.

    Built once: each call of ``users()`` would make all of its methods anew, which takes 1 ms.
    """

    users: Any
    activities: Any


@lru_cache(maxsize=4)
def _services(google_api: str) -> Services:
    def build(version: str) -> Any:
        document = json.loads(discovery_cache.get_static_doc("admin", version))
        document["rootUrl"] = urljoin(google_api, "/")
        document.pop("mtlsRootUrl", None)
        return discovery.build_from_document(document, http=httplib2.Http())

    return Services(
        users=build("directory_v1").users(), activities=build("reports_v1").activities()
    )


@lru_cache(maxsize=1)
def _pool() -> ThreadPoolExecutor:
    return ThreadPoolExecutor(MAX_THREADS, thread_name_prefix="google")


class _TokenTransport(google_auth_httplib2.Request):
    """Stops google-auth at the first refusal, which it would otherwise repeat and then hide."""

    def __call__(self, *args: Any, **kwargs: Any) -> Any:
        response = super().__call__(*args, **kwargs)
        if response.status != 200:
            raise _TokenRefusedError(
                Answer(
                    status=response.status, headers=dict(response.headers), content=response.data
                )
            )
        return response


class _TokenRefusedError(Exception):
    def __init__(self, answer: Answer) -> None:
        super().__init__()
        self.answer = answer


class _Token:
    """The access token that all threads of a directory share."""

    def __init__(self, connection: Connection, endpoints: Endpoints) -> None:
        self._info = dict(connection.credentials)
        self._subject = connection.admin_email
        self._ca_bundle = endpoints.ca_bundle
        self._lock = threading.Lock()
        self._credentials: service_account.Credentials | None = None

    def get(self, rejected: str = "") -> str:
        """Return a token other than ``rejected`` that is good for some minutes at least.

        Whoever comes first fetches it, the others wait.  google-auth signs for the audience
        ``https://oauth2.googleapis.com/token`` whatever the ``token_uri`` is.
        """
        with self._lock:
            credentials = self._credentials
            if credentials is None:
                credentials = self._credentials = (
                    service_account.Credentials.from_service_account_info(  # type: ignore[no-untyped-call]
                        self._info, scopes=SCOPES, subject=self._subject
                    )
                )
            if not credentials.valid or credentials.token == rejected:
                fetcher = httplib2.Http(
                    timeout=CONNECT_TIMEOUT_SECONDS * 2, ca_certs=self._ca_bundle
                )
                fetcher.follow_redirects = False
                try:
                    credentials.refresh(_TokenTransport(fetcher))
                finally:
                    fetcher.close()
            return str(credentials.token)


class GoogleClient:
    """Runs requests to one customer."""

    def __init__(self, connection: Connection, endpoints: Endpoints) -> None:
        self._endpoints = endpoints
        self._client_id = str(connection.credentials.get("client_id", ""))
        self._token = _Token(connection, endpoints)
        self._idle: list[Http] = []
        self._is_closed = False
        self.spent = 0.0

    async def run(self, make_request: MakeRequest, push: Push | None = None) -> Answer:
        """Make a request in a thread, send it once, and return the answer of 200.

        ``push`` says that it is a write.  Raises ConnectorError, and nothing else.
        """
        call = Call()
        outcome: Answer | ConnectorError
        try:
            async with asyncio.timeout(DEADLINE_SECONDS):
                # In this context, so that what the thread logs names the same job.
                outcome = await asyncio.get_running_loop().run_in_executor(
                    _pool(), copy_context().run, self._run, make_request, push, call
                )
        except TimeoutError:
            outcome = _no_answer(call.abandon() and push is not None, "in time")
        finally:
            call.abandon()
        if isinstance(outcome, ConnectorError):
            raise outcome from None
        return outcome

    def _run(
        self, make_request: MakeRequest, push: Push | None, call: Call
    ) -> Answer | ConnectorError:
        """Return what came of it; an error is returned so that it carries no SDK frames."""
        running.call = call
        try:
            return self._send(make_request(_services(self._endpoints.google_api)), push, call)
        except Exception as error:  # noqa: BLE001 - whatever the SDKs raise is about this call
            # The SDKs' frames refer to it in a ring, and hold the push.
            error.with_traceback(None)
            return self._failure(error, call.is_sent and push is not None)
        finally:
            del running.call

    def _send(self, request: Any, push: Push | None, call: Call) -> Answer | ConnectorError:
        request.postproc = _as_answer
        token = self._token.get()
        with self._http(call) as http:
            self.spent += 1
            answer = _execute(request, http, token)
            if answer.status == 401:
                call.not_applied()
                self.spent += 1
                answer = _execute(request, http, self._token.get(rejected=token))
        return answer if answer.status == 200 else refusal(answer, push)

    def _failure(self, error: Exception, is_write_sent: bool) -> ConnectorError:
        """Turn whatever stopped a call without an answer from the API into our error."""
        if isinstance(error, _TokenRefusedError):
            return token_refusal(error.answer, self._client_id)
        if isinstance(error, NotSentError) and not is_write_sent:
            return DirectoryUnavailableError(f"Google cannot be reached ({error}).")
        if isinstance(error, GoogleAuthError):
            return DirectoryUnavailableError("Google's token service gave no readable answer.")
        kinds = (OSError, httplib2.HttpLib2Error, http.client.HTTPException, ApiClientError)
        if not isinstance(error, (*kinds, NotSentError, SentOnceError)):
            library_logs.report_unexpected(error)
        return _no_answer(is_write_sent, f"({type(error).__name__})")

    @contextmanager
    def _http(self, call: Call) -> Iterator[Http]:
        try:
            http = self._idle.pop()
        except IndexError:
            http = Http(self._endpoints.ca_bundle)
        try:
            yield http
        finally:
            call.finish()
            self._idle.append(http)
            if self._is_closed:
                self.close()

    def close(self) -> None:
        self._is_closed = True
        while self._idle:
            self._idle.pop().close()


def _execute(request: Any, http: Http, token: str) -> Answer:
    request.headers["authorization"] = f"Bearer {token}"
    try:
        answer: Answer = request.execute(http=http, num_retries=0)
    except HttpError as error:
        answer = _as_answer(error.resp, error.content)
    return answer


def _as_answer(response: httplib2.Response, content: bytes) -> Answer:
    return Answer(status=response.status, headers=dict(response), content=content)


def _no_answer(is_write_sent: bool, detail: str) -> ConnectorError:
    if is_write_sent:
        return UnclearOutcomeError(
            f"Google gave no answer {detail}: the change may have been applied."
        )
    return DirectoryUnavailableError(f"Google gave no answer {detail}.")
