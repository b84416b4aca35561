"""Bindings of an earlier system: whatever their status there, the next login takes them over."""

from __future__ import annotations

import pytest
from django.core.management import CommandError, call_command
from django.test import Client
from pytest_django import DjangoAssertNumQueries

from accounts.csv_tables import TableError
from accounts.models import User
from directories.importing import Report, import_bindings
from directories.models import Binding
from passwordsync import due
from portal.models import Mail
from tests.conftest import Company
from tests.factories import PASSWORD, DirectoryFactory, UserFactory

pytestmark = pytest.mark.django_db


def run(*lines: str, is_check: bool = False) -> Report:
    content = "\n".join(("user,directory,account,external_id,status", *lines)).encode()
    return import_bindings(content, actor=None, is_check=is_check)


@pytest.fixture
def grace() -> User:
    DirectoryFactory(name="Mail")
    return UserFactory(username="grace")


@pytest.mark.parametrize("status", ["", "ACTIVE", "PASSWORD_RESET_REQUIRED", "locked out"])
def test_binding_is_never_taken_over_whatever_it_was(grace: User, status: str) -> None:
    report = run(f"grace,Mail,,1234,{status}")

    binding = Binding.objects.get()
    assert report == Report(bound=1)
    assert due.reason(binding) == "never"
    assert (binding.claimed_external_id, binding.external_id) == ("1234", "")
    assert binding.note == status


def test_same_file_again_changes_nothing(grace: User) -> None:
    run("grace,Mail,,1234,")

    assert run("grace,Mail,,1234,", "GRACE@example.com,Mail,,,") == Report(
        unchanged=1,
        problems=[*run("grace,Mail,,,", "GRACE@example.com,Mail,,,").problems],
    )
    assert Binding.objects.count() == Mail.objects.count() == 1


def test_bad_rows_are_reported_and_the_others_imported(grace: User) -> None:
    report = run(
        "nobody,Mail,,,",
        "grace,Nowhere,,,",
        ",Mail,,,",
        "grace,Mail,ceo@example.com,,",
        "grace,Mail",
        f"grace,Mail,,{'x' * 129},",
        "grace,Mail,Grace@Example.com,,",
        "grace@example.com,Mail,,,",
    )

    assert report.bound == 1
    assert [problem.line for problem in report.problems] == [2, 3, 4, 5, 6, 7, 9]
    assert "not named like the person's company e-mail" in report.problems[3].text


def test_check_keeps_nothing(grace: User) -> None:
    assert run("grace,Mail,,,", is_check=True) == Report(bound=1)
    assert not Binding.objects.exists()
    assert not Mail.objects.exists()


def test_file_without_its_columns_is_refused(grace: User) -> None:
    with pytest.raises(TableError, match="directory is missing"):
        import_bindings(b"user\ngrace", actor=None)


def test_command_says_what_it_did(grace: User, tmp_path, capsys) -> None:
    file = tmp_path / "bindings.csv"
    file.write_text("user;directory\ngrace;Mail\nnobody;Mail\n")

    with pytest.raises(CommandError, match="1 row was not imported"):
        call_command("import_bindings", str(file))

    output = capsys.readouterr()
    assert "bound 1, already bound 0, bad 1" in output.out
    assert "line 3: nobody has the user name" in output.err


def test_many_rows_cost_few_statements(
    grace: User, django_assert_max_num_queries: DjangoAssertNumQueries
) -> None:
    people = UserFactory.create_batch(200)

    with django_assert_max_num_queries(40):
        report = run(*(f"{person.username},Mail,,," for person in people))

    assert report.bound == 200


@pytest.mark.django_db(transaction=True)
@pytest.mark.parametrize("is_right", [True, False])
def test_worker_checks_the_claimed_account_and_the_next_login_takes_over(
    company: Company, client: Client, is_right: bool
) -> None:
    account = company.sandbox.account("grace@example.com", "google")
    external_id = account["id"] if is_right else "another-account"
    run(f"grace,Google,,{external_id},RESET_REQUIRED")
    company.drain()

    client.post("/login/", {"login": "grace", "password": PASSWORD})
    company.drain()

    binding = Binding.objects.get()
    assert company.opens(company.google) == is_right
    assert binding.is_managed == is_right
    assert binding.problem == ("" if is_right else "account_mismatch")
