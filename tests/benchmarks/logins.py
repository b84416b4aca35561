"""A login as a browser sends it, in whichever installation this process is one of."""

from __future__ import annotations

from typing import Any, Final
from unittest import mock

import argon2
from django.test import Client

from tests.benchmarks.figures import cpu

PASSWORD: Final = "Correct-Horse-7-Battery"
"""Everybody's, in every installation."""


def cpu_of_login(email: str) -> float:
    """Get the CPU milliseconds of a login by form, less those of its one Argon2.

    Argon2 is the same in every installation, takes ten times as long as all the rest, and differs
    by more than that from one time to the next.
    """
    client, answers, hashes = Client(), [], []
    verify = argon2.PasswordHasher.verify

    def timed(*args: Any) -> bool:
        hashes.append(cpu(lambda: verify(*args)))
        return True

    with mock.patch.object(argon2.PasswordHasher, "verify", timed):
        taken = cpu(lambda: answers.append(post(client, email)))
    if answers[0].status_code != 302 or "sessionid" not in client.cookies or len(hashes) != 1:
        raise AssertionError(f"{email} could not log in, or with {len(hashes)} hashes.")
    return taken - hashes[0]


def post(client: Client, email: str) -> Any:
    return client.post("/login/", {"login": email, "password": PASSWORD})
