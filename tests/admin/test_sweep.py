"""Every page of the admin, whoever asks for it."""

from __future__ import annotations

from typing import Any

import pytest
from django.contrib import admin
from django.contrib.auth.models import Group
from django.db.models import Model
from django.test import Client
from django.urls import reverse

import config.urls  # noqa: F401  what the admin has is registered there
from accounts.models import LoginEvent, User
from directories.models import Binding, Directory
from passwordsync.models import SyncJob
from portal.models import Bookmark, Mail, MailText, Organisation
from tests.factories import PASSWORD, BindingFactory, SyncJobFactory, UserFactory

MODELS = sorted(admin.site._registry, key=lambda model: model._meta.label)
AUDITED = (Binding, LoginEvent, Mail, SyncJob)
WITHOUT_ADD = (*AUDITED, MailText, Organisation)


def make_event() -> LoginEvent:
    return LoginEvent.objects.create(user=UserFactory(), kind="login", outcome="failed")


def url_of(model: type[Model], page: str, *args: object) -> str:
    return reverse(f"admin:{model._meta.app_label}_{model._meta.model_name}_{page}", args=args)


@pytest.fixture
def rows(db: None) -> dict[type[Model], Any]:
    event = LoginEvent.objects.create(
        user=UserFactory(), kind="login", outcome="succeeded", address="203.0.113.7"
    )
    job = SyncJobFactory(queued=True, login_event=event, error="It did not answer.")
    return {
        User: job.binding.user,
        Group: Group.objects.create(name="help desk"),
        Directory: job.binding.directory,
        Binding: job.binding,
        SyncJob: job,
        LoginEvent: event,
        Mail: Mail.objects.create(kind="bound", user=job.binding.user, binding=job.binding),
        MailText: MailText.objects.create(kind="bound"),
        Organisation: Organisation.objects.create(pk=1, name="Example"),
        Bookmark: Bookmark.objects.create(label="Wiki", address="https://wiki.example"),
    }


def test_registry_holds_nothing_else(rows: dict[type[Model], Any]) -> None:
    assert set(MODELS) == set(rows)


@pytest.mark.parametrize("model", MODELS, ids=lambda model: model._meta.label)
def test_pages_render(
    model: type[Model], rows: dict[type[Model], Any], as_administrator: Client
) -> None:
    pages = [url_of(model, "changelist"), url_of(model, "change", rows[model].pk)]
    pages += [url_of(model, "history", rows[model].pk)]
    pages += [] if model in WITHOUT_ADD else [url_of(model, "add")]
    pages += [url_of(model, "changelist") + "?q=grace"] * (model is not Directory)

    for page in pages:
        response = as_administrator.get(page, follow=model is Organisation)

        assert response.status_code == 200, page
        assert PASSWORD not in response.text
        assert rows[User].password not in response.text


def test_every_filter_works(rows: dict[type[Model], Any], as_administrator: Client) -> None:
    for model in set(MODELS) - {Organisation}:
        page = as_administrator.get(url_of(model, "changelist"))
        for spec in page.context["cl"].filter_specs:
            for choice in spec.choices(page.context["cl"]):
                url = url_of(model, "changelist") + choice["query_string"]

                assert as_administrator.get(url).status_code == 200, url


@pytest.mark.parametrize("model", AUDITED, ids=lambda model: model._meta.label)
def test_audit_refuses_add_change_and_delete(
    model: type[Model], rows: dict[type[Model], Any], as_administrator: Client
) -> None:
    change, delete = (url_of(model, page, rows[model].pk) for page in ("change", "delete"))

    assert as_administrator.get(url_of(model, "add")).status_code == 403
    assert as_administrator.post(change, {}).status_code == 403
    assert as_administrator.post(delete, {"post": "yes"}).status_code == 403
    assert model._default_manager.filter(pk=rows[model].pk).exists()


@pytest.mark.parametrize("model", [User, Directory], ids=lambda model: model._meta.label)
def test_people_and_directories_are_never_deleted(
    model: type[Model], rows: dict[type[Model], Any], as_administrator: Client
) -> None:
    response = as_administrator.post(url_of(model, "delete", rows[model].pk), {"post": "yes"})

    assert response.status_code == 403


@pytest.mark.parametrize(
    ("model", "lookup"),
    [
        (User, "password__startswith=argon2"),
        (User, "password__contains=a"),
        (Directory, "credentials__contains=a"),
        (Binding, "user__password__startswith=a"),
        (SyncJob, "sealed_password__isnull=True"),
        (SyncJob, "sealed_password__ciphertext__contains=a"),
        (LoginEvent, "user__password__startswith=a"),
        (User, "authenticator__data__contains=a"),
    ],
)
def test_no_filter_in_an_address_asks_about_a_secret(
    model: type[Model], lookup: str, as_administrator: Client
) -> None:
    assert as_administrator.get(f"{url_of(model, 'changelist')}?{lookup}").status_code == 400


@pytest.mark.parametrize(
    ("model", "make"),
    [
        (User, BindingFactory),
        (Directory, BindingFactory),
        (Binding, SyncJobFactory),
        (SyncJob, SyncJobFactory),
        (LoginEvent, make_event),
    ],
    ids=["people", "directories", "bindings", "jobs", "events"],
)
def test_lists_take_as_many_queries_for_20_rows_as_for_one(
    model: type[Model], make: Any, as_administrator: Client, django_assert_max_num_queries: Any
) -> None:
    url = url_of(model, "changelist")
    make()
    as_administrator.get(url)
    with django_assert_max_num_queries(12) as for_one:
        as_administrator.get(url)
    for _ in range(19):
        make()

    with django_assert_max_num_queries(len(for_one)):
        page = as_administrator.get(url)

    assert len(page.context["cl"].result_list) >= 20


@pytest.mark.parametrize("model", [SyncJob, LoginEvent], ids=lambda model: model._meta.label)
def test_large_tables_are_not_counted(
    model: type[Model],
    rows: dict[type[Model], Any],
    as_administrator: Client,
    django_assert_max_num_queries: Any,
) -> None:
    with django_assert_max_num_queries(12) as queries:
        as_administrator.get(url_of(model, "changelist"))

    assert not [query for query in queries if "COUNT(" in query["sql"]]
