"""The admin of people: who may change what, and what follows."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest
from allauth.mfa.models import Authenticator
from django.contrib.admin.models import LogEntry
from django.test import Client
from django.urls import reverse

from accounts.models import User
from accounts.signals import record_changed
from directories.models import Binding
from portal.models import Mail
from tests.admin.conftest import Act, said
from tests.factories import PASSWORD, BindingFactory, DirectoryFactory, UserFactory

ADD = "/admin/accounts/user/add/"


@pytest.fixture
def announced() -> Iterator[list[int]]:
    """Collect the users that record_changed names."""
    ids: list[int] = []

    def receive(*, user_ids: list[int], **_kwargs: Any) -> None:
        ids.extend(user_ids)

    record_changed.connect(receive)
    yield ids
    record_changed.disconnect(receive)


def save(client: Client, user: User, **changes: Any) -> Any:
    """Send a person's form as the browser has it, with some fields changed."""
    url = reverse("admin:accounts_user_change", args=[user.pk])
    form = client.get(url).context["adminform"].form
    data = {name: form.get_initial_for_field(field, name) for name, field in form.fields.items()}
    data = {name: value for name, value in data.items() if value not in (None, False, [])}
    return client.post(url, {**data, **changes})


def test_change_is_saved_and_announced(as_operator: Client, announced: list[int]) -> None:
    user = UserFactory()

    save(as_operator, user, family_name="Novak")

    user.refresh_from_db()
    assert user.family_name == "Novak"
    assert announced == [user.pk]


def test_new_person_has_no_password(as_operator: Client, announced: list[int]) -> None:
    as_operator.post(ADD, {"username": "Nina", "email": "Nina@Example.com", "state": "active"})

    nina = User.objects.get(username="nina")
    assert nina.password_status == User.PasswordStatus.PENDING
    assert (nina.email, nina.password_version) == ("nina@example.com", 0)
    assert announced == [nina.pk]


def test_form_does_not_undo_a_password_set_meanwhile(
    as_operator: Client, monkeypatch: pytest.MonkeyPatch
) -> None:
    user = UserFactory()

    def set_password(_form: Any) -> None:
        User.objects.filter(pk=user.pk).update(password="newer", password_version=2)

    monkeypatch.setattr("accounts.admin.UserForm.clean", set_password)
    save(as_operator, user, family_name="Novak")

    user.refresh_from_db()
    assert (user.family_name, user.password, user.password_version) == ("Novak", "newer", 2)


@pytest.mark.parametrize("field", ["username", "email", "alternate_email"])
@pytest.mark.parametrize("is_bound", [True, False])
def test_operator_changes_no_addresses_of_bound_or_unbound_people(
    as_operator: Client, field: str, is_bound: bool
) -> None:
    user = BindingFactory().user if is_bound else UserFactory()

    response = save(as_operator, user, **{field: "ceo@example.com" if "email" in field else "ceo"})

    user.refresh_from_db()
    assert not getattr(user, field).startswith("ceo")
    assert response.status_code == 200
    assert "Only an administrator may change them" in response.text


@pytest.mark.parametrize("is_bound", [True, False])
def test_administrator_changes_addresses_with_their_password(
    as_administrator: Client, is_bound: bool
) -> None:
    user = BindingFactory().user if is_bound else UserFactory()

    asked = save(as_administrator, user, email="new@example.com")
    assert asked.url.startswith("/confirm/?")
    assert not User.objects.filter(email="new@example.com").exists()
    as_administrator.post(asked.url, {"password": PASSWORD})

    user.refresh_from_db()
    assert user.email == "new@example.com"


def test_password_is_not_asked_for_what_names_no_account(as_administrator: Client) -> None:
    user = BindingFactory().user

    save(as_administrator, user, family_name="Novak")

    user.refresh_from_db()
    assert user.family_name == "Novak"


def test_nobody_changes_their_own_addresses_while_bound(
    as_administrator: Client, administrator: User
) -> None:
    BindingFactory(user=administrator)

    response = save(as_administrator, administrator, email="new@example.com")

    assert "another administrator" in response.text
    assert not User.objects.filter(email="new@example.com").exists()


