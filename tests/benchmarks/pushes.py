"""CPU of a worker for each push with a password: claim, open, send, record.

The baseline is the SDK alone, as its own documentation shows it, with the hash that Google gets
and a connection that is kept; in the same process, in turn with the drains.
"""

from __future__ import annotations

import asyncio
import json
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager
from typing import Final
from urllib.parse import urljoin, urlsplit

import google_auth_httplib2
import httplib2
from azure.identity.aio import ClientSecretCredential
from google.oauth2 import service_account
from googleapiclient import discovery, discovery_cache
from kiota_authentication_azure.azure_identity_authentication_provider import (
    AzureIdentityAuthenticationProvider,
)
from msgraph.generated.models.password_profile import PasswordProfile
from msgraph.generated.models.user import User
from msgraph.graph_request_adapter import GraphRequestAdapter
from msgraph.graph_service_client import GraphServiceClient
from passlib.hash import sha512_crypt

from directories.models import Directory
from directories.sandbox.client import Sandbox
from passwordsync.drain import drain
from passwordsync.models import Status, SyncJob
from tests.benchmarks import people
from tests.benchmarks.figures import Figure, cpu
from tests.benchmarks.installation import Installation
from tests.benchmarks.logins import PASSWORD

ROUNDS: Final = 4
DOMAIN: Final = "bare.example"
Bare = Callable[[Sandbox], AbstractContextManager[Callable[[], object]]]


def measure(installation: Installation, *, is_full: bool) -> list[Figure]:
    """Push to each provider in turn with its SDK alone."""
    sandbox, each = installation.sandbox, 200 if is_full else 40
    return [
        _compare(sandbox, people.google(sandbox), _bare_google, each),
        _compare(sandbox, people.entra(sandbox), _bare_microsoft, each),
    ]


def _compare(sandbox: Sandbox, directory: Directory, bare: Bare, each: int) -> Figure:
    everybody = people.add_people(each, first=directory.pk * people.APART)
    bindings = people.bind(everybody, directory, sandbox=sandbox)
    ours, theirs = 0.0, 0.0
    with bare(sandbox) as push:
        for number in range(ROUNDS + 1):
            people.queue_passwords(bindings)
            taken = cpu(lambda: drain(directory.pk))
            taken_bare = cpu(lambda: [push() for _ in bindings])
            if number:  # the first one also imports and connects
                ours, theirs = ours + taken, theirs + taken_bare
    pushed = SyncJob.objects.filter(binding__in=bindings, status=Status.SUCCEEDED).count()
    if pushed != each * (ROUNDS + 1):
        raise AssertionError(f"{pushed} of {each * (ROUNDS + 1)} pushes succeeded.")
    return Figure(
        what=f"worker CPU of a push, {directory.get_kind_display()}",
        measured=ours / each / ROUNDS,
        unit="ms",
        baseline=theirs / each / ROUNDS,
        at_most_times=1.5,
    )


@contextmanager
def _bare_google(sandbox: Sandbox) -> Iterator[Callable[[], object]]:
    key = sandbox.add_google_customer(domains=(DOMAIN,), admin_email=f"it@{DOMAIN}")
    account = sandbox.add_google_user(f"grace@{DOMAIN}")
    credentials = service_account.Credentials.from_service_account_info(
        key,
        scopes=["https://www.googleapis.com/auth/admin.directory.user"],
        subject=f"it@{DOMAIN}",
    )
    document = json.loads(discovery_cache.get_static_doc("admin", "directory_v1"))
    document["rootUrl"] = urljoin(sandbox.google, "/")
    http = google_auth_httplib2.AuthorizedHttp(credentials, http=httplib2.Http())
    users = discovery.build_from_document(document, http=http).users()

    def push() -> object:
        return users.update(
            userKey=account,
            body={
                "name": {"givenName": "Grace", "familyName": "Okafor", "displayName": "Grace"},
                "password": sha512_crypt.using(rounds=10_000).hash(PASSWORD),
                "hashFunction": "crypt",
                "changePasswordAtNextLogin": False,
            },
            fields="id",
        ).execute()

    yield push
    http.close()


@contextmanager
def _bare_microsoft(sandbox: Sandbox) -> Iterator[Callable[[], object]]:
    tenant = sandbox.add_entra_tenant(domains=(DOMAIN,))
    account = sandbox.add_entra_user(f"grace@{DOMAIN}")
    with asyncio.Runner() as runner:
        credential = ClientSecretCredential(
            tenant["tenant_id"],
            tenant["client_id"],
            tenant["client_secret"],
            authority=sandbox.login,
            disable_instance_discovery=True,
            connection_verify=sandbox.ca_bundle,
        )
        authentication = AzureIdentityAuthenticationProvider(
            credential,
            scopes=["https://graph.microsoft.com/.default"],
            allowed_hosts=[urlsplit(sandbox.graph).hostname or ""],
        )
        adapter = GraphRequestAdapter(authentication)
        adapter.base_url = f"{sandbox.graph}/v1.0"
        client = GraphServiceClient(request_adapter=adapter)

        def push() -> object:
            user = User(
                given_name="Grace",
                surname="Okafor",
                display_name="Grace",
                password_profile=PasswordProfile(
                    password=PASSWORD, force_change_password_next_sign_in=False
                ),
            )
            return runner.run(client.users.by_user_id(account).patch(user))

        yield push
        runner.run(credential.close())
