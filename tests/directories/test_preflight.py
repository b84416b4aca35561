"""What an operator is told when a directory cannot be used, and that the other one is."""

import json

import pytest
from django.core.exceptions import ValidationError
from django.urls import reverse
from django.utils import timezone

from directories.connections import connector_for
from directories.connectors.errors import DirectoryRefusedError
from directories.models import Directory
from directories.registration import add_directory, replace_credentials, request_check
from directories.sandbox.client import Sandbox
from passwordsync.drain import drain
from passwordsync.states import State, shown
from tests.factories import PASSWORD

pytestmark = pytest.mark.django_db(transaction=True)


def broken(company, credentials):
    """Replace the tenant's credentials and let a worker look."""
    replace_credentials(directory=company.entra, credentials=json.dumps(credentials), actor=None)
    drain(company.entra.pk)
    company.entra.refresh_from_db()
    return company.entra


@pytest.mark.parametrize(
    "text",
    [
        "",
        "not json",
        "[]",
        "{}",
        '{"tenant_id": "x"}',
        '{"type": "authorized_user"}',
        "\x00",
        "{" * 9000,
    ],
)
@pytest.mark.parametrize("kind", Directory.Kind.values)
def test_a_bad_credentials_file_is_refused_with_a_sentence(kind, text):
    directory = Directory(
        kind=kind,
        name="D",
        domain="example.com",
        admin_email="it@example.com" if kind == "google_workspace" else "",
    )

    with pytest.raises(ValidationError) as refused:
        add_directory(directory=directory, credentials=text, actor=None)

    assert refused.value.message_dict["credentials"][0].endswith(".")
    assert not Directory.objects.exists()


def test_credentials_of_another_tenant_are_refused_and_nothing_stored_is_lost(company):
    company.entra.refresh_from_db()
    before = bytes(company.entra.credentials)
    other = company.sandbox.add_entra_tenant(domains=("other.example",))

    with pytest.raises(ValidationError, match="another tenant"):
        replace_credentials(directory=company.entra, credentials=json.dumps(other), actor=None)

    assert bytes(Directory.objects.get(pk=company.entra.pk).credentials) == before


def test_credentials_of_another_customer_are_refused_by_the_worker(company):
    company.google.refresh_from_db()
    pinned = company.google.tenant_id
    other = company.sandbox.add_google_customer(
        customer_id="C0other", domains=("other.example",), admin_email="it@other.example"
    )
    Directory.objects.filter(pk=company.google.pk).update(admin_email="it@other.example")
    company.google.refresh_from_db()

    replace_credentials(directory=company.google, credentials=json.dumps(other), actor=None)
    drain(company.google.pk)

    company.google.refresh_from_db()
    assert "customer" in company.google.paused_reason
    assert company.google.tenant_id == pinned


def test_a_wrong_secret_pauses_one_directory_and_serves_the_other(client, company):
    company.bind()
    company.drain()
    company.entra.refresh_from_db()
    entra = broken(
        company,
        {
            "tenant_id": company.entra.tenant_id,
            "client_id": "22222222-2222-2222-2222-222222222222",
            "client_secret": "wrong",
        },
    )

    client.post(reverse("account_login"), {"login": company.grace.email, "password": PASSWORD})
    company.drain()

    assert entra.paused_reason
    states = {
        one.binding.directory.name: one
        for one in shown(company.grace.bindings.select_related("user", "directory"))
    }
    assert states["Entra"].state == State.PAUSED
    assert states["Entra"].reason == entra.paused_reason
    assert company.opens(company.google)


def test_a_tenant_that_does_not_exist_is_named_as_such(company):
    directory = Directory(kind="microsoft_entra", name="Typo", domain="example.com")
    add_directory(
        directory=directory,
        credentials=json.dumps(
            {
                "tenant_id": "33333333-3333-3333-3333-333333333333",
                "client_id": "22222222-2222-2222-2222-222222222222",
                "client_secret": "secret",
            }
        ),
        actor=None,
    )

    drain(directory.pk)

    directory.refresh_from_db()
    assert "tenant" in directory.paused_reason.lower()


def test_a_domain_of_somebody_else_is_refused(company, sandbox: Sandbox):
    credentials = sandbox.add_google_customer(
        domains=("mine.example",), admin_email="it@mine.example"
    )
    directory = Directory(
        kind="google_workspace",
        name="Theirs",
        domain="theirs.example",
        admin_email="it@mine.example",
    )
    add_directory(directory=directory, credentials=json.dumps(credentials), actor=None)

    drain(directory.pk)

    directory.refresh_from_db()
    assert "domain" in directory.paused_reason.lower()


def test_a_new_directory_whose_endpoint_is_down_waits_and_heals(company, settings):
    graph = settings.MICROSOFT_GRAPH_ENDPOINT
    credentials = company.sandbox.add_entra_tenant(domains=("late.example",))
    directory = Directory(kind="microsoft_entra", name="Late", domain="late.example")
    settings.MICROSOFT_GRAPH_ENDPOINT = "http://127.0.0.1:9/v1.0"
    add_directory(directory=directory, credentials=json.dumps(credentials), actor=None)
    drain(directory.pk)
    directory.refresh_from_db()
    assert directory.is_paused

    settings.MICROSOFT_GRAPH_ENDPOINT = graph
    Directory.objects.filter(pk=directory.pk).update(probe_at=timezone.now())
    drain(directory.pk)

    directory.refresh_from_db()
    assert (directory.is_paused, directory.tenant_id) == (False, credentials["tenant_id"])


def test_a_failed_check_of_a_working_directory_does_not_pause_it(company, settings):
    settings.MICROSOFT_GRAPH_ENDPOINT = "http://127.0.0.1:9/v1.0"
    company.entra.refresh_from_db()

    request_check(directory=company.entra)
    drain(company.entra.pk)

    company.entra.refresh_from_db()
    assert not company.entra.is_paused


def test_credentials_are_stored_sealed(company):
    for directory in Directory.objects.all():
        assert b"private_key" not in bytes(directory.credentials)
        assert b"client_secret" not in bytes(directory.credentials)


def test_sealed_credentials_do_not_open_in_another_row(company):
    google, entra = company.google, company.entra
    google.credentials = Directory.objects.get(pk=entra.pk).credentials

    with pytest.raises(DirectoryRefusedError):
        connector_for(google)
