"""The promise table: what happened, and exactly which writes follow at which moment.

Each cell is the writes when it happens, with the next login, and with the login after that: "P"
is the password with the attributes, "A" the attributes alone, "-" nothing.  Both providers keep
the same promises; what reaches each is read from the sandbox's log.
"""

from __future__ import annotations

from collections.abc import Callable
from datetime import timedelta
from typing import Any, Final, Literal

import pytest
from django.db.models import F
from django.test import Client

from accounts.models import User
from accounts.signals import record_changed
from directories.bindings import unbind
from directories.connectors import google_workspace, microsoft_entra
from directories.models import Binding, Directory
from directories.sandbox.steering import Provider
from passwordsync import drift, due, jobs, sending
from passwordsync.models import SyncJob
from tests.conftest import Company
from tests.factories import PASSWORD

pytestmark = pytest.mark.django_db(transaction=True)

NEW_PASSWORD: Final = "another-Canary-8-here"
ALWAYS, DIFFERENT = Directory.SendsPassword
LOGIN, AT_ONCE = Directory.SendsAttributes

PROMISES: Final[dict[str, tuple[str, str, str, str]]] = {
    #                            always               only when it differs
    #                            login     at once    login     at once
    "nothing changed":          ("- - -",  "- - -",   "- - -",  "- - -"),
    "first login after bind":   ("- P -",  "- P -",   "- P -",  "- P -"),
    "exported changed":         ("- P -",  "A P -",   "- A -",  "A - -"),
    "exported cleared":         ("- P -",  "A P -",   "- A -",  "A - -"),
    "changed and reverted":     ("- - -",  "AA - -",  "- - -",  "AA - -"),
    "unexported changed":       ("- - -",  "- - -",   "- - -",  "- - -"),
    "password changed here":    ("P - -",  "P - -",   "P - -",  "P - -"),
    "both changed here":        ("P - -",  "AP - -",  "P - -",  "AP - -"),
    "changed there by person":  ("- P -",  "- P -",   "- P -",  "- P -"),
    "changed there by admin":   ("- P -",  "- P -",   "- P -",  "- P -"),
    "changed there and here":   ("P - -",  "P - -",   "P - -",  "P - -"),
    "asked by an operator":     ("- P -",  "- P -",   "- P -",  "- P -"),
    "password setting flipped": ("- - -",  "- - -",   "- P -",  "A P -"),
    "mapping extended":         ("- P -",  "A P -",   "- A -",  "A - -"),
    "mapping shortened":        ("- - -",  "- - -",   "- - -",  "- - -"),
    "product upgraded":         ("- - -",  "- - -",   "- - -",  "- - -"),
    "binding linked anew":      ("- P -",  "- P -",   "- P -",  "- P -"),
}  # fmt: skip
COLUMNS: Final = [(ALWAYS, LOGIN), (ALWAYS, AT_ONCE), (DIFFERENT, LOGIN), (DIFFERENT, AT_ONCE)]
PROVIDERS: Final[tuple[Provider, ...]] = ("google", "microsoft")