@pytest.mark.parametrize("role", ["operator", "administrator"])
def test_operator_does_not_change_who_is_not_below_them(as_operator: Client, role: str) -> None:
    user = UserFactory(**{role: True})
    url = reverse("admin:accounts_user_change", args=[user.pk])

    response = as_operator.post(url, {"username": user.username, "email": "x@example.com"})

    assert response.status_code == 403


def test_operator_cannot_hand_out_roles(as_operator: Client) -> None:
    user = UserFactory()

    save(as_operator, user, is_staff="on", is_superuser="on", user_permissions=["1"])

    user.refresh_from_db()
    assert (user.is_staff, user.is_superuser, user.user_permissions.count()) == (False, False, 0)


def test_operator_cannot_add_an_operator(as_operator: Client) -> None:
    data = {"username": "nina", "email": "nina@example.com", "state": "active"}

    as_operator.post(ADD, {**data, "is_staff": "on", "is_superuser": "on"})

    nina = User.objects.get(username="nina")
    assert (nina.is_staff, nina.is_superuser) == (False, False)


def test_administrator_hands_out_roles(as_administrator: Client) -> None:
    user = UserFactory()

    save(as_administrator, user, is_staff="on")

    user.refresh_from_db()
    assert user.is_staff


def test_nobody_changes_their_own_state_or_role(
    as_administrator: Client, administrator: User
) -> None:
    form = (
        as_administrator.get(f"/admin/accounts/user/{administrator.pk}/change/")
        .context["adminform"]
        .form
    )

    assert not {"state", "is_staff", "is_superuser", "groups"} & form.fields.keys()


@pytest.mark.parametrize(("action", "state"), [("activate", "active"), ("suspend", "suspended")])
def test_action_sets_the_state_once_it_is_confirmed(
    as_operator: Client, announced: list[int], action: str, state: str
) -> None:
    user, peer = UserFactory(staged=True), UserFactory(operator=True, staged=True)
    there = UserFactory(state=state)
    act = Act(as_operator, "accounts_user")

    asked = act.ask(action, user, peer, there)
    assert (asked.status_code, User.objects.filter(state="staged").count()) == (200, 2)
    done = act.agree(action, user, peer, there)

    user.refresh_from_db()
    assert user.state == state
    assert announced == [user.pk]
    assert "1 done, 1 skipped, 1 refused" in said(done)[0]
    assert LogEntry.objects.get().object_id == str(user.pk)


def test_nobody_suspends_themselves(as_administrator: Client, administrator: User) -> None:
    page = Act(as_administrator, "accounts_user").ask("suspend", administrator)

    assert "There is nothing to do." in page.text


def test_people_are_bound_to_the_directory_that_was_chosen(
    as_operator: Client, operator: User
) -> None:
    directory, peer = DirectoryFactory(), UserFactory(operator=True)
    bound, new = BindingFactory(directory=directory).user, UserFactory()
    act = Act(as_operator, "accounts_user")

    done = act.agree("bind_people", bound, new, peer, operator, directory=directory.pk)

    binding = Binding.objects.get(user=new)
    assert (binding.directory, binding.bound_by) == (directory, operator)
    assert Binding.objects.count() == 2
    assert "1 done, 1 skipped, 2 refused" in said(done)[0]


def test_binding_asks_for_a_directory_first(as_operator: Client) -> None:
    user = UserFactory()
    act = Act(as_operator, "accounts_user")

    response = act.agree("bind_people", user)

    assert "Continue" in response.text
    assert not Binding.objects.exists()


def test_another_directory_than_on_the_page_asks_again(as_operator: Client) -> None:
    user, first, second = UserFactory(), DirectoryFactory(), DirectoryFactory()
    act = Act(as_operator, "accounts_user")
    answer = act.ask("bind_people", user, directory=first.pk).context["answer"]

    act.ask("bind_people", user, directory=second.pk, confirmed=answer)

    assert not Binding.objects.exists()


def test_bindings_of_people_are_ended(as_operator: Client, operator: User) -> None:
    kept = BindingFactory()
    ended = BindingFactory(user=kept.user)
    act = Act(as_operator, "accounts_user")

    act.agree("end_bindings", kept.user, directory=ended.directory.pk)

    ended.refresh_from_db()
    assert ended.ended_by == operator
    assert Binding.objects.get(Binding.LIVE) == kept


