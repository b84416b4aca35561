"""The commands of directories: each says clearly what it did, or what to mend."""

from __future__ import annotations

import json
from io import StringIO
from pathlib import Path
from typing import Any

import pytest
from django.core.management import CommandError, call_command
from pytest_django import Settings

from directories.models import Binding, Directory
from directories.sandbox.client import Sandbox
from tests.factories import BindingFactory, DirectoryFactory, UserFactory

pytestmark = pytest.mark.django_db


def run(name: str, *arguments: str) -> str:
    out = StringIO()
    call_command(name, *arguments, stdout=out, stderr=out)
    return out.getvalue()


def write(path: Path, content: dict[str, Any]) -> str:
    path.write_text(json.dumps(content))
    return str(path)


@pytest.fixture
def google_file(sandbox: Sandbox, tmp_path: Path) -> str:
    credentials = sandbox.add_google_customer(
        domains=("example.com",), admin_email="it@example.com"
    )
    return write(tmp_path / "service-account.json", credentials)


@pytest.fixture
def entra_file(sandbox: Sandbox, tmp_path: Path) -> str:
    return write(tmp_path / "entra.json", sandbox.add_entra_tenant(domains=("example.com",)))


def test_a_google_workspace_is_added_and_found_good(google_file: str) -> None:
    added = run(
        "add_directory", "google_workspace", "Our Google", "--domain", "Example.com",
        "--credentials", google_file, "--admin-email", "it@example.com",
    )  # fmt: skip
    checked = run("check_directory", "Our Google")

    directory = Directory.objects.get(name="Our Google")
    assert "manage.py check_directory 'Our Google'" in added
    assert "'Our Google' is good" in checked
    assert "verified domains: example.com" in checked
    assert directory.tenant_id in checked
    assert directory.check_requested_at is None


def test_an_entra_tenant_is_added_and_found_good(entra_file: str) -> None:
    run(
        "add_directory", "microsoft_entra", "Entra", "--domain", "example.com",
        "--credentials", entra_file,
    )  # fmt: skip

    assert "is good" in run("check_directory", "Entra")
    assert Directory.objects.get().checked_at is not None


def test_a_check_that_fails_says_why(sandbox: Sandbox, google_file: str) -> None:
    run(
        "add_directory", "google_workspace", "Google", "--domain", "example.com",
        "--credentials", google_file, "--admin-email", "nobody@example.com",
    )  # fmt: skip

    with pytest.raises(CommandError, match=r"'Google' is not usable: .{20}") as failure:
        run("check_directory", "Google")
    assert Directory.objects.get().paused_reason in str(failure.value)


def test_without_private_keys_a_worker_is_asked(
    settings: Settings, woken: list[int], django_capture_on_commit_callbacks: Any
) -> None:
    settings.CREDENTIALS_PRIVATE_KEYS = ""
    directory = DirectoryFactory(name="Google")

    with django_capture_on_commit_callbacks(execute=True):
        said = run("check_directory", "Google")

    directory.refresh_from_db()
    assert "a worker will check" in said
    assert directory.check_requested_at is not None
    assert woken == [directory.pk]


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["google_workspace", "X", "--domain", "example.com"], "admin email: "),
        (
            ["microsoft_entra", "X", "--domain", "example.com", "--admin-email", "it@example.com"],
            "admin email: ",
        ),
        (["microsoft_entra", "X", "--domain", "example.com"], "credentials: "),
        (["microsoft_entra", "Taken", "--domain", "example.com"], ""),
    ],
)
def test_what_is_wrong_with_a_directory_is_named(
    arguments: list[str], message: str, tmp_path: Path
) -> None:
    DirectoryFactory(name="Taken")
    file = write(tmp_path / "credentials.json", {})

    with pytest.raises(CommandError, match=f"^{message}"):
        run("add_directory", *arguments, "--credentials", file)

    assert Directory.objects.count() == 1


def test_a_name_that_is_taken_is_refused(entra_file: str) -> None:
    DirectoryFactory(name="Taken")

    with pytest.raises(CommandError, match="^name: .* already exists"):
        run(
            "add_directory", "microsoft_entra", "Taken", "--domain", "example.com",
            "--credentials", entra_file,
        )  # fmt: skip


def test_a_missing_credentials_file_is_named(tmp_path: Path) -> None:
    file = str(tmp_path / "no.json")

    with pytest.raises(CommandError, match=r"no\.json cannot be read: No such file"):
        run("add_directory", "microsoft_entra", "X", "--domain", "e.com", "--credentials", file)


@pytest.mark.parametrize(
    "arguments",
    [
        ["check_directory", "Gogle"],
        ["bind", "Gogle", "--all"],
        ["unbind", "Gogle", "--all"],
        ["takeover_status", "--directory", "Gogle"],
    ],
)
def test_an_unknown_directory_is_answered_with_the_names_there_are(arguments: list[str]) -> None:
    DirectoryFactory(name="Google"), DirectoryFactory(name="Entra")

    with pytest.raises(CommandError, match="no directory 'Gogle'. There are: 'Entra', 'Google'"):
        run(*arguments)


def test_people_are_bound_by_e_mail_and_who_is_unknown_is_reported() -> None:
    directory = DirectoryFactory(name="Google")
    BindingFactory(directory=directory, user__username="edith")
    UserFactory(username="grace")
    out = StringIO()

    with pytest.raises(CommandError) as failure:
        call_command(
            "bind", "Google", "--user", "Grace@example.com", "edith@example.com",
            "--user", "who@example.com", "grace@example.com", stdout=out, stderr=out,
        )  # fmt: skip

    assert failure.value.returncode == 1
    assert out.getvalue().splitlines() == [
        "bound: grace@example.com",
        "already bound: edith@example.com",
        "unknown: who@example.com",
    ]
    assert directory.bindings.filter(user__username="grace").exists()


def test_all_are_those_who_are_staged_or_active() -> None:
    directory = DirectoryFactory(name="Google")
    UserFactory(username="active"), UserFactory(staged=True, username="staged")
    UserFactory(suspended=True)

    assert run("bind", "Google", "--all") == "bound 2, already bound 0\n"
    assert run("bind", "Google", "--all") == "bound 0, already bound 2\n"
    assert list(directory.bindings.values_list("user__username", flat=True)) == ["active", "staged"]


def test_people_are_unbound_by_e_mail() -> None:
    directory = DirectoryFactory(name="Google")
    for username in ("grace", "edith"):
        BindingFactory(directory=directory, user__username=username)
    UserFactory(username="linus")

    said = run("unbind", "Google", "--user", "grace@example.com", "linus@example.com")

    live = Binding.objects.filter(Binding.LIVE)
    assert said.splitlines() == ["unbound: grace@example.com", "not bound: linus@example.com"]
    assert live.get().user.username == "edith"


def test_everybody_is_unbound_from_one_directory() -> None:
    directory = DirectoryFactory(name="Google")
    BindingFactory.create_batch(3, directory=directory)
    other = BindingFactory()

    assert run("unbind", "Google", "--all") == "unbound 3\n"
    assert list(Binding.objects.filter(Binding.LIVE)) == [other]


def test_an_unbind_of_somebody_unknown_ends_with_1() -> None:
    DirectoryFactory(name="Google")

    with pytest.raises(CommandError, match="Nobody has that company e-mail"):
        run("unbind", "Google", "--user", "who@example.com")
