"""Bookmarks: proposed with a directory, for its people; or for everybody."""

from __future__ import annotations

import json

import pytest
from django.core.exceptions import ValidationError
from django.db import IntegrityError, transaction
from django.test import Client

from accounts.models import User
from directories.connectors import CONNECTORS
from directories.models import Directory
from directories.registration import add_directory
from directories.sandbox.client import Sandbox
from portal.models import Bookmark
from tests.factories import BindingFactory, DirectoryFactory


def test_new_directory_brings_the_bookmarks_of_its_kind(sandbox: Sandbox, db: None) -> None:
    credentials = sandbox.add_entra_tenant(domains=("example.com",))
    directory = Directory(kind="microsoft_entra", name="Entra", domain="example.com")

    add_directory(directory=directory, credentials=json.dumps(credentials), actor=None)

    labels = [bookmark.label for bookmark in directory.bookmarks.all()]
    assert labels == ["Outlook", "Teams", "Office"]


@pytest.mark.parametrize("kind", CONNECTORS)
def test_proposals_are_sound(kind: str, db: None) -> None:
    for proposed in CONNECTORS[kind].bookmarks:
        bookmark = Bookmark(
            label=proposed.label,
            address=proposed.address,
            description=proposed.description,
            icon=proposed.icon,
        )
        bookmark.full_clean()
        assert proposed.address.startswith("https://")


def test_person_sees_those_of_their_directories_and_of_everybody(
    browser: Client, person: User
) -> None:
    mine = BindingFactory(user=person).directory
    for label, directory in (("Mine", mine), ("Theirs", DirectoryFactory()), ("All", None)):
        Bookmark.objects.create(
            label=label, address=f"https://{label}.example/", directory=directory
        )

    page = browser.get("/").content.decode()

    assert [f"https://{label}.example/" in page for label in ("Mine", "Theirs", "All")] == [
        True,
        False,
        True,
    ]


@pytest.mark.parametrize(
    "address", ["javascript:alert(1)", "ftp://files.example", "data:text/html,x", "//x.example"]
)
def test_only_web_addresses_are_taken(address: str, db: None) -> None:
    with pytest.raises(ValidationError):
        Bookmark(label="x", address=address).full_clean()
    with pytest.raises(IntegrityError), transaction.atomic():
        Bookmark.objects.create(label="x", address=address)


def test_words_of_an_operator_are_escaped(browser: Client, person: User) -> None:
    Bookmark.objects.create(
        label="<b>x</b>", description='"><script>', address="https://x.example/?a=1&b='\""
    )

    page = browser.get("/").content.decode()

    assert "<b>x</b>" not in page
    assert '"><script>' not in page
