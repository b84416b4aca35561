"""What probes and monitoring are told, while parts are dead, hang or do not fit together."""

from __future__ import annotations

import socket
import threading
import time
from collections.abc import Iterator
from datetime import timedelta
from unittest.mock import Mock

import pytest
import time_machine
from celery import current_app
from django.test import Client
from django.utils import timezone
from pytest_django import Settings

from accounts import parts
from accounts.key_pairs import PrivateKey
from accounts.models import Part
from config import health
from config.management.commands.quickstart import free_port
from tests.production import least_settings, run_program

pytestmark = pytest.mark.django_db(transaction=True)

WORKER = "celery@host-of-workers"


@pytest.fixture(autouse=True)
def production(settings: Settings, monkeypatch: pytest.MonkeyPatch) -> None:
    """Beat and one worker, seen just now; each question is looked into."""
    settings.EMBEDDED = False
    looks = (health.Look(*look._names, look=look._look) for look in health.LOOKS)
    monkeypatch.setattr(health, "LOOKS", tuple(looks))
    monkeypatch.setattr(health, "FRESH_SECONDS", -1)
    parts.mark_beat()
    parts.mark_worker(WORKER)


@pytest.fixture
def hanging_port() -> Iterator[int]:
    """A port where connections are taken, and nothing ever answers."""
    with socket.create_server(("127.0.0.1", 0)) as listener:
        yield listener.getsockname()[1]


def ask(client: Client) -> tuple[int, dict[str, str]]:
    answer = client.get("/readyz")
    text = answer.content.decode()
    # Whoever asks learns no address and no name.
    assert "127.0.0.1" not in text
    assert "host-of-workers" not in text
    return answer.status_code, dict(line.split(": ", 1) for line in text.splitlines())


def age(part: str, **delta: int) -> None:
    assert Part.objects.filter(name=part).update(seen_at=timezone.now() - timedelta(**delta))


def test_it_is_ready_when_all_parts_are_well(client: Client) -> None:
    names = ("database", "beat", "keys", "broker", "cache")

    assert ask(client) == (200, dict.fromkeys(names, "well"))


def test_healthz_answers_and_touches_nothing(client, django_assert_num_queries) -> None:
    with django_assert_num_queries(0):
        answer = client.get("/healthz")

    assert (answer.status_code, answer.content) == (200, b"well\n")
    assert "no-store" in answer.headers["Cache-Control"]
    assert client.post("/healthz").status_code == 405


@pytest.mark.parametrize("address", ["/healthz", "/readyz"])
def test_a_probe_needs_neither_https_nor_a_name_of_ours(address, client, settings) -> None:
    settings.SECURE_SSL_REDIRECT = True
    settings.ALLOWED_HOSTS = ["portal.example.com"]

    assert client.get(address, headers={"host": "10.0.0.7:8000"}).status_code == 200
    assert client.get("/login/", headers={"host": "10.0.0.7:8000"}).status_code != 200


# --- Beat and keys


def test_a_beat_that_is_dead_is_told_with_the_moment_it_was_last_seen(client: Client) -> None:
    age(parts.BEAT, minutes=3)

    status, found = ask(client)

    assert status == 503
    assert (
        f"last seen at {Part.objects.get(name='beat').seen_at:%Y-%m-%d %H:%M:%S}" in found["beat"]
    )
    assert found["keys"] == "well"


def test_a_new_installation_is_not_ready_before_beat_was_seen(client: Client) -> None:
    Part.objects.filter(name=parts.BEAT).delete()

    status, found = ask(client)

    assert status == 503
    assert "never seen" in found["beat"]


def test_beat_writes_its_mark_once_in_half_a_minute(django_assert_num_queries) -> None:
    with django_assert_num_queries(1):
        parts.mark_beat()
    age(parts.BEAT, seconds=31)

    parts.mark_beat()

    assert Part.objects.get(name=parts.BEAT).seen_at > timezone.now() - timedelta(seconds=5)


@pytest.mark.parametrize("ring", ["CREDENTIALS", "PASSWORDS"])
def test_keys_that_do_not_match_are_told_by_the_names_of_their_settings(
    ring: str, client: Client, settings: Settings
) -> None:
    setattr(settings, f"{ring}_PUBLIC_KEY", PrivateKey.generate().public_key().to_text())

    status, found = ask(client)

    assert status == 503
    assert f"{ring}_PUBLIC_KEY: its {ring}_PRIVATE_KEYS lacks" in found["keys"]


