"""One password, every directory's rules: what we say, what we send, what the sandbox takes."""

from __future__ import annotations

from itertools import product

import pytest
from django.contrib.auth.password_validation import validate_password
from django.core.exceptions import ValidationError
from django.utils import timezone
from pytest_django import DjangoAssertNumQueries, Settings

from accounts.models import User
from directories.connectors import CONNECTORS
from directories.connectors.password_rules import Broken
from directories.password_rules import BoundDirectoriesValidator, rules_for
from directories.sandbox.passwords import PasswordKeeper, accept_google_password, entra_accepts
from tests.factories import BindingFactory, DirectoryFactory, UserFactory

pytestmark = pytest.mark.django_db

GOOGLE, ENTRA = "google_workspace", "microsoft_entra"
STEMS = (
    "meadow-lantern", "Meadow lantern", "Meadow.lantern.4", "MEADOW9LANTERN", "4711 0815 1234",
    "Meadow9grace/lamp", "Meadow9GRACE/lamp", "Meadow9bob/lamp", "Meadow9al/lamp", "gr-Ace-lamps-9",
    "Wiesen9läuft/gut", "Meadow9\U0001f33b/lamp", "\u041b\u0443\u0433-9-Meadow",
    "~`\"'\\|<>{}[]Aa1",
)  # fmt: skip
"""Passwords of each mix of classes, with and without a user name or other scripts."""
LENGTHS = (7, 8, 12, 13, 99, 100, 101, 255, 256, 257)
TABLE = [
    *STEMS,
    *(f"{start}{'z' * (length - len(start))}" for start, length in product(("A1", "a"), LENGTHS)),
]
PEOPLE = ("grace", "bob", "al")


def bound(*kinds: str, username: str = "grace") -> User:
    """Make a person who is in one directory of each kind, called by the kind."""
    person = UserFactory(username=username, given_name="", family_name="", display_name="")
    for kind in kinds:
        BindingFactory(user=person, directory=DirectoryFactory(name=kind, kind=kind))
    return person


def google_takes(password: str) -> bool:
    return accept_google_password(PasswordKeeper(), password, None) is not None


def is_accepted(password: str, person: User) -> bool:
    """Ask all the rules, as the forms do."""
    try:
        validate_password(password, person)
    except ValidationError:
        return False
    return True


def codes(person: User) -> list[str]:
    return [rule.code for rule in rules_for(person)]


def texts(person: User) -> str:
    return "\n".join(rule.text for rule in rules_for(person))


def refusals(password: str, person: User) -> list[str]:
    try:
        BoundDirectoriesValidator().validate(password, person)
    except ValidationError as error:
        return error.messages
    return []


@pytest.mark.parametrize("username", PEOPLE)
def test_what_is_accepted_is_taken_by_both_providers(username: str) -> None:
    person = bound(GOOGLE, ENTRA, username=username)

    accepted = [password for password in TABLE if is_accepted(password, person)]

    assert len(accepted) >= 5
    assert [one for one in accepted if not google_takes(one)] == []
    assert [one for one in accepted if not entra_accepts(one, person.email)] == []


@pytest.mark.parametrize("username", PEOPLE)
def test_rules_of_each_kind_are_those_of_its_provider(username: str) -> None:
    google, entra = CONNECTORS[GOOGLE].password_rules, CONNECTORS[ENTRA].password_rules

    for password in TABLE:
        is_fine = not google.broken(password, user_names=[username])
        assert is_fine == google_takes(password), password
        is_fine = not entra.broken(password, user_names=[username])
        assert is_fine == entra_accepts(password, f"{username}@example.com"), password


def test_what_no_setting_can_lift_is_refused_by_a_lenient_tenant_too() -> None:
    rules = CONNECTORS[ENTRA].password_rules

    for password in TABLE:
        may_be_sent = not rules.impossible(password)
        assert may_be_sent == entra_accepts(password, "x@example.com", is_strong=False), password


