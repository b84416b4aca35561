from __future__ import annotations

import os
import time
from datetime import timedelta
from pathlib import Path

import pytest
from pytest_django import Settings

from accounts import key_rotation
from accounts.key_files import write_secret
from accounts.key_pairs import PrivateKey
from accounts.sealing import PASSWORDS, KeyGoneError, seal, unseal
from accounts.tasks import rotate_password_keys
from config import embedded


@pytest.fixture
def keys(settings: Settings, tmp_path: Path) -> Path:
    """The keys of an embedded installation that was made just now."""
    embedded.make_data_dir(tmp_path)
    embedded.make_keys(tmp_path / "keys")
    settings.DATA_DIR = tmp_path
    settings.PASSWORDS_PUBLIC_KEY = tmp_path / "keys" / "PASSWORDS_PUBLIC_KEY"
    settings.PASSWORDS_PRIVATE_KEYS = tmp_path / "keys" / "PASSWORDS_PRIVATE_KEYS"
    return tmp_path / "keys"


def grow_older(keys: Path, by: timedelta) -> None:
    at = time.time() - by.total_seconds()
    os.utime(keys / "PASSWORDS_PUBLIC_KEY", (at, at))


def private_keys(keys: Path) -> list[str]:
    return (keys / "PASSWORDS_PRIVATE_KEYS").read_text().split()


def test_a_young_key_stays(keys: Path) -> None:
    grow_older(keys, timedelta(hours=23))
    before = private_keys(keys)

    assert not key_rotation.rotate()
    assert private_keys(keys) == before


def test_after_a_day_there_is_a_new_key_and_what_waits_can_still_be_opened(keys: Path) -> None:
    waiting = seal(PASSWORDS, b"secret", info=b"")
    grow_older(keys, timedelta(hours=25))

    assert key_rotation.rotate()

    assert len(private_keys(keys)) == 2
    assert unseal(PASSWORDS, waiting, info=b"") == b"secret"
    assert unseal(PASSWORDS, seal(PASSWORDS, b"new", info=b""), info=b"") == b"new"
    assert not key_rotation.rotate()


def test_the_old_key_goes_an_hour_after_the_last_thing_it_opens(keys: Path) -> None:
    waiting = seal(PASSWORDS, b"secret", info=b"")
    grow_older(keys, timedelta(hours=25))
    key_rotation.rotate()

    grow_older(keys, timedelta(hours=2, minutes=9))
    key_rotation.rotate()
    assert len(private_keys(keys)) == 2

    grow_older(keys, timedelta(hours=2, minutes=11))
    key_rotation.rotate()
    assert len(private_keys(keys)) == 1
    with pytest.raises(KeyGoneError):
        unseal(PASSWORDS, waiting, info=b"")
    assert unseal(PASSWORDS, seal(PASSWORDS, b"new", info=b""), info=b"") == b"new"


def test_a_long_life_of_passwords_does_not_pile_keys_up(keys: Path, settings: Settings) -> None:
    settings.PASSWORD_SEAL_TTL = timedelta(hours=30)

    for _ in range(3):
        grow_older(keys, timedelta(hours=25))
        key_rotation.rotate()
        grow_older(keys, timedelta(hours=32))
        key_rotation.rotate()

    assert len(private_keys(keys)) == 2


def test_a_key_that_was_made_but_never_published_opens_nothing_and_goes(keys: Path) -> None:
    (current,) = private_keys(keys)
    stray = PrivateKey.generate().to_text()
    write_secret(keys / "PASSWORDS_PRIVATE_KEYS", f"{stray} {current}")
    grow_older(keys, timedelta(hours=3))

    key_rotation.rotate()

    assert private_keys(keys) == [current]


def test_the_files_stay_their_owners_alone(keys: Path) -> None:
    grow_older(keys, timedelta(hours=25))

    rotate_password_keys(something_newer=1)

    modes = {path.stat().st_mode & 0o777 for path in keys.glob("PASSWORDS_*")}
    assert modes == {0o600}


def test_keys_that_cannot_be_read_stay_as_they_are(
    keys: Path, caplog: pytest.LogCaptureFixture
) -> None:
    write_secret(keys / "PASSWORDS_PRIVATE_KEYS", "nonsense")
    grow_older(keys, timedelta(hours=25))

    assert not key_rotation.rotate()
    assert private_keys(keys) == ["nonsense"]
    assert "cannot be rotated" in caplog.text


def test_production_is_left_alone(keys: Path, settings: Settings) -> None:
    settings.EMBEDDED = False
    grow_older(keys, timedelta(days=9))

    assert not key_rotation.rotate()
    assert len(private_keys(keys)) == 1
