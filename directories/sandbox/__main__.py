"""Start the sandbox: ``python -m directories.sandbox --state-dir DIR``.

The first line on standard output is a JSON object with the addresses: ``google`` (root of the
APIs, ends in /), ``graph`` and ``login`` (origins, without /v1.0), ``control``, ``ca_bundle``.
It ends when standard input does, so that it dies with its parent, or on SIGTERM.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import os
import signal
import ssl
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

from directories.sandbox.certificates import make_server_context
from directories.sandbox.control import Control
from directories.sandbox.exchange import Exchange
from directories.sandbox.google import Google
from directories.sandbox.http import Handler, HttpProtocol
from directories.sandbox.microsoft import MicrosoftGraph
from directories.sandbox.microsoft_login import MicrosoftLogin
from directories.sandbox.world import World

HOST = "127.0.0.1"


def parse_arguments(arguments: list[str] | None = None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m directories.sandbox", description=__doc__)
    parser.add_argument("--state-dir", type=Path, required=True, help="where ca.pem is written")
    for name in ("google", "graph", "login", "control"):
        parser.add_argument(f"--{name}-port", type=int, default=0, help="0 picks a free one")
    return parser.parse_args(arguments)


async def serve(options: argparse.Namespace) -> None:
    """Serve until standard input ends or SIGTERM arrives."""
    loop = asyncio.get_running_loop()
    options.state_dir.mkdir(mode=0o700, parents=True, exist_ok=True)
    context, ca_path = make_server_context(options.state_dir)
    world = World()
    control = Control(world)
    servers: list[asyncio.Server] = []

    async def listen(handler: Handler, port: int, tls: ssl.SSLContext | None = None) -> int:
        server = await loop.create_server(
            lambda: HttpProtocol(handler, world.clock.http_date),
            HOST,
            port,
            ssl=tls,
            backlog=1024,
        )
        servers.append(server)
        return int(server.sockets[0].getsockname()[1])

    google_port = await listen(Exchange("google", Google(world), world), options.google_port)
    graph = MicrosoftGraph(world)
    graph_port = await listen(Exchange("microsoft", graph, world), options.graph_port)
    login = Exchange("microsoft", MicrosoftLogin(world), world)
    login_port = await listen(login, options.login_port, context)
    control_port = await listen(control, options.control_port)
    control.accept_hosts(control_port)
    world.origins = {
        "google": f"http://{HOST}:{google_port}",
        "graph": f"http://{HOST}:{graph_port}",
        "login": f"https://{HOST}:{login_port}",
    }
    endpoints = {
        **world.origins,
        "google": world.origins["google"] + "/",
        "control": f"http://{HOST}:{control_port}",
        "ca_bundle": str(ca_path.resolve()),
    }
    stopped = asyncio.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, stopped.set)
    watch_stdin(loop, stopped.set)
    print(json.dumps(endpoints), flush=True)
    await stopped.wait()
    for server in servers:
        server.close()


def watch_stdin(loop: asyncio.AbstractEventLoop, stop: Callable[[], Any]) -> None:
    """Call ``stop`` when standard input ends; what is written there is thrown away."""

    def read() -> None:
        if not os.read(0, 65_536):
            loop.remove_reader(0)
            stop()

    try:
        loop.add_reader(0, read)
    except (PermissionError, OSError):  # a file or /dev/null cannot be waited for: it has ended
        stop()


def main() -> None:
    try:
        asyncio.run(serve(parse_arguments()))
    except OSError as error:
        sys.exit(f"the sandbox cannot start: {error}")


if __name__ == "__main__":
    main()
