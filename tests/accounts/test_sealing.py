import json
from datetime import timedelta
from pathlib import Path

import pytest
from django.conf import settings
from django.utils import timezone

from accounts import sealing
from accounts.key_pairs import KeyFormatError, PrivateKey, PublicKey
from accounts.models import User
from tests.factories import PASSWORD, UserFactory
from tests.production import least_settings, new_keys, run_program

KNOWN_ANSWERS = Path(__file__).with_name("known_answers.json")

pytestmark = pytest.mark.django_db


def test_a_worker_opens_what_was_sealed():
    user = UserFactory()

    sealed = sealing.seal_password(PASSWORD, user=user)

    assert sealing.open_password(sealed, user=user) == PASSWORD


def test_a_known_answer_still_opens():
    known = json.loads(KNOWN_ANSWERS.read_text())
    key = PrivateKey.from_text(known["private_key"])

    framed = sealing.SUITE.decrypt(
        bytes.fromhex(known["sealed"])[1 + len(key.public_key().key_id) :],
        key.hpke,
        info=bytes.fromhex(known["info"]),
    )

    assert key.public_key().to_text() == known["public_key"]
    assert framed[2 : 2 + len(known["plaintext"])].decode() == known["plaintext"]


def test_a_seal_is_equally_long_for_every_password():
    user = UserFactory()

    lengths = {
        len(sealing.seal_password(password, user=user).ciphertext)
        for password in ("x", "é" * 255, "p" * 256)
    }

    assert len(lengths) == 1


def test_a_seal_does_not_open_for_somebody_else():
    user, other = UserFactory(), UserFactory()
    sealed = sealing.seal_password(PASSWORD, user=user)

    with pytest.raises(sealing.AlteredError):
        sealing.open_password(sealed, user=other)


@pytest.mark.parametrize("field", ["sealed_id", "sealed_at", "ciphertext"])
def test_a_seal_does_not_open_when_a_column_was_altered(field):
    user = UserFactory()
    sealed = sealing.seal_password(PASSWORD, user=user)
    other = sealing.seal_password(PASSWORD, user=user)
    if field == "ciphertext":
        sealed.ciphertext = sealed.ciphertext[:-1] + bytes([sealed.ciphertext[-1] ^ 1])
    else:
        setattr(sealed, field, getattr(other, field))

    with pytest.raises(sealing.AlteredError):
        sealing.open_password(sealed, user=user)


def test_a_seal_of_an_older_password_is_stale():
    user = UserFactory()
    sealed = sealing.seal_password(PASSWORD, user=user)

    user.password_version += 1

    with pytest.raises(sealing.PasswordStaleError):
        sealing.open_password(sealed, user=user)


def test_a_seal_of_a_suspended_person_is_stale():
    user = UserFactory()
    sealed = sealing.seal_password(PASSWORD, user=user)

    user.state = User.State.SUSPENDED

    with pytest.raises(sealing.PasswordStaleError):
        sealing.open_password(sealed, user=user)


def test_a_seal_expires():
    user = UserFactory()
    sealed = sealing.seal_password(PASSWORD, user=user)

    sealed.sealed_at = timezone.now() - settings.PASSWORD_SEAL_TTL - timedelta(seconds=1)

    with pytest.raises(sealing.PasswordExpiredError):
        sealing.open_password(sealed, user=user)


def test_a_key_that_is_gone_differs_from_an_altered_seal(settings):
    user = UserFactory()
    sealed = sealing.seal_password(PASSWORD, user=user)

    settings.PASSWORDS_PRIVATE_KEYS = PrivateKey.generate().to_text()

    with pytest.raises(sealing.KeyGoneError):
        sealing.open_password(sealed, user=user)


def test_an_old_private_key_behind_the_new_one_still_opens(settings):
    old, new = PrivateKey.generate(), PrivateKey.generate()
    settings.PASSWORDS_PUBLIC_KEY = old.public_key().to_text()
    user = UserFactory()
    sealed = sealing.seal_password(PASSWORD, user=user)

    settings.PASSWORDS_PRIVATE_KEYS = f"{new.to_text()},{old.to_text()}"

    assert sealing.open_password(sealed, user=user) == PASSWORD


def test_a_changed_key_file_is_read_again(settings, tmp_path):
    first, second = PrivateKey.generate(), PrivateKey.generate()
    settings.PASSWORDS_PUBLIC_KEY = path = tmp_path / "key"
    path.write_text(first.public_key().to_text())
    assert sealing.PASSWORDS.public_key() == first.public_key()

    path.write_text(second.public_key().to_text())

    assert sealing.PASSWORDS.public_key() == second.public_key()


def test_a_web_process_cannot_open_what_it_stores(tmp_path):
    """A process with the web tier's environment seals and then fails to open."""
    public_keys, _private_keys = new_keys()
    environment = least_settings(tmp_path, DJANGO_SETTINGS_MODULE="config.settings", **public_keys)
    program = """
import django; django.setup()
from accounts.models import User
from accounts.sealing import KeyMissingError, open_password, seal_password
user = User(pk=1, state="active", password_version=1)
sealed = seal_password("clear", user=user)
try:
    open_password(sealed, user=user)
except KeyMissingError:
    print("cannot open", len(sealed.ciphertext) > 1000)
"""

    done = run_program(program, environment)

    assert done.stdout.strip() == "cannot open True", done.stderr


@pytest.mark.parametrize("text", ["", "v1.", "v2.AAAA", "v1.***", "v1." + "A" * 20])
def test_a_malformed_key_is_named_as_such(text):
    with pytest.raises(KeyFormatError, match="generate_keys"):
        PublicKey.from_text(text)


@pytest.mark.parametrize(
    ("password", "fits"),
    [
        ("p" * 256, True),
        ("p" * 257, False),
        ("🔑" * 127, True),
        ("🔑" * 128, False),
        ("a\nb", False),
    ],
)
def test_only_what_fits_is_sealable(password, fits):
    assert sealing.is_sealable(password) is fits


def test_a_sealed_password_shows_nothing_in_its_representation():
    user = UserFactory()

    sealed = sealing.seal_password(PASSWORD, user=user)

    assert PASSWORD not in repr(sealed) + str(vars(sealed))
