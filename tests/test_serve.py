"""The embedded mode, as a process."""

import os
import signal
import socket
import stat
import subprocess
import sys
import time
import urllib.error
import urllib.request
from contextlib import contextmanager

import pytest
from django.conf import settings

from config.management.commands.quickstart import free_port
from tests.production import least_settings

MANAGE = [sys.executable, str(settings.BASE_DIR / "manage.py")]


@contextmanager
def serving(data_dir, **environment):
    """Run ``serve`` and wait for the address it prints."""
    bind = f"127.0.0.1:{free_port()}"
    process = subprocess.Popen(
        [*MANAGE, "serve", "--bind", bind],
        env={"PATH": os.environ["PATH"], "DATA_DIR": str(data_dir), **environment},
        stdout=subprocess.PIPE,
        text=True,
    )
    try:
        yield process, process.stdout.readline().split()[-1]
    finally:
        process.kill()
        process.communicate()


def test_serve_answers_and_stops_within_five_seconds(tmp_path):
    with serving(tmp_path) as (server, address):
        page = urllib.request.urlopen(address)
        assert "/login/" in page.url
        link = server.stdout.readline()
        assert "/first-administrator/" in link
        assert urllib.request.urlopen(link.split()[-1]).status == 200

        started = time.monotonic()
        server.send_signal(signal.SIGTERM)

        assert server.wait(timeout=10) == 0
        assert time.monotonic() - started < 5


def test_serve_is_ready_once_beat_was_heard_of_and_shows_its_figures(tmp_path):
    metrics = f"127.0.0.1:{free_port()}"
    with serving(tmp_path, METRICS_BIND=metrics) as (_server, address):
        deadline = time.monotonic() + 20
        while (status := status_of(f"{address}readyz")) == 503 and time.monotonic() < deadline:
            time.sleep(0.2)
        figures = urllib.request.urlopen(f"http://{metrics}/metrics").read().decode()

    assert status == 200
    assert "latchkey_sealed_passwords 0.0" in figures


def status_of(address):
    try:
        return urllib.request.urlopen(address).status
    except urllib.error.HTTPError as error:
        return error.code


def test_serve_ends_where_its_figures_cannot_be_shown(tmp_path):
    with socket.create_server(("127.0.0.1", 0)) as taken:
        bind = f"127.0.0.1:{taken.getsockname()[1]}"
        with serving(tmp_path, METRICS_BIND=bind) as (server, _address):
            assert server.wait(timeout=20) == 1

    log = (tmp_path / "logs" / "latchkey.log").read_text()
    assert f"METRICS_BIND: {bind} cannot be served" in log


def test_keys_and_data_are_their_owners_alone(tmp_path):
    data_dir = tmp_path / "data"
    with serving(data_dir):
        modes = {
            path.relative_to(data_dir): stat.S_IMODE(path.stat().st_mode)
            for path in [data_dir, *data_dir.rglob("*")]
        }

    assert {mode for path, mode in modes.items() if (data_dir / path).is_dir()} == {0o700}
    assert {mode for path, mode in modes.items() if (data_dir / path).is_file()} == {0o600}


@pytest.mark.parametrize("command", ["serve", "quickstart"])
def test_a_production_installation_is_not_served_in_one_process(tmp_path, command):
    done = subprocess.run(
        [*MANAGE, command],
        env=least_settings(tmp_path, CREDENTIALS_PUBLIC_KEY="", PASSWORDS_PUBLIC_KEY=""),
        capture_output=True,
        text=True,
        check=False,
    )

    assert done.returncode == 1
    assert "SECRET_KEY" in done.stderr
    assert "Traceback" not in done.stderr