@pytest.mark.parametrize(
    ("kind", "password", "broken"),
    [
        (GOOGLE, "seven-7", [Broken.MIN_LENGTH]),
        (GOOGLE, "a" * 101, [Broken.MAX_LENGTH]),
        (GOOGLE, "tab\tinside-it", [Broken.CHARACTERS]),
        (GOOGLE, "grace-grace", []),
        (ENTRA, "only small letters", [Broken.CLASSES]),
        (ENTRA, "Not-of-gRaCe-9", [Broken.USER_NAME]),
        (ENTRA, "é", [Broken.MIN_LENGTH, Broken.CHARACTERS, Broken.CLASSES]),
        (ENTRA, "A blank counts", []),
    ],
)
def test_broken_rules_are_named(kind: str, password: str, broken: list[Broken]) -> None:
    assert CONNECTORS[kind].password_rules.broken(password, user_names=["Grace"]) == broken


@pytest.mark.parametrize(
    ("kinds", "stated"),
    [
        ((), ["min_length"]),
        ((GOOGLE,), ["min_length", "max_length", "characters"]),
        ((ENTRA,), ["min_length", "characters", "classes", "user_name"]),
        ((GOOGLE, ENTRA), ["min_length", "max_length", "characters", "classes", "user_name"]),
    ],
)
def test_rules_of_all_directories_are_stated_once(
    kinds: tuple[str, ...], stated: list[str]
) -> None:
    person = bound(*kinds)

    assert [code for code in codes(person) if code] == stated


def test_strictest_numbers_are_stated(settings: Settings) -> None:
    person = bound(GOOGLE, ENTRA)

    values = {rule.code: rule.value for rule in rules_for(person)}
    assert (values["min_length"], values["max_length"], values["classes"]) == (12, 100, 3)
    assert "At least 12 characters\nAt most 100 characters" in texts(person)

    settings.PASSWORD_MIN_LENGTH = 16
    assert "At least 16 characters" in texts(person)


def test_reused_passwords_are_mentioned_where_they_are_judged(settings: Settings) -> None:
    words = "Not one that you have had lately"

    assert words in texts(UserFactory())
    assert words not in texts(UserFactory(new=True))
    assert words not in texts(User())
    settings.PASSWORD_HISTORY = 0
    assert words not in texts(UserFactory())


def test_binding_that_ended_has_no_say() -> None:
    person = bound(ENTRA)
    person.bindings.update(ended_at=timezone.now())

    assert "classes" not in codes(person)
    assert refusals("only-small-letters", person) == []


def test_name_over_there_is_forbidden_too() -> None:
    person = bound(ENTRA)
    person.bindings.update(external_address="hopper@example.com")

    (rule,) = [rule for rule in rules_for(person) if rule.code == "user_name"]

    assert rule.value == "grace hopper"
    assert refusals("Meadow9Hopper/lamp", person)


def test_name_too_short_to_be_forbidden_is_not_stated() -> None:
    assert "user_name" not in codes(bound(ENTRA, username="al"))


def test_refusal_names_the_directories_that_want_it() -> None:
    person = bound(GOOGLE, ENTRA)

    assert refusals("meadow-läntern", person) == [
        "google_workspace and microsoft_entra: No accents, other scripts or emoji.",
        "microsoft_entra: At least 3 of these: capital letters, small letters, digits, signs.",
    ]


def test_length_that_the_portal_refuses_is_not_refused_twice() -> None:
    person = bound(GOOGLE, ENTRA)

    with pytest.raises(ValidationError) as short:
        validate_password("Aq7/", person)
    with pytest.raises(ValidationError) as long:
        validate_password("Aq7/" * 70, person)

    assert [error.code for error in short.value.error_list] == ["password_too_short"]
    assert "google_workspace: At most 100 characters." in long.value.messages
    assert not any("microsoft_entra" in message for message in long.value.messages)


def test_one_query_for_any_number_of_directories(
    django_assert_num_queries: DjangoAssertNumQueries,
) -> None:
    people = [bound(GOOGLE), bound(username="ada")]
    for number in range(10):
        directory = DirectoryFactory(name=f"Entra {number}", entra=True)
        BindingFactory(user=people[1], directory=directory)

    for person in people:
        with django_assert_num_queries(1):
            rules_for(person)
        with django_assert_num_queries(1):
            refusals("Meadow9/lantern", person)