def test_second_factor_is_removed_by_administrators_and_never_ones_own(
    as_administrator: Client, administrator: User
) -> None:
    user = UserFactory()
    for person in (user, administrator):
        Authenticator.objects.create(user=person, type="totp", data={"secret": "canary"})
    act = Act(as_administrator, "accounts_user")

    done = act.agree("remove_second_factor", user, administrator)

    assert [row.user for row in Authenticator.objects.all()] == [administrator]
    assert "1 done, 0 skipped, 1 refused" in said(done)[0]


def test_second_factor_is_not_removed_by_operators(as_operator: Client) -> None:
    user = UserFactory()
    Authenticator.objects.create(user=user, type="totp", data={"secret": "canary"})

    Act(as_operator, "accounts_user").ask("remove_second_factor", user, confirmed=":1")

    assert Authenticator.objects.exists()


def test_secret_of_the_second_factor_is_not_shown(as_administrator: Client) -> None:
    user = UserFactory()
    Authenticator.objects.create(user=user, type="totp", data={"secret": "canary"})

    page = as_administrator.get(f"/admin/accounts/user/{user.pk}/change/")

    assert "canary" not in page.text


@pytest.mark.parametrize(
    ("codename", "actions"),
    [
        ("view_user", set()),
        ("change_user", {"activate", "suspend", "send_link", "demand_new_password"}),
        ("add_binding", {"bind_people"}),
        ("change_binding", {"end_bindings"}),
    ],
)
def test_each_action_has_its_own_permission(
    client: Client, operator: User, codename: str, actions: set[str]
) -> None:
    operator.user_permissions.set(
        operator.user_permissions.filter(codename__in=["view_user", codename])
    )
    client.force_login(operator)

    page = client.get("/admin/accounts/user/")

    form = page.context["action_form"]
    offered = {name for name, _label in form.fields["action"].choices} if form else set()
    assert offered - {""} == actions


def test_operator_does_not_change_what_groups_may_do(as_operator: Client) -> None:
    assert as_operator.get("/admin/auth/group/add/").status_code == 403


def test_links_are_sent_to_those_who_may_sign_in(as_operator: Client) -> None:
    new, active, staged = UserFactory(new=True), UserFactory(), UserFactory(staged=True)

    page = Act(as_operator, "accounts_user").agree("send_link", new, active, staged)

    assert "2 done, 1 skipped, 0 refused" in said(page)[0]
    assert {(mail.user, mail.kind) for mail in Mail.objects.all()} == {
        (new, "welcome"),
        (active, "reset"),
    }


def test_new_password_is_demanded_of_those_who_have_one(as_operator: Client) -> None:
    new, active, colleague = UserFactory(new=True), UserFactory(), UserFactory(operator=True)

    page = Act(as_operator, "accounts_user").agree("demand_new_password", new, active, colleague)

    assert "1 done, 1 skipped, 1 refused" in said(page)[0]
    active.refresh_from_db()
    assert active.password_status == "expired"


def test_activation_in_the_form_sends_the_activation_mail(as_operator: Client) -> None:
    user = UserFactory(new=True, staged=True)

    save(as_operator, user, state="active")
    save(as_operator, user, family_name="Novak")

    assert [mail.kind for mail in Mail.objects.all()] == ["welcome"]


def test_only_an_administrator_says_where_an_activation_mail_goes_besides(
    as_operator: Client, as_administrator: Client
) -> None:
    form = {"email": "nina@example.com", "alternate_email": "spy@example.org", "state": "active"}

    as_operator.post(ADD, {**form, "username": "nina"})
    addresses = set(Mail.objects.values_list("address", flat=True))
    as_administrator.post(ADD, {**form, "username": "otto", "email": "otto@example.com"})

    assert addresses == {"nina@example.com"}
    assert Mail.objects.filter(address="spy@example.org", user__username="otto").count() == 1


@pytest.mark.parametrize("field", ["email", "alternate_email"])
def test_every_address_there_was_is_told_of_a_change(as_administrator: Client, field: str) -> None:
    user = UserFactory(email="grace@example.com", alternate_email="grace@home.example")
    as_administrator.post("/confirm/", {"password": PASSWORD})

    save(as_administrator, user, **{field: "new@example.com"})

    assert set(Mail.objects.values_list("kind", "address")) == {
        ("address_changed", "grace@example.com"),
        ("address_changed", "grace@home.example"),
    }
