from __future__ import annotations

from io import StringIO

import pytest
from django.core.management import call_command
from pytest_django import Settings

from accounts.sealing import CREDENTIALS, PASSWORDS, seal, unseal


def generate(*arguments: str) -> dict[str, str]:
    out = StringIO()
    call_command("generate_keys", *arguments, stdout=out, stderr=StringIO())
    return dict(line.split("=", 1) for line in out.getvalue().splitlines())


def test_the_lines_are_settings_that_work(settings: Settings) -> None:
    lines = generate()
    for name, value in lines.items():
        setattr(settings, name, value)

    for ring in (CREDENTIALS, PASSWORDS):
        assert unseal(ring, seal(ring, b"secret", info=b""), info=b"") == b"secret"
    assert set(lines) == {
        "SECRET_KEY",
        "CREDENTIALS_PUBLIC_KEY",
        "CREDENTIALS_PRIVATE_KEYS",
        "PASSWORDS_PUBLIC_KEY",
        "PASSWORDS_PRIVATE_KEYS",
    }
    assert len(lines["SECRET_KEY"]) > 50


@pytest.mark.parametrize("ring", ["credentials", "passwords"])
def test_one_ring_can_be_had_alone(ring: str) -> None:
    lines = generate("--ring", ring)

    assert set(lines) == {f"{ring.upper()}_PUBLIC_KEY", f"{ring.upper()}_PRIVATE_KEYS"}


def test_keys_are_new_each_time() -> None:
    assert not set(generate().values()) & set(generate().values())


def test_a_broken_key_does_not_keep_it_from_running(settings: Settings) -> None:
    settings.PASSWORDS_PUBLIC_KEY = "nonsense"

    assert generate("--ring", "passwords")["PASSWORDS_PUBLIC_KEY"].startswith("v1.")
