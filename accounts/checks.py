"""System checks: what is missing or wrong at start, with a hint what to do."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from django.core.checks import CheckMessage, Error, register

from accounts.key_pairs import KeyFormatError
from accounts.sealing import CREDENTIALS, PASSWORDS, KeyMissingError, Ring


@register
def check_sealing_keys(app_configs: Any, **kwargs: Any) -> Sequence[CheckMessage]:
    """Check that both rings can seal, and that their private keys, if any, are readable."""
    return [message for ring in (CREDENTIALS, PASSWORDS) for message in _check_ring(ring)]


def _check_ring(ring: Ring) -> list[CheckMessage]:
    hint = "`manage.py generate_keys` prints a new pair."
    try:
        public_key = ring.public_key()
    except KeyMissingError as error:
        return [Error(str(error), hint=hint, id="accounts.E001")]
    except KeyFormatError as error:
        return [Error(f"{ring.public_setting}: {error}", hint=hint, id="accounts.E002")]
    try:
        private_keys = ring.private_keys()
    except KeyFormatError as error:
        return [Error(f"{ring.private_setting}: {error}", hint=hint, id="accounts.E003")]
    if private_keys and public_key.key_id not in private_keys:
        return [
            Error(
                f"{ring.private_setting} cannot open what is sealed to {ring.public_setting}.",
                hint="Put the private key that belongs to the public one first in the list.",
                id="accounts.E004",
            )
        ]
    return []
