"""The unmodified Graph SDK and azure-identity, with only base URL, authority and CA changed."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Coroutine
from contextlib import asynccontextmanager
from typing import Any

import pytest
from azure.core.exceptions import ClientAuthenticationError
from azure.identity.aio import CertificateCredential, ClientSecretCredential
from kiota_abstractions.base_request_configuration import RequestConfiguration
from kiota_authentication_azure.azure_identity_authentication_provider import (
    AzureIdentityAuthenticationProvider,
)
from msgraph.generated.models.o_data_errors.o_data_error import ODataError
from msgraph.generated.models.password_profile import PasswordProfile
from msgraph.generated.models.user import User
from msgraph.generated.users.users_request_builder import UsersRequestBuilder
from msgraph.graph_request_adapter import GraphRequestAdapter
from msgraph.graph_service_client import GraphServiceClient

from directories.sandbox.client import Sandbox

from .conftest import CANARY, GRAPH_SCOPE, GraphSide

pytestmark = pytest.mark.usefixtures("only_loopback")


def run(coroutine: Coroutine[Any, Any, Any]) -> Any:
    return asyncio.run(coroutine)


@asynccontextmanager
async def connect(sandbox: Sandbox, credentials: dict[str, str]) -> AsyncIterator[Any]:
    options: dict[str, Any] = {
        "authority": sandbox.login,
        "disable_instance_discovery": True,
        "connection_verify": sandbox.ca_bundle,
    }
    tenant_id, client_id = credentials["tenant_id"], credentials["client_id"]
    credential: Any
    if "certificate" in credentials:
        pem = credentials["certificate"].encode()
        credential = CertificateCredential(tenant_id, client_id, certificate_data=pem, **options)
    else:
        secret = credentials["client_secret"]
        credential = ClientSecretCredential(tenant_id, client_id, secret, **options)
    provider = AzureIdentityAuthenticationProvider(
        credential, scopes=[GRAPH_SCOPE], allowed_hosts=["127.0.0.1"]
    )
    adapter = GraphRequestAdapter(provider)
    adapter.base_url = f"{sandbox.graph}/v1.0"
    async with credential:
        yield GraphServiceClient(request_adapter=adapter)


def with_password(password: str) -> User:
    profile = PasswordProfile(password=password, force_change_password_next_sign_in=False)
    return User(given_name="G", password_profile=profile)


def test_patch_sets_the_password(graph: GraphSide) -> None:
    async def act() -> None:
        async with connect(graph.sandbox, graph.credentials) as client:
            await client.users.by_user_id(graph.user_id).patch(with_password(CANARY))

    run(act())

    assert graph.sandbox.opens("microsoft", "grace@example.com", CANARY)
    assert not graph.account()["must_change_password"]
    assert graph.account()["attributes"]["givenName"] == "G"


def test_certificate_signs_in(sandbox: Sandbox) -> None:
    credentials = sandbox.add_entra_tenant(with_certificate=True)
    user_id = sandbox.add_entra_user("grace@example.com")

    async def act() -> None:
        async with connect(sandbox, credentials) as client:
            await client.users.by_user_id(user_id).patch(with_password(CANARY))

    run(act())

    assert sandbox.opens("microsoft", user_id, CANARY)


def test_wrong_secret_is_an_authentication_error(graph: GraphSide) -> None:
    async def act() -> None:
        wrong = {**graph.credentials, "client_secret": "wrong"}
        async with connect(graph.sandbox, wrong) as client:
            await client.users.by_user_id(graph.user_id).patch(with_password(CANARY))

    with pytest.raises(ClientAuthenticationError, match="AADSTS7000215"):
        run(act())


def test_get_list_and_delta(graph: GraphSide) -> None:
    for number in range(4):
        graph.sandbox.add_entra_user(f"u{number}@example.com")
    query = UsersRequestBuilder.UsersRequestBuilderGetQueryParameters(top=2, select=["id"])

    async def act() -> tuple[Any, list[str], Any]:
        async with connect(graph.sandbox, graph.credentials) as client:
            user = await client.users.by_user_id("grace@example.com").get()
            page = await client.users.get(RequestConfiguration(query_parameters=query))
            ids = [each.id for each in page.value]
            while page.odata_next_link:
                page = await client.users.with_url(page.odata_next_link).get()
                ids += [each.id for each in page.value]
            delta = await client.users.delta.get()
            return user, ids, delta

    user, ids, delta = run(act())

    assert user.mail == "grace@example.com"
    assert len(set(ids)) == len(ids) == 5
    assert len(delta.value) == 5
    assert delta.odata_delta_link.startswith(graph.sandbox.graph)


def test_refusal_arrives_as_odata_error(graph: GraphSide) -> None:
    async def act() -> None:
        async with connect(graph.sandbox, graph.credentials) as client:
            await client.users.by_user_id(graph.user_id).patch(with_password("too simple"))

    with pytest.raises(ODataError) as caught:
        run(act())

    assert caught.value.response_status_code == 400
    assert caught.value.error is not None
    assert caught.value.error.code == "Request_BadRequest"
