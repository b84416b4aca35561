import pytest
from django.test import Client

from accounts import first_administrator
from accounts.models import LoginEvent, User
from tests.factories import UserFactory

pytestmark = pytest.mark.django_db

FORM = {
    "username": "Ada",
    "email": "ada@example.com",
    "given_name": "Ada",
    "family_name": "Byron",
    "password1": "first-Administrator-1",
    "password2": "first-Administrator-1",
}


def path():
    return first_administrator.link().removeprefix("http://127.0.0.1:8000")


def test_the_link_makes_one_administrator_and_signs_them_in(client):
    answer = client.post(path(), FORM)

    ada = User.objects.get()
    assert (ada.username, ada.is_superuser, ada.state) == ("ada", True, "active")
    assert answer.status_code == 302
    assert client.session["_auth_user_id"] == str(ada.pk)
    assert LoginEvent.objects.get().kind == LoginEvent.Kind.SET_UP


def test_the_link_works_once(client):
    link = path()
    client.post(link, FORM)

    answer = Client().post(link, {**FORM, "username": "eve", "email": "eve@example.com"})

    assert answer.status_code == 410
    assert User.objects.count() == 1


def test_there_is_no_link_where_there_is_an_administrator():
    UserFactory(administrator=True)

    assert first_administrator.link() is None


def test_a_made_up_link_leads_nowhere(client):
    assert client.get("/first-administrator/made-up/").status_code == 410


@pytest.mark.parametrize(
    ("change", "field"),
    [
        ({"password2": "something-Else-1"}, "password2"),
        ({"password1": "short", "password2": "short"}, "password1"),
        ({"email": "nonsense"}, "email"),
    ],
)
def test_what_is_wrong_is_said_at_its_field(client, change, field):
    answer = client.post(path(), {**FORM, **change})

    assert answer.context["form"].errors[field]
    assert "first-Administrator-1" not in answer.content.decode()
    assert not User.objects.exists()
