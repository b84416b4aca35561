"""One process has one loop for its connectors, whoever comes first."""

from __future__ import annotations

import asyncio
import threading
import time
from concurrent.futures import ThreadPoolExecutor

import pytest

from directories import connections


def test_threads_that_come_first_share_one_loop(monkeypatch: pytest.MonkeyPatch) -> None:
    new_event_loop = asyncio.new_event_loop
    made: list[asyncio.AbstractEventLoop] = []
    barrier = threading.Barrier(4)

    def slowly() -> asyncio.AbstractEventLoop:
        time.sleep(0.05)  # long enough for the others to come in between
        made.append(new_event_loop())
        return made[-1]

    async def loop_here() -> asyncio.AbstractEventLoop:
        return asyncio.get_running_loop()

    def first(_number: int) -> asyncio.AbstractEventLoop:
        barrier.wait()
        return connections.submit(loop_here()).result()

    connections._loop.cache_clear()
    monkeypatch.setattr(asyncio, "new_event_loop", slowly)

    with ThreadPoolExecutor(4) as threads:
        loops = set(threads.map(first, range(4)))

    assert len(loops) == len(made) == 1
