"""What every connector does, whatever the provider; a new kind of directory joins ``PLACES``."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from dataclasses import replace
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest

from directories.connectors import CONNECTORS
from directories.connectors.base import Connection, Connector
from directories.connectors.errors import (
    AccountMismatchError,
    AccountNotFoundError,
    DirectoryRefusedError,
    DirectoryUnavailableError,
)

from .conftest import PASSWORD, Run, make_push
from .places import DOMAIN, EntraPlace, GooglePlace, Place

PLACES: dict[str, Callable[[Path], Place]] = {
    "google_workspace": GooglePlace,
    "microsoft_entra": EntraPlace,
}
ADDRESS = f"ada@{DOMAIN}"


def test_every_kind_of_directory_keeps_the_contract() -> None:
    assert PLACES.keys() == CONNECTORS.keys()


@pytest.fixture(params=PLACES)
def place(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Place]:
    place = PLACES[request.param](tmp_path)
    yield place
    place.stop()


def connection_to(place: Place, text: str = "") -> Connection:
    parse = CONNECTORS[place.kind].parse_credentials
    return Connection(
        domain=DOMAIN,
        credentials=parse(text or place.good_credentials(), place.endpoints),
        admin_email=place.admin_email,
        tenant_id=place.tenant_id,
        verified_domains=frozenset({DOMAIN}),
    )


@pytest.fixture
def connector(place: Place, run: Run[Any]) -> Iterator[Connector]:
    made = CONNECTORS[place.kind].connect(connection_to(place), place.endpoints)
    yield made
    run(made.close())


def test_check_tells_tenant_and_domains(place: Place, connector: Connector, run: Run[Any]) -> None:
    check = run(connector.check())

    assert check.tenant_id == place.tenant_id
    assert check.verified_domains == {DOMAIN}
    assert check.federated_domains == frozenset()
    assert check.warnings == ()
    assert [line for line in place.requests() if line.startswith(("PUT", "PATCH"))] == []


def test_check_of_another_pinned_tenant_is_refused(place: Place, run: Run[Any]) -> None:
    moved = replace(connection_to(place), tenant_id="another")
    connector = CONNECTORS[place.kind].connect(moved, place.endpoints)

    with pytest.raises(DirectoryRefusedError):
        run(connector.check())

    run(connector.close())


def test_bad_credentials_are_refused(place: Place, run: Run[Any]) -> None:
    bad = connection_to(place, place.bad_credentials())
    connector = CONNECTORS[place.kind].connect(bad, place.endpoints)

    with pytest.raises(DirectoryRefusedError):
        run(connector.check())

    run(connector.close())


def test_endpoint_that_is_down_says_unavailable(place: Place, run: Run[Any]) -> None:
    connector = CONNECTORS[place.kind].connect(connection_to(place), place.endpoints)
    place.stop()

    with pytest.raises(DirectoryUnavailableError):
        run(connector.check())

    run(connector.close())


def test_find_tells_id_and_primary_address(
    place: Place, connector: Connector, run: Run[Any]
) -> None:
    external_id = place.add(ADDRESS)

    account = run(connector.find(ADDRESS.upper()))

    assert (account.external_id, account.address) == (external_id, ADDRESS)
    assert account.privileges == ()
    assert not account.is_suspended


def test_find_names_privileges(place: Place, connector: Connector, run: Run[Any]) -> None:
    place.add(ADDRESS, is_privileged=True)

    assert run(connector.find(ADDRESS)).privileges


def test_find_by_an_alias_is_a_mismatch(place: Place, connector: Connector, run: Run[Any]) -> None:
    place.add(ADDRESS, alias=f"alias@{DOMAIN}")

    with pytest.raises(AccountMismatchError):
        run(connector.find(f"alias@{DOMAIN}"))


def test_find_of_nobody_says_so(connector: Connector, run: Run[Any]) -> None:
    with pytest.raises(AccountNotFoundError):
        run(connector.find(f"nobody@{DOMAIN}"))


def test_push_sets_password_and_names(place: Place, connector: Connector, run: Run[Any]) -> None:
    external_id = place.add(ADDRESS)

    receipt = run(connector.push(make_push(place.kind, external_id=external_id)))

    assert place.has_password(external_id, PASSWORD)
    assert place.names(external_id) == ("Ada", "Lovelace")
    assert receipt.request_id


def test_push_without_a_password_leaves_it(
    place: Place, connector: Connector, run: Run[Any]
) -> None:
    external_id = place.add(ADDRESS)
    run(connector.push(make_push(external_id=external_id, attributes={})))

    names = {CONNECTORS[place.kind].default_mapping["given_name"]: "Augusta"}
    run(connector.push(make_push(external_id=external_id, attributes=names, password=None)))

    assert place.has_password(external_id, PASSWORD)
    assert place.names(external_id) == ("Augusta", "Name")


def test_push_without_names_leaves_them(place: Place, connector: Connector, run: Run[Any]) -> None:
    external_id = place.add(ADDRESS)

    run(connector.push(make_push(external_id=external_id, attributes={})))

    assert place.names(external_id) == ("Old", "Name")


def test_push_in_clear_sets_the_password(place: Place, run: Run[Any]) -> None:
    external_id = place.add(ADDRESS)
    clear = replace(connection_to(place), sends_clear_password=True)
    connector = CONNECTORS[place.kind].connect(clear, place.endpoints)

    run(connector.push(make_push(place.kind, external_id=external_id)))

    assert place.has_password(external_id, PASSWORD)
    run(connector.close())


def test_push_to_a_deleted_account_says_so(connector: Connector, run: Run[Any]) -> None:
    with pytest.raises(AccountNotFoundError):
        run(connector.push(make_push(external_id="100000000000000000000")))


def test_warm_push_is_one_request_without_the_password_in_its_path(
    place: Place, connector: Connector, run: Run[Any]
) -> None:
    external_id = place.add(ADDRESS)
    run(connector.push(make_push(place.kind, external_id=external_id)))
    before = len(place.requests())

    run(connector.push(make_push(place.kind, external_id=external_id)))

    sent = place.requests()[before:]
    assert len(sent) == 1
    assert ADDRESS not in sent[0] and PASSWORD not in json.dumps(sent)


def test_password_changed_at_moves_with_a_push(
    place: Place, connector: Connector, run: Run[Any]
) -> None:
    external_id = place.add(ADDRESS)
    before = run(connector.password_changed_at(external_id))

    run(connector.push(make_push(place.kind, external_id=external_id)))
    after = run(connector.password_changed_at(external_id))

    assert before.changed_at is None
    assert abs(after.changed_at - after.provider_now) < timedelta(seconds=3)
