"""The admin of directories: credentials go in as a file and never come out."""

from __future__ import annotations

import json
from typing import Any

import pytest
from django.core.files.uploadedfile import SimpleUploadedFile
from django.test import Client

from accounts.models import User
from directories.models import Directory
from tests.admin.conftest import Act, said
from tests.factories import BindingFactory, DirectoryFactory, SyncJobFactory

GUID = "11111111-1111-1111-1111-111111111111"
CREDENTIALS = {"tenant_id": GUID, "client_id": GUID, "client_secret": "a-canary-secret"}
ADD = "/admin/directories/directory/add/"


def file_of(content: object) -> SimpleUploadedFile:
    return SimpleUploadedFile("credentials.json", json.dumps(content).encode())


def entra(**changes: Any) -> dict[str, Any]:
    return {
        "name": "Microsoft 365",
        "kind": "microsoft_entra",
        "domain": "Example.com",
        "credentials_file": file_of(CREDENTIALS),
        **changes,
    }


def errors(response: Any) -> dict[str, list[str]]:
    found: dict[str, list[str]] = response.context["adminform"].form.errors
    return found


def test_directory_is_added_with_sealed_credentials(as_operator: Client) -> None:
    response = as_operator.post(ADD, entra(), follow=True)

    directory = Directory.objects.get()
    assert directory.domain == "example.com"
    assert directory.check_requested_at is not None
    assert directory.credentials
    assert b"canary" not in bytes(directory.credentials)
    assert "A worker checks the connection now" in " ".join(said(response))


@pytest.mark.parametrize(
    ("changes", "field"),
    [
        ({"credentials_file": file_of({"type": "a-canary-secret"})}, "credentials_file"),
        ({"credentials_file": SimpleUploadedFile("c.json", b"x" * 65537)}, "credentials_file"),
        ({"credentials_file": ""}, "credentials_file"),
        ({"admin_email": "it@example.com"}, "admin_email"),
        ({"kind": "google_workspace"}, "admin_email"),
        ({"domain": ""}, "domain"),
    ],
    ids=["other file", "large file", "no file", "needless admin", "no admin", "no domain"],
)
def test_what_is_wrong_is_said_at_its_field(
    as_operator: Client, changes: dict[str, Any], field: str
) -> None:
    response = as_operator.post(ADD, entra(**changes))

    assert list(errors(response)) == [field]
    assert "canary" not in response.text
    assert not Directory.objects.exists()


def test_new_credentials_replace_the_old(as_operator: Client) -> None:
    directory = DirectoryFactory(entra=True)
    url = f"/admin/directories/directory/{directory.pk}/change/"

    as_operator.post(url, {"name": directory.name, "credentials_file": file_of(CREDENTIALS)})

    changed = Directory.objects.get()
    assert changed.credentials != directory.credentials
    assert changed.check_requested_at is not None


def test_saving_leaves_credentials_kind_domain_and_lease_alone(as_operator: Client) -> None:
    directory = DirectoryFactory(entra=True, credentials=b"sealed")
    url = f"/admin/directories/directory/{directory.pk}/change/"

    as_operator.post(
        url, {"name": "New name", "kind": "google_workspace", "domain": "evil.example"}
    )

    changed = Directory.objects.get()
    assert (changed.name, changed.kind, changed.domain) == (
        "New name",
        "microsoft_entra",
        "example.com",
    )
    assert bytes(changed.credentials) == b"sealed"
    assert changed.check_requested_at is None


def test_administrator_over_there_cannot_be_left_out(as_operator: Client) -> None:
    directory = DirectoryFactory()
    url = f"/admin/directories/directory/{directory.pk}/change/"

    response = as_operator.post(url, {"name": directory.name, "admin_email": ""})

    assert list(errors(response)) == ["admin_email"]


def test_another_administrator_over_there_is_checked(as_operator: Client) -> None:
    directory = DirectoryFactory()
    url = f"/admin/directories/directory/{directory.pk}/change/"

    as_operator.post(url, {"name": directory.name, "admin_email": "other@example.com"})

    directory.refresh_from_db()
    assert directory.admin_email == "other@example.com"
    assert directory.check_requested_at is not None


