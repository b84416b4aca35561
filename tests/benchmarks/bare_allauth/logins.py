"""Logins of the bare installation."""

from __future__ import annotations

from allauth.account.models import EmailAddress
from django.contrib.auth.hashers import make_password
from django.contrib.auth.models import User

from tests.benchmarks.logins import PASSWORD, cpu_of_login


def add_people(count: int) -> None:
    """Make people with the addresses that the product's have."""
    encoded = make_password(PASSWORD)
    people = User.objects.bulk_create(
        User(username=f"person{number}", email=f"person{number}@example.com", password=encoded)
        for number in range(count)
    )
    EmailAddress.objects.bulk_create(
        EmailAddress(user=user, email=user.email, verified=True, primary=True) for user in people
    )


def log_in(number: int) -> float:
    """Get the CPU milliseconds of a login."""
    return cpu_of_login(f"person{number}@example.com")
