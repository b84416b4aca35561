"""The portal's own password rules."""

from __future__ import annotations

from unittest.mock import patch

import pytest
from django.contrib.auth.password_validation import validate_password
from django.core.exceptions import ValidationError
from pytest_django import Settings

from accounts import password_rules
from accounts.models import PreviousPassword, User
from accounts.password_rules import NotReusedValidator, SealableValidator
from tests.factories import PASSWORD, UserFactory

pytestmark = pytest.mark.django_db


def is_reused(password: str, person: User | None) -> bool:
    try:
        NotReusedValidator().validate(password, person)
    except ValidationError as error:
        return error.code == "password_reused"
    return False


def change(person: User, *passwords: str) -> None:
    for password in passwords:
        person.set_password(password)
        person.save()


def test_present_password_is_not_chosen_again() -> None:
    person = UserFactory()

    assert is_reused(PASSWORD, person)
    assert not is_reused(PASSWORD.lower(), person)


def test_last_passwords_are_not_chosen_again_and_older_ones_may_be(settings: Settings) -> None:
    settings.PASSWORD_HISTORY = 2
    person = UserFactory()

    change(person, "meadow-one", "meadow-two", "meadow-three")

    judged = {password: is_reused(password, person) for password in (PASSWORD, "meadow-one")}
    assert judged == {PASSWORD: False, "meadow-one": True}
    assert is_reused("meadow-two", person)
    assert PreviousPassword.objects.filter(user=person).count() == 2


def test_others_passwords_may_be_chosen() -> None:
    change(UserFactory(), "meadow-one", "meadow-two")

    assert not is_reused("meadow-one", UserFactory())


def test_shorter_history_counts_at_once(settings: Settings) -> None:
    person = UserFactory()
    change(person, "meadow-one", "meadow-two")

    settings.PASSWORD_HISTORY = 1
    assert not is_reused(PASSWORD, person)
    assert is_reused("meadow-one", person)

    settings.PASSWORD_HISTORY = 0
    assert not is_reused("meadow-two", person)


def test_nothing_is_hashed_for_somebody_without_a_password() -> None:
    people = [None, User(username="new"), UserFactory(new=True)]

    with patch.object(password_rules, "check_password") as check:
        reused = [is_reused(PASSWORD, person) for person in people]

    assert reused == [False, False, False]
    assert not check.called


def test_former_password_counts_where_the_present_one_was_taken_away() -> None:
    person = UserFactory()
    change(person, "meadow-one")
    person.set_unusable_password()
    person.save()

    assert is_reused(PASSWORD, person)


@pytest.mark.parametrize(
    ("password", "is_fine"),
    [
        ("Meadow 9 lantern", True),
        ("Wiesenlicht ändert sich \U0001f33b", True),
        ("x" * 257, False),
        ("\U0001f33b" * 128, False),
        ("Meadow\x009-lantern", False),
    ],
)
def test_only_what_can_be_sealed_is_chosen(password: str, is_fine: bool) -> None:
    try:
        SealableValidator().validate(password)
    except ValidationError:
        is_sealable = False
    else:
        is_sealable = True

    assert is_sealable == is_fine


@pytest.mark.parametrize(
    ("password", "code"),
    [
        ("Meadow9-lan", "password_too_short"),
        ("1q2w3e4r5t6y", "password_too_common"),
        ("Grace.Okafor", "password_too_similar"),
        ("Meadow\x079-lantern", "password_not_sealable"),
        (PASSWORD, "password_reused"),
    ],
)
def test_each_rule_of_the_portal_is_asked(password: str, code: str) -> None:
    with pytest.raises(ValidationError) as refused:
        validate_password(password, UserFactory())

    assert code in [error.code for error in refused.value.error_list]
