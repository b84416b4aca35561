"""Fields beyond the names: each reaches its place, and nothing of the customer's own is lost."""

from __future__ import annotations

from typing import Any, Final

import pytest
from django.test import Client

from accounts.models import User
from accounts.signals import record_changed
from directories import attributes
from directories.models import Binding, Directory
from directories.sandbox.steering import Provider
from passwordsync.models import Status, SyncJob
from tests.conftest import Company
from tests.factories import PASSWORD, UserFactory

pytestmark = pytest.mark.django_db(transaction=True)

GOOGLE: Final[Provider] = "google"
MICROSOFT: Final[Provider] = "microsoft"
RECORD = {
    "job_title": "Rear admiral",
    "department": "Computing",
    "cost_center": "C-100",
    "division": "North",
    "employee_id": "17",
    "employee_type": "Officer",
    "company": "Navy",
    "office_location": "B 12",
    "work_phone": "+49 30 2",
    "mobile_phone": "+49 171 2",
    "street": "Main street 1",
    "city": "Arlington",
    "region": "Virginia",
    "postal_code": "22201",
    "country": "US",
    "preferred_language": "en",
}
OWN_AT_GOOGLE = {
    "phones": [{"type": "work", "value": "+49 30 1"}],
    "organizations": [{"type": "school", "name": "Vassar"}],
    "relations": [{"type": "spouse", "value": "Vincent"}],
    "externalIds": [{"type": "custom", "customType": "locker", "value": "9"}],
    "addresses": [{"type": "home", "locality": "New York"}],
    "keywords": [{"type": "occupation", "value": "sailor"}],
    "recoveryEmail": "grace@home.example",
}
OWN_IN_ENTRA = {
    "usageLocation": "US",
    "otherMails": ["grace@home.example"],
    "faxNumber": "+49 30 9",
    "employeeHireDate": "2020-01-01T00:00:00Z",
}


def everything(directory: Directory) -> dict[str, str]:
    """Map each attribute to its usual field, renames left out."""
    found = {name: attributes.targets(directory.kind, name) for name in attributes.ATTRIBUTES}
    usual = {name: targets[0] for name, targets in found.items() if name != "email"}
    if directory.kind == Directory.Kind.GOOGLE_WORKSPACE:
        del usual["division"]  # Google has no field of its own for it
    return usual


@pytest.fixture
def mapped(company: Company) -> Company:
    """Everything is mapped; Grace reports to Ada, and both have accounts."""
    for directory in (company.google, company.entra):
        directory.mapping = everything(directory)
        directory.save()
    ada = UserFactory(username="ada")
    company.sandbox.add_google_user(ada.email)
    company.sandbox.add_entra_user(ada.email)
    company.bind(user=ada)
    company.sandbox.change_account(GOOGLE, company.grace.email, attributes=OWN_AT_GOOGLE)
    company.sandbox.change_account(MICROSOFT, company.grace.email, attributes=OWN_IN_ENTRA)
    User.objects.filter(pk=company.grace.pk).update(**RECORD, manager=ada)
    company.bind()
    company.drain()
    return company


def log_in(client: Client, company: Company) -> None:
    client.post("/logout/")
    client.post("/login/", {"login": "grace", "password": PASSWORD})
    for _ in range(5):
        company.drain()


def edit(company: Company, /, **values: Any) -> None:
    User.objects.filter(pk=company.grace.pk).update(**values)
    record_changed.send(sender=User, user_ids=[company.grace.pk])


def of(company: Company, provider: Provider) -> dict[str, Any]:
    """Read Grace's account, by the id that never changes."""
    directory = company.google if provider == GOOGLE else company.entra
    binding = Binding.objects.get(Binding.LIVE, directory=directory, user=company.grace)
    found: dict[str, Any] = company.sandbox.account(binding.external_id, provider)["attributes"]
    return found


def test_every_attribute_reaches_its_field(mapped: Company, client: Client) -> None:
    log_in(client, mapped)

    google, entra = of(mapped, GOOGLE), of(mapped, MICROSOFT)
    assert google["organizations"][1] == {
        "primary": True,
        "title": "Rear admiral",
        "department": "Computing",
        "costCenter": "C-100",
        "description": "Officer",
        "name": "Navy",
        "location": "B 12",
    }
    assert google["addresses"][1] == {
        "type": "work",
        "streetAddress": "Main street 1",
        "locality": "Arlington",
        "region": "Virginia",
        "postalCode": "22201",
        "country": "US",
    }
    assert google["phones"][1:] == [
        {"type": "work", "value": "+49 30 2"},
        {"type": "mobile", "value": "+49 171 2"},
    ]
    assert google["externalIds"][1:] == [{"type": "organization", "value": "17"}]
    assert google["relations"][1:] == [{"type": "manager", "value": "ada@example.com"}]
    assert google["languages"] == [{"languageCode": "en", "preference": "preferred"}]
    ada = Binding.objects.get(user__username="ada", directory=mapped.entra)
    shown = {
        "jobTitle": "Rear admiral",
        "department": "Computing",
        "employeeId": "17",
        "employeeType": "Officer",
        "companyName": "Navy",
        "officeLocation": "B 12",
        "businessPhones": ["+49 30 2"],
        "mobilePhone": "+49 171 2",
        "city": "Arlington",
        "streetAddress": "Main street 1",
        "state": "Virginia",
        "postalCode": "22201",
        "country": "US",
        "preferredLanguage": "en",
        "manager": ada.external_id,
        "employeeOrgData": {"costCenter": "C-100", "division": "North"},
    }
    assert entra | shown == entra
    assert not SyncJob.objects.filter(binding__user=mapped.grace, finished_at=None).exists()