@pytest.mark.parametrize(
    ("client_of", "is_allowed"), [("operator", False), ("administrator", True)]
)
def test_only_administrators_allow_privileged_accounts(
    request: pytest.FixtureRequest, client_of: str, is_allowed: bool
) -> None:
    client = request.getfixturevalue(f"as_{client_of}")

    client.post(ADD, entra(allows_privileged="on"))

    assert Directory.objects.get().allows_privileged is is_allowed


def test_page_tells_why_a_directory_is_paused_and_shows_no_credentials(
    as_operator: Client,
) -> None:
    directory = DirectoryFactory(paused=True, credentials=b"sealed-canary")

    page = as_operator.get(f"/admin/directories/directory/{directory.pk}/change/").text

    assert "The secret has expired." in page
    assert "C0example" in page
    assert "canary" not in page


def test_check_is_requested_from_list_and_page_alike(as_operator: Client) -> None:
    directory = BindingFactory().directory
    page = as_operator.get(f"/admin/directories/directory/{directory.pk}/check/")

    done = Act(as_operator, "directories_directory").agree("check_now", directory)

    directory.refresh_from_db()
    assert page.context["action_url"] == "/admin/directories/directory/"
    assert directory.check_requested_at is not None
    assert "1 done" in said(done)[0]


def test_looking_at_the_question_does_nothing(as_operator: Client) -> None:
    directory = DirectoryFactory()

    as_operator.get(f"/admin/directories/directory/{directory.pk}/check/")

    directory.refresh_from_db()
    assert directory.check_requested_at is None


def test_operator_pauses_and_resumes(as_operator: Client, operator: User) -> None:
    directory = DirectoryFactory()
    act = Act(as_operator, "directories_directory")

    act.agree("pause", directory, reason="Migration")

    directory.refresh_from_db()
    assert (directory.paused_by, directory.paused_reason) == (operator, "Migration")
    assert directory.is_paused
    page = as_operator.get(f"/admin/directories/directory/{directory.pk}/resume/")
    assert page.context["action"] == "resume"
    assert offered(as_operator, directory) == {"Check now", "Resume", "What is sent"}

    act.agree("resume", directory)

    directory.refresh_from_db()
    assert (directory.is_paused, directory.paused_by) == (False, None)
    assert offered(as_operator, directory) == {"Check now", "Pause", "What is sent"}


def offered(operator: Client, directory: Directory) -> set[str]:
    """Get the actions that a directory's page offers."""
    page = operator.get(f"/admin/directories/directory/{directory.pk}/change/")
    return {str(action["title"]) for action in page.context["actions_detail"]}


def test_scan_that_fails_shows(as_operator: Client) -> None:
    directory = DirectoryFactory()
    addresses = [
        "/admin/directories/directory/",
        f"/admin/directories/directory/{directory.pk}/change/",
    ]
    before = [as_operator.get(address).text for address in addresses]

    Directory.objects.update(scan_problem="It did not answer.")

    for address, text in zip(addresses, before, strict=True):
        assert "It did not answer." not in text
        assert "It did not answer." in as_operator.get(address).text


def test_pause_needs_a_reason_and_both_skip_what_is_so_already(as_operator: Client) -> None:
    directory = DirectoryFactory()

    asked = as_operator.get(f"/admin/directories/directory/{directory.pk}/pause/")
    resumed = Act(as_operator, "directories_directory").ask("resume", directory)

    assert b'name="reason"' in asked.content
    assert b"There is nothing to do" in resumed.content
    directory.refresh_from_db()
    assert not directory.is_paused


def test_page_says_how_many_fit_and_warns_where_more_wait(as_operator: Client) -> None:
    directory = DirectoryFactory(requests_per_minute=1)
    url = f"/admin/directories/directory/{directory.pk}/change/"
    before = as_operator.get(url).text

    for _ in range(60):
        SyncJobFactory(queued=True, binding__directory=directory)

    assert "59 passwords can be sent before a sealed one expires. Queued now: 0." in before
    assert "More passwords are queued" not in before
    assert "More passwords are queued" in as_operator.get(url).text
    assert "More passwords are queued" in as_operator.get("/admin/directories/directory/").text
