"""Starting the sandbox from Python, and steering it: for tests, demonstrations and load runs."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import tempfile
import threading
from pathlib import Path
from types import TracebackType
from typing import Self

from directories.sandbox.steering import Provider, SandboxControl, SandboxError

__all__ = ["Provider", "Sandbox", "SandboxControl", "SandboxError"]

START_SECONDS = 20.0
"""A sandbox that has not said where it listens by then counts as failed."""


def _first_line(process: subprocess.Popen[bytes]) -> bytes:
    watchdog = threading.Timer(START_SECONDS, process.kill)
    watchdog.start()
    try:
        return process.stdout.readline() if process.stdout is not None else b""
    finally:
        watchdog.cancel()


class Sandbox(SandboxControl):
    """A sandbox in a process of its own, which ends with this object or with this process.

    ``google`` is the root URL of Google's APIs, with a final slash; ``graph`` and ``login`` are
    origins (add /v1.0 to the first for the SDK); ``ca_bundle`` is the file to trust for ``login``.
    """

    def __init__(
        self,
        *,
        state_dir: Path | None = None,
        google_port: int = 0,
        graph_port: int = 0,
        login_port: int = 0,
        control_port: int = 0,
    ) -> None:
        super().__init__("")
        self._temporary: tempfile.TemporaryDirectory[str] | None = None
        if state_dir is None:
            self._temporary = tempfile.TemporaryDirectory(prefix="latchkey-sandbox-")
            state_dir = Path(self._temporary.name)
        self.state_dir = state_dir
        self._ports = {
            "google": google_port,
            "graph": graph_port,
            "login": login_port,
            "control": control_port,
        }
        self._process: subprocess.Popen[bytes] | None = None
        self.endpoints: dict[str, str] = {}

    @property
    def google(self) -> str:
        return self.endpoints["google"]

    @property
    def graph(self) -> str:
        return self.endpoints["graph"]

    @property
    def login(self) -> str:
        return self.endpoints["login"]

    @property
    def ca_bundle(self) -> str:
        return self.endpoints["ca_bundle"]

    @property
    def error_log(self) -> Path:
        """Return the file that receives the process's standard error."""
        return self.state_dir / "stderr.log"

    def start(self) -> Self:
        """Start the process and wait until it listens. Raises SandboxError."""
        self.state_dir.mkdir(mode=0o700, parents=True, exist_ok=True)
        command = [sys.executable, "-m", "directories.sandbox", "--state-dir", str(self.state_dir)]
        for name, port in self._ports.items():
            command += [f"--{name}-port", str(port)]
        root = Path(__file__).resolve().parents[2]
        environment = {
            name: value
            for name, value in os.environ.items()
            if name not in ("SECRET_KEY", "SECRET_KEY_FILE")
        }
        environment["PYTHONPATH"] = os.pathsep.join(
            part for part in (str(root), environment.get("PYTHONPATH", "")) if part
        )
        with self.error_log.open("wb") as errors:
            process = self._process = subprocess.Popen(
                command,
                cwd=root,
                env=environment,
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                stderr=errors,
            )
        line = _first_line(process)
        if not line:
            self.stop()
            raise SandboxError(f"the sandbox did not start: {self.error_log.read_text()}")
        self.endpoints = json.loads(line)
        self.control = self.endpoints["control"]
        return self

    def stop(self) -> None:
        """Stop the process; harmless when it has stopped."""
        self.close()
        process, self._process = self._process, None
        if process is not None:
            for pipe in filter(None, (process.stdin, process.stdout)):
                pipe.close()
            try:
                process.wait(timeout=5)
            except subprocess.TimeoutExpired:
                process.kill()
                process.wait()
        if self._temporary is not None:
            self._temporary.cleanup()

    def __enter__(self) -> Self:
        return self.start()

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.stop()