class Scene:
    """Grace, taken over in both directories, and what is done to her."""

    def __init__(self, company: Company, client: Client, monkeypatch: pytest.MonkeyPatch) -> None:
        self.company, self.client, self.monkeypatch = company, client, monkeypatch
        self.password = PASSWORD

    def log_in(self) -> None:
        self.client.post("/logout/")
        self.client.post("/login/", {"login": "grace", "password": self.password})
        self.company.drain()

    def edit(self, **values: str) -> None:
        """Edit the record as the admin does; a worker looks at once."""
        User.objects.filter(username="grace").update(**values)
        record_changed.send(sender=User, user_ids=[self.company.grace.pk])
        self.company.drain()

    def set(self, **settings: Any) -> None:
        """Change the settings of both directories as the admin does; the sweep follows."""
        for directory in Directory.objects.all():
            sending.change(directory=directory, actor=None, **settings)
        due.sweep()
        self.company.drain()

    def change_there(self, by: Literal["user", "admin"]) -> None:
        """Change it over there, long after our last push, and let the scan notice."""
        self.scan()
        hour = timedelta(hours=1)
        SyncJob.objects.update(sent_at=F("sent_at") - hour, finished_at=F("finished_at") - hour)
        self.company.sandbox.advance(5)
        for provider in PROVIDERS:
            self.company.sandbox.change_password_there(
                provider, "grace@example.com", "set-over-There-9", by=by
            )
        self.scan()

    def scan(self) -> None:
        drift.request_scans()
        self.company.drain()

    # --- What happens

    def nothing_changed(self) -> None:
        due.sweep()

    def first_login_after_bind(self) -> None:
        unbind(bindings=Binding.objects.all(), actor=None)
        self.company.bind()
        self.company.drain()

    def exported_changed(self) -> None:
        self.edit(family_name="Hopper")

    def exported_cleared(self) -> None:
        """Clear one that each of the two lets be cleared, of those that it receives."""
        self.edit(given_name="", display_name="")

    def changed_and_reverted(self) -> None:
        self.edit(family_name="Hopper")
        self.edit(family_name="Okafor")

    def unexported_changed(self) -> None:
        self.edit(job_title="Rear admiral")

    def password_changed_here(self) -> None:
        form = {"oldpassword": self.password, "password1": NEW_PASSWORD, "password2": NEW_PASSWORD}
        self.client.post("/password/", form)
        self.password = NEW_PASSWORD
        self.company.drain()

    def both_changed_here(self) -> None:
        self.exported_changed()
        self.password_changed_here()

    def changed_there_by_person(self) -> None:
        self.change_there("user")

    def changed_there_by_admin(self) -> None:
        self.change_there("admin")

    def changed_there_and_here(self) -> None:
        self.change_there("user")
        self.password_changed_here()

    def asked_by_an_operator(self) -> None:
        jobs.ask(bindings=Binding.objects.all(), actor=None)

    def password_setting_flipped(self) -> None:
        """A name has changed, then the other setting is chosen."""
        other = {ALWAYS: DIFFERENT, DIFFERENT: ALWAYS}
        before = Directory.SendsPassword(Directory.objects.first().sends_password)
        if before == DIFFERENT:
            self.exported_changed()
        self.set(sends_password=other[before])

    def mapping_extended(self) -> None:
        self.set(exported=["given_name", "family_name", "display_name"])

    def mapping_shortened(self) -> None:
        self.set(exported=["given_name"])

    def product_upgraded(self) -> None:
        """A newer release can export more; nobody has chosen it."""
        for connector in (google_workspace, microsoft_entra):
            self.monkeypatch.setitem(connector.ATTRIBUTES, "job_title", "jobTitle")
        due.sweep()
        self.company.drain()

    def binding_linked_anew(self) -> None:
        self.first_login_after_bind()


@pytest.fixture
def scene(company: Company, client: Client, monkeypatch: pytest.MonkeyPatch) -> Scene:
    return Scene(company, client, monkeypatch)


def writes(company: Company, provider: Provider) -> str:
    """Spell what was written since the last look."""
    found = "".join("P" if write["password_digest"] else "A" for write in company.writes(provider))
    return found or "-"


def rows() -> list[Any]:
    return [
        pytest.param(event, settings, cell, id=f"{event}, {settings[0]}, {settings[1]}")
        for event, cells in PROMISES.items()
        for settings, cell in zip(COLUMNS, cells, strict=True)
    ]


@pytest.mark.parametrize(("event", "column", "promise"), rows())
def test_promise_is_kept(scene: Scene, event: str, column: tuple[str, str], promise: str) -> None:
    company = scene.company
    Directory.objects.update(sends_password=column[0], sends_attributes=column[1])
    if event == "mapping extended":
        Directory.objects.update(exported=["given_name"])
    if event == "exported cleared":
        Directory.objects.filter(name="Google").update(exported=["family_name", "display_name"])
        Directory.objects.filter(name="Entra").update(exported=["given_name", "family_name"])
    company.bind()
    scene.log_in()
    company.sandbox.clear_requests()
    happen: Callable[[], None] = getattr(scene, event.replace(" ", "_"))

    seen: dict[Provider, list[str]] = {provider: [] for provider in PROVIDERS}
    for step in (happen, scene.log_in, scene.log_in):
        step()
        for provider in PROVIDERS:
            seen[provider].append(writes(company, provider))
        company.sandbox.clear_requests()

    assert {provider: " ".join(cells) for provider, cells in seen.items()} == dict.fromkeys(
        PROVIDERS, promise
    )
    assert all(company.opens(directory, scene.password) for directory in Directory.objects.all())


def test_no_row_is_left_out() -> None:
    moments = {name for name in vars(Scene) if not name.startswith("_")}

    assert {event.replace(" ", "_") for event in PROMISES} == moments - {
        *("log_in", "edit", "set", "change_there", "scan")
    }