def test_what_the_customer_has_stays_through_all_of_it(mapped: Company, client: Client) -> None:
    log_in(client, mapped)
    edit(mapped, **dict.fromkeys(RECORD, "x"))
    log_in(client, mapped)
    edit(mapped, **dict.fromkeys(RECORD, ""), manager=None)
    log_in(client, mapped)

    google, entra = of(mapped, GOOGLE), of(mapped, MICROSOFT)
    assert google | OWN_AT_GOOGLE == google
    assert entra | OWN_IN_ENTRA == entra
    assert not google.get("languages")
    assert entra["businessPhones"] == []
    assert {entra[name] for name in ("jobTitle", "city", "employeeId")} == {None}
    assert entra["employeeOrgData"] == {"costCenter": None, "division": None}
    assert "manager" not in entra


def test_one_login_sends_one_password_and_one_request_for_each_step(
    mapped: Company, client: Client
) -> None:
    mapped.sandbox.clear_requests()

    log_in(client, mapped)

    assert [write["method"] for write in mapped.writes(GOOGLE)] == ["PUT", "PUT"]
    assert [write["method"] for write in mapped.writes(MICROSOFT)] == ["PATCH", "PATCH", "PUT"]
    passwords = [write for write in mapped.writes(MICROSOFT) if write["password_digest"]]
    assert len(passwords) == 1


def test_a_value_that_is_refused_leaves_out_only_itself(company: Company, client: Client) -> None:
    company.entra.mapping |= {"street": "jobTitle", "city": "city"}
    company.entra.save()
    edit(company, street="long " * 40, city="Arlington")
    company.bind(company.entra)
    company.drain()

    log_in(client, company)

    account, binding = of(company, MICROSOFT), Binding.objects.get()
    assert company.opens(company.entra)
    assert (account["city"], account.get("jobTitle")) == ("Arlington", None)
    assert "jobTitle" in binding.attribute_problem
    assert list(binding.refused_attributes) == ["jobTitle"]
    assert SyncJob.objects.filter(status__in=("waiting", "queued")).count() == 0

    edit(company, street="Main street 1")
    log_in(client, company)

    assert of(company, MICROSOFT)["jobTitle"] == "Main street 1"
    assert Binding.objects.get().attribute_problem == ""


@pytest.fixture
def renaming(company: Company, client: Client) -> Company:
    """Renames are pushed, and Grace is taken over."""
    company.google.mapping |= {"email": "primaryEmail"}
    company.entra.mapping |= {"email": "userPrincipalName"}
    company.google.save()
    company.entra.save()
    company.bind()
    company.drain()
    log_in(client, company)
    return company


def test_rename_is_pushed_by_the_immutable_id(renaming: Company, client: Client) -> None:
    edit(renaming, email="grace.hopper@example.com")

    log_in(client, renaming)

    assert of(renaming, GOOGLE)["primaryEmail"] == "grace.hopper@example.com"
    assert of(renaming, MICROSOFT)["userPrincipalName"] == "grace.hopper@example.com"
    addresses = set(Binding.objects.values_list("external_address", flat=True))
    assert addresses == {"grace.hopper@example.com"}


@pytest.mark.parametrize("email", ["taken@example.com", "grace@elsewhere.example"])
def test_rename_to_an_alias_or_a_foreign_domain_is_refused(
    renaming: Company, client: Client, email: str
) -> None:
    renaming.sandbox.add_google_user("other@example.com", aliases=["taken@example.com"])
    renaming.sandbox.add_entra_user(
        "other@example.com", proxy_addresses=["SMTP:other@example.com", "smtp:taken@example.com"]
    )
    edit(renaming, email=email)

    log_in(client, renaming)

    assert of(renaming, GOOGLE)["primaryEmail"] == "grace@example.com"
    assert of(renaming, MICROSOFT)["userPrincipalName"] == "grace@example.com"
    jobs = SyncJob.objects.filter(status=Status.BLOCKED)
    assert {job.error_code for job in jobs} == {"address_rejected"}
    assert jobs.count() == 2
    assert all("new address" in binding.attribute_problem for binding in Binding.objects.all())
    assert all(renaming.opens(directory) for directory in (renaming.google, renaming.entra))


def test_a_manager_over_there_who_is_gone_is_reported(mapped: Company, client: Client) -> None:
    mapped.sandbox.remove_account(MICROSOFT, "ada@example.com")

    log_in(client, mapped)

    binding = Binding.objects.get(user=mapped.grace, directory=mapped.entra)
    assert "manager" in binding.attribute_problem
    assert binding.problem == ""
    assert mapped.opens(mapped.entra)


def test_a_step_that_is_forbidden_is_reported_and_blocks_nobody(
    mapped: Company, client: Client
) -> None:
    mapped.sandbox.fault(provider=MICROSOFT, path_contains="$ref", status=403, times=None,
                         body={"error": {"code": "Authorization_RequestDenied"}})  # fmt: skip

    log_in(client, mapped)

    binding = Binding.objects.get(user=mapped.grace, directory=mapped.entra)
    assert list(binding.refused_attributes) == ["manager"]
    assert binding.problem == ""
    mapped.entra.refresh_from_db()
    assert mapped.entra.refusals_in_row == 0