def test_one_worker_that_lacks_a_key_is_one_too_many(client: Client, settings: Settings) -> None:
    new = PrivateKey.generate()
    settings.PASSWORDS_PRIVATE_KEYS = (
        f"{new.to_text()} {settings.PASSWORDS_PRIVATE_KEYS.read_text()}"
    )
    parts.mark_worker("celery@another")
    settings.PASSWORDS_PUBLIC_KEY = new.public_key().to_text()
    assert ask(client)[0] == 503

    parts.mark_worker(WORKER)

    assert ask(client)[1]["keys"] == "well"


def test_without_a_worker_nobody_holds_the_keys(client: Client) -> None:
    age(WORKER, minutes=2)

    assert "No worker of the queue directories" in ask(client)[1]["keys"]


def test_a_stopped_worker_is_forgotten_at_once_and_a_lost_one_after_a_day(client: Client) -> None:
    parts.mark_worker("celery@lost")
    age("celery@lost", days=2)
    age(parts.BEAT, days=2)

    parts.mark_worker("celery@stopped")
    parts.unmark_worker("celery@stopped")

    assert {part.name for part in Part.objects.all()} == {WORKER, parts.BEAT}


def test_the_embedded_mode_looks_at_its_own_keys(client: Client, settings: Settings) -> None:
    """They are rotated by itself: a mark of the moment before says nothing."""
    settings.EMBEDDED = True
    new = PrivateKey.generate()
    settings.PASSWORDS_PRIVATE_KEYS = new.to_text()
    settings.PASSWORDS_PUBLIC_KEY = new.public_key().to_text()

    assert ask(client)[1]["keys"] == "well"


# --- What hangs


@pytest.fixture(params=["redis broker", "amqp broker", "cache"])
def hanging(
    request: pytest.FixtureRequest, hanging_port: int, settings: Settings, monkeypatch
) -> str:
    """The part that hangs."""
    address = f"127.0.0.1:{hanging_port}/0"
    if request.param == "cache":
        backend = "django.core.cache.backends.redis.RedisCache"
        settings.CACHES = {"default": {"BACKEND": backend, "LOCATION": f"redis://{address}"}}
        return "cache"
    url = f"{request.param.split()[0]}://{address}"
    monkeypatch.setitem(current_app.conf, "broker_write_url", url)
    monkeypatch.setitem(current_app.conf, "broker_transport_options", {"max_retries": 0})
    return "broker"


def test_it_answers_while_a_part_hangs_and_looks_at_it_once(client: Client, hanging: str) -> None:
    for _ in range(3):
        started = time.monotonic()
        status, found = ask(client)
        seconds = time.monotonic() - started

        assert (status, [name for name in found if found[name] != "well"]) == (503, [hanging])
        assert "It does not answer" in found[hanging]
        assert seconds < 2
    assert [one.name for one in threading.enumerate()].count(f"look at {hanging}") <= 1


def test_a_trouble_is_told_from_when_it_was_noticed_until_it_is_over(
    client: Client, monkeypatch: pytest.MonkeyPatch
) -> None:
    with monkeypatch.context() as patch:
        patch.setitem(current_app.conf, "broker_write_url", f"redis://127.0.0.1:{free_port()}/0")
        patch.setitem(current_app.conf, "broker_transport_options", {"max_retries": 0})
        with time_machine.travel("2027-01-04 08:00:00Z"):
            first = ask(client)[1]["broker"]
        with time_machine.travel("2027-01-04 08:05:00Z"):
            second = ask(client)[1]["broker"]

    assert "not well since 2027-01-04 08:00:00 UTC." in first
    assert second == first
    assert ask(client)[1]["broker"] == "well"


def test_in_production_it_answers_while_the_database_hangs(hanging_port, tmp_path) -> None:
    environment = least_settings(
        tmp_path, DATABASE_URL=f"postgres://postgres@127.0.0.1:{hanging_port}/latchkey"
    )
    program = """if True:
        import os, time
        import config.wsgi
        from django.test import Client
        started = time.monotonic()
        answer = Client().get("/readyz")
        seconds = time.monotonic() - started
        print(answer.status_code, seconds < 2, answer.content.decode(), flush=True)
        os._exit(0)  # the connection pool would wait for its threads
    """

    done = run_program(program, environment)

    assert done.stdout.startswith("503 True database: not well since"), done.stderr
    assert "keys: not well" in done.stdout and "broker: well" in done.stdout


def test_it_looks_again_after_a_moment_without_a_thread_to_look_in(
    client: Client, monkeypatch: pytest.MonkeyPatch
) -> None:
    with monkeypatch.context() as patch:
        patch.setattr(threading.Thread, "start", Mock(side_effect=RuntimeError("no thread")))
        with pytest.raises(RuntimeError):
            ask(client)

    assert ask(client)[0] == 200
