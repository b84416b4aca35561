"""Connectors at work: one for each directory in a worker process, on one event loop thread.

Only a process that holds the credentials' private keys can make one.
"""

from __future__ import annotations

import asyncio
import json
import threading
from collections import defaultdict
from collections.abc import Coroutine
from concurrent.futures import Future
from functools import cache
from typing import Any, TypeVar

from django.conf import settings

from accounts.sealing import CREDENTIALS, SealingError, bind, seal, unseal
from directories.connectors import CONNECTORS
from directories.connectors.base import DEADLINE_SECONDS, Connection, Connector, Endpoints
from directories.connectors.errors import DirectoryRefusedError
from directories.models import Directory

T = TypeVar("T")

_lock = threading.Lock()
_loop_lock = threading.Lock()
_open: dict[int, tuple[object, Connector]] = {}
_spent: dict[int, float] = defaultdict(float)
"""By connectors that were made anew since."""


def endpoints() -> Endpoints:
    """Get where the providers answer, from the settings of this process."""
    return Endpoints(
        google_api=settings.GOOGLE_API_ENDPOINT,
        microsoft_graph=settings.MICROSOFT_GRAPH_ENDPOINT,
        microsoft_login=settings.MICROSOFT_LOGIN_ENDPOINT,
        ca_bundle=settings.CA_BUNDLE or None,
    )


def seal_credentials(directory: Directory, credentials: dict[str, Any]) -> bytes:
    """Seal parsed credentials to the directory they belong to; it has to have its id."""
    return seal(CREDENTIALS, json.dumps(credentials).encode(), info=_credentials_info(directory))


def connector_for(directory: Directory) -> Connector:
    """Get the connector of a directory, made anew when the row has changed.

    Raises DirectoryRefusedError where this process cannot open the credentials.
    """
    identity = (
        bytes(directory.credentials),
        directory.kind,
        directory.domain,
        directory.admin_email,
        directory.tenant_id,
        tuple(directory.verified_domains),
        tuple(directory.federated_domains),
        directory.sends_clear_password,
        endpoints(),
    )
    with _lock:
        known, connector = _open.get(directory.pk, (None, None))
        if connector is None or known != identity:
            made = _make(directory)
            if connector is not None:
                _spent[directory.pk] += connector.spent
                submit(_close_later(connector))
            connector = made
            _open[directory.pk] = (identity, connector)
        return connector


def spent(directory_id: int) -> float:
    """Get how much of a directory's quotas was used in this process."""
    _identity, connector = _open.get(directory_id, (None, None))
    return _spent[directory_id] + (connector.spent if connector else 0)


def _make(directory: Directory) -> Connector:
    try:
        credentials = json.loads(
            unseal(CREDENTIALS, bytes(directory.credentials), info=_credentials_info(directory))
        )
    except SealingError as error:
        raise DirectoryRefusedError(f"The credentials cannot be opened here. {error}") from None
    connection = Connection(
        domain=directory.domain,
        credentials=credentials,
        admin_email=directory.admin_email,
        tenant_id=directory.tenant_id,
        verified_domains=frozenset(directory.verified_domains),
        federated_domains=frozenset(directory.federated_domains),
        sends_clear_password=directory.sends_clear_password,
    )
    return CONNECTORS[directory.kind].connect(connection, endpoints())


async def _close_later(connector: Connector) -> None:
    """Close a connector once the pushes that use it are over."""
    await asyncio.sleep(2 * DEADLINE_SECONDS)
    await connector.close()


def submit(coroutine: Coroutine[Any, Any, T]) -> Future[T]:
    """Run a connector's coroutine on the process's loop thread."""
    with _loop_lock:  # two threads that come first would each make one
        loop = _loop()
    return asyncio.run_coroutine_threadsafe(coroutine, loop)


@cache
def _loop() -> asyncio.AbstractEventLoop:
    loop = asyncio.new_event_loop()
    threading.Thread(target=loop.run_forever, name="connectors", daemon=True).start()
    return loop


def _credentials_info(directory: Directory) -> bytes:
    return bind("v1", "credentials", directory.pk, directory.kind, directory.domain)
