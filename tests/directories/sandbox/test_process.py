"""Starting, stopping and steering the process."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from directories.sandbox.client import Sandbox, SandboxControl, SandboxError

from .conftest import call


def spawn(state_dir: Path, *arguments: str) -> subprocess.Popen[bytes]:
    return subprocess.Popen(
        [sys.executable, "-m", "directories.sandbox", "--state-dir", str(state_dir), *arguments],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
    )


def test_first_line_names_the_endpoints(tmp_path: Path) -> None:
    process = spawn(tmp_path)
    assert process.stdout is not None
    endpoints = json.loads(process.stdout.readline())
    process.communicate()

    assert set(endpoints) == {"google", "graph", "login", "control", "ca_bundle"}
    assert endpoints["login"].startswith("https://127.0.0.1:")
    assert endpoints["google"].endswith("/")
    assert Path(endpoints["ca_bundle"]) == tmp_path / "ca.pem"
    assert [path.name for path in tmp_path.iterdir()] == ["ca.pem"]


def test_it_ends_with_its_standard_input(tmp_path: Path) -> None:
    process = spawn(tmp_path)
    assert process.stdout is not None
    process.stdout.readline()

    _, errors = process.communicate(timeout=5)

    assert (process.returncode, errors) == (0, b"")


def test_it_ends_on_sigterm(tmp_path: Path) -> None:
    process = spawn(tmp_path)
    assert process.stdout is not None
    process.stdout.readline()

    process.send_signal(signal.SIGTERM)

    assert process.wait(timeout=5) == 0
    process.communicate()


def test_taken_port_is_said_clearly(sandbox: Sandbox, tmp_path: Path) -> None:
    port = sandbox.control.rpartition(":")[2]

    with pytest.raises(SandboxError, match="cannot start"):
        Sandbox(state_dir=tmp_path, control_port=int(port)).start()


def test_client_starts_it_without_the_secret_key(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setitem(os.environ, "SECRET_KEY", "x")

    with Sandbox(state_dir=tmp_path) as sandbox:
        assert sandbox.tenants() == []


def test_second_client_steers_the_same_sandbox(sandbox: Sandbox) -> None:
    SandboxControl(sandbox.control).add_entra_tenant(domains=["other.example"])

    assert [tenant["domains"] for tenant in sandbox.tenants()] == [["other.example"]]


def test_reset_forgets_everything(sandbox: Sandbox) -> None:
    sandbox.add_google_customer()
    sandbox.fault(provider="google", status=500, times=None)
    sandbox.advance(100)

    sandbox.reset()

    assert sandbox.tenants() == []
    assert sandbox.requests() == []


@pytest.mark.parametrize(
    ("method", "headers", "status"),
    [
        ("GET", {"Content-Type": "application/json"}, 405),
        ("POST", {"Content-Type": "text/plain"}, 405),
        ("POST", {"Content-Type": "application/json", "Host": "evil.example"}, 403),
    ],
)
def test_web_pages_elsewhere_cannot_steer_it(
    sandbox: Sandbox, method: str, headers: dict[str, str], status: int
) -> None:
    assert call(sandbox.control, method, "/commands/reset", b"{}", headers).status == status


@pytest.mark.parametrize("by", ["google", "microsoft"])
def test_suspended_account_opens_for_nobody(sandbox: Sandbox, by: str) -> None:
    sandbox.add_google_customer()
    sandbox.add_entra_tenant()
    sandbox.add_google_user("g@example.com")
    sandbox.add_entra_user("g@example.com")
    provider = "google" if by == "google" else "microsoft"
    sandbox.change_password_there(provider, "g@example.com", "some password")  # type: ignore[arg-type]
    before = sandbox.opens(provider, "g@example.com", "some password")  # type: ignore[arg-type]

    sandbox.change_account(provider, "g@example.com", suspended=True)  # type: ignore[arg-type]

    assert before
    assert not sandbox.opens(provider, "g@example.com", "some password")  # type: ignore[arg-type]


def test_mistakes_in_seeding_are_told(sandbox: Sandbox) -> None:
    with pytest.raises(SandboxError, match="tenant"):
        sandbox.add_entra_user("g@example.com")
    sandbox.add_entra_tenant()
    with pytest.raises(SandboxError, match="unknown setting"):
        sandbox.add_entra_tenant(domains=["x.example"], bogus=True)
    with pytest.raises(SandboxError, match="no such account"):
        sandbox.account("nobody@example.com", "microsoft")
