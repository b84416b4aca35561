"""What stands between the wire and a service: the request log and the faults."""

from __future__ import annotations

import asyncio
import sys
import traceback
from collections.abc import Awaitable, Callable

from directories.sandbox.accounts import Provider
from directories.sandbox.faults import Fault
from directories.sandbox.http import Request, Response
from directories.sandbox.requestlog import Entry
from directories.sandbox.world import World

Service = Callable[[Request], Response]


class Exchange:
    """Hands requests to one service, logged and possibly spoilt."""

    def __init__(self, provider: Provider, service: Service, world: World) -> None:
        self._provider = provider
        self._service = service
        self._world = world

    def __call__(self, request: Request) -> Response | Awaitable[Response]:
        world = self._world
        grant = world.tokens.find(request.headers.get("authorization", ""))
        tenant_id = grant.tenant_id if grant is not None else ""
        entry = world.requests.open(self._provider, request, world.clock.now(), tenant_id)
        fault = world.faults.take(self._provider, request, tenant_id)
        if fault is not None:
            entry.fault = fault.action or (str(fault.status) if fault.status else "delay")
            return self._spoilt(request, entry, fault)
        return self._served(request, entry)

    def _served(self, request: Request, entry: Entry) -> Response:
        try:
            response = self._service(request)
        except Exception as error:  # the sandbox must say so loudly, without the message
            trace = "".join(traceback.format_tb(error.__traceback__))
            print(f"sandbox bug: {type(error).__name__}\n{trace}", file=sys.stderr, flush=True)
            response = Response(500, b"bug in the sandbox", content_type="text/plain")
        entry.status = response.status
        entry.was_applied = response.status < 300
        return response

    async def _spoilt(self, request: Request, entry: Entry, fault: Fault) -> Response:
        real: Response | None = None
        if fault.when == "after":
            real = self._served(request, entry)
            entry.status = None
        if fault.delay:
            await asyncio.sleep(fault.delay)
        if fault.only_delays():
            if real is None:
                return self._served(request, entry)
            entry.status = real.status
            return real
        response = fault.answer(real)
        if response.cut in ("", "truncate"):
            entry.status = response.status
        return response
