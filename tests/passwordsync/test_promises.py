"""The promise table: what happened, and exactly which writes follow at which moment.

Each cell is the writes when it happens, with the next login, and with the login after that: "P"
is the password with the attributes, "A" the attributes alone, "M" one step of the fields that are
merged, the manager or a rename, "-" nothing.  Both providers keep the same promises; what reaches
each is read from the sandbox's log.
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
from directories.connectors import CONNECTORS, google_workspace, microsoft_entra
from directories.connectors.fields import Field
from directories.models import Binding, Directory
from directories.sandbox.steering import Provider
from passwordsync import drift, due, jobs, sending_settings
from passwordsync.models import SyncJob
from portal.models import Notification
from tests.conftest import Company
from tests.factories import PASSWORD, UserFactory
from tests.passwordsync.test_fields import OWN_AT_GOOGLE, OWN_IN_ENTRA, of

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
    "attribute choice flipped": ("A P -",  "A P -",   "A - -",  "A - -"),
    "mapping extended":         ("- P -",  "A P -",   "- A -",  "A - -"),
    "mapping shortened":        ("- - -",  "- - -",   "- - -",  "- - -"),
    "mapping moved":            ("- PM -", "M P -",   "- M -",  "M - -"),
    "merged changed":           ("- PM -", "M P -",   "- M -",  "M - -"),
    "merged cleared":           ("- PM -", "M P -",   "- M -",  "M - -"),
    "name and merged changed":  ("- PM -", "AM P -",  "- AM -", "AM - -"),
    "manager changed":          ("- PM -", "M P -",   "- M -",  "M - -"),
    "manager without account":  ("- - -",  "- - -",   "- - -",  "- - -"),
    "renamed here":             ("- PM -", "M P -",   "- M -",  "M - -"),
    "changed there by both":    ("- P -",  "- P -",   "- P -",  "- P -"),
    "backup restored":          ("- P -",  "- P -",   "- P -",  "- P -"),
    "product upgraded":         ("- - -",  "- - -",   "- - -",  "- - -"),
    "binding linked anew":      ("- P -",  "- P -",   "- P -",  "- P -"),
}  # fmt: skip
COLUMNS: Final = [(ALWAYS, LOGIN), (ALWAYS, AT_ONCE), (DIFFERENT, LOGIN), (DIFFERENT, AT_ONCE)]
PROVIDERS: Final[tuple[Provider, ...]] = ("google", "microsoft")


MAPPED: Final = {
    **dict.fromkeys(("merged", "moved"), "cost_center"),
    "manager": "manager",
    "renamed": "email",
}
"""What rows map besides the names, by a word of their own."""
UNSET: Final = "department"
"""Mapped throughout, and never set here."""
THEIRS_AT_GOOGLE: Final = {
    "organizations": [
        {"type": "school", "name": "Vassar"},
        {"primary": True, "title": "Captain", "department": "Ships"},
    ],
    "relations": [
        {"type": "spouse", "value": "Vincent"},
        {"type": "manager", "value": "their.manager@example.com"},
    ],
}
THEIRS_IN_ENTRA: Final = {
    "jobTitle": "Captain",
    "department": "Ships",
    "city": "Arlington",
    "businessPhones": ["+49 30 1"],
    "employeeOrgData": {"division": "North"},
}
"""What the customer has where ours could go as well; a manager besides."""
REPLACED: Final = {
    "manager changed": ("manager", "relations"),
    "mapping moved": ("employeeOrgData",),
}
"""Where a row itself puts a value of ours in the place of one of theirs."""
SEPARATE: Final = {
    "organizations",
    "employeeOrgData",
    "relations",
    "primaryEmail",
    "userPrincipalName",
}
"""What is sent in steps of its own, among what these rows change."""


class Scene:
    """Grace, taken over in both directories, and what is done to her."""

    def __init__(self, company: Company, client: Client, monkeypatch: pytest.MonkeyPatch) -> None:
        self.company, self.client, self.monkeypatch = company, client, monkeypatch
        self.password = PASSWORD

    def log_in(self) -> None:
        self.client.cookies.clear()
        self.client.post("/login/", {"login": "grace", "password": self.password})
        self.company.drain()

    def edit(self, **values: Any) -> None:
        """Edit the record as the admin does; a worker looks at once."""
        User.objects.filter(username="grace").update(**values)
        record_changed.send(sender=User, user_ids=[self.company.grace.pk])
        self.company.drain()

    def set(self, directory: Directory, **settings: Any) -> None:
        """Change the settings of a directory as the admin does; the sweep follows."""
        sending_settings.change(directory=directory, actor=None, **settings)
        due.sweep()
        self.company.drain()

    def change_there(self, by: Literal["user", "admin"]) -> None:
        """Change it over there, long after our last push, and let the scan notice."""
        self.settle()
        for provider in PROVIDERS:
            self.company.sandbox.change_password_there(
                provider, "grace@example.com", "set-over-There-9", by=by
            )
        self.scan()

    def settle(self) -> None:
        """Put what we sent so far an hour behind us."""
        self.scan()
        hour = timedelta(hours=1)
        SyncJob.objects.update(sent_at=F("sent_at") - hour, finished_at=F("finished_at") - hour)
        self.company.sandbox.advance(5)

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
        for directory in Directory.objects.all():
            self.set(directory, sends_password=other[before])

    def attribute_choice_flipped(self) -> None:
        """A name has changed, then the other setting is chosen."""
        other = {LOGIN: AT_ONCE, AT_ONCE: LOGIN}
        before = Directory.SendsAttributes(Directory.objects.first().sends_attributes)
        self.exported_changed()
        for directory in Directory.objects.all():
            self.set(directory, sends_attributes=other[before])

    def mapping_extended(self) -> None:
        for directory in Directory.objects.all():
            self.set(directory, mapping=CONNECTORS[directory.kind].default_mapping)

    def mapping_shortened(self) -> None:
        for directory in Directory.objects.all():
            self.set(directory, mapping=only(directory, "given_name"))

    def mapping_moved(self) -> None:
        """The cost centre goes to another field; the first keeps what it has."""
        for directory in Directory.objects.all():
            other = {"google_workspace": "organizations.name"}.get(
                directory.kind, "employeeOrgData.division"
            )
            self.set(directory, mapping=directory.mapping | {"cost_center": other})

    def merged_changed(self) -> None:
        self.edit(cost_center="C-200")

    def merged_cleared(self) -> None:
        self.edit(cost_center="")

    def name_and_merged_changed(self) -> None:
        self.edit(family_name="Hopper", cost_center="C-200")

    def manager_changed(self) -> None:
        """Her manager is somebody who is bound to both."""
        manager = User.objects.get(username="ada")
        self.edit(manager=manager)

    def manager_without_account(self) -> None:
        """Her manager is bound nowhere: what is over there is left alone."""
        self.edit(manager=UserFactory())

    def renamed_here(self) -> None:
        self.edit(email="grace.hopper@example.com")

    def changed_there_by_both(self) -> None:
        self.change_there("admin")
        self.change_there("user")

    def backup_restored(self) -> None:
        """A password was sent, and then the rows are those from before."""
        self.settle()
        bindings = list(Binding.objects.all())
        users = list(User.objects.all())
        attempts = set(SyncJob.objects.values_list("pk", flat=True))
        old, self.password = self.password, NEW_PASSWORD
        form = {"oldpassword": old, "password1": NEW_PASSWORD, "password2": NEW_PASSWORD}
        self.client.post("/password/", form)
        self.company.drain()
        Notification.objects.all().delete()
        SyncJob.objects.exclude(pk__in=attempts).delete()
        for row in (*bindings, *users):
            row.save()
        self.password = old
        self.company.sandbox.clear_requests()
        self.scan()

    def product_upgraded(self) -> None:
        """A newer release can export more; nobody has chosen it."""
        for connector in (google_workspace, microsoft_entra):
            field = Field(label="Shoe size", home_of="job_title")
            self.monkeypatch.setitem(connector.FIELDS, "shoeSize", field)
        due.sweep()
        self.company.drain()

    def binding_linked_anew(self) -> None:
        self.first_login_after_bind()


@pytest.fixture
def scene(company: Company, client: Client, monkeypatch: pytest.MonkeyPatch) -> Scene:
    return Scene(company, client, monkeypatch)


def writes(company: Company, provider: Provider) -> str:
    """Spell what was written since the last look."""
    return "".join(map(_spelt, company.writes(provider))) or "-"


def _spelt(write: dict[str, Any]) -> str:
    if write["password_digest"]:
        return "P"
    is_step = "$ref" in write["path"] or SEPARATE & (write["body"] or {}).keys()
    return "M" if is_step else "A"


def mapping_before(event: str, directory: Directory) -> dict[str, str]:
    """Get what is mapped before something happens."""
    fields = CONNECTORS[directory.kind].fields
    home = {field.home_of: name for name, field in fields.items()}
    mapping = directory.mapping | {UNSET: home[UNSET]}
    if event == "mapping extended":
        return only(directory, "given_name")
    if event == "exported cleared":
        # Google demands a given name, Entra ID a display name.
        kept = "display_name" if directory.kind == Directory.Kind.GOOGLE_WORKSPACE else "given_name"
        return only(directory, "family_name", kept)
    for word, attribute in MAPPED.items():
        if word in event:
            mapping[attribute] = home[attribute]
    return mapping


def only(directory: Directory, *names: str) -> dict[str, str]:
    """Get the mapping of a directory with some attributes alone."""
    return {name: directory.mapping[name] for name in names}


def rows() -> list[Any]:
    return [
        pytest.param(event, settings, cell, id=f"{event}, {settings[0]}, {settings[1]}")
        for event, cells in PROMISES.items()
        for settings, cell in zip(COLUMNS, cells, strict=True)
    ]


def keeps(own: Any, there: Any) -> bool:
    """Say whether all that the customer has is still there; more may be."""
    if isinstance(own, dict):
        return all(keeps(value, there.get(name)) for name, value in own.items())
    if isinstance(own, list):
        return all(any(keeps(one, other) for other in there) for one in own)
    return bool(own == there)


def prepare(scene: Scene, event: str, column: tuple[str, str]) -> dict[Provider, dict[str, Any]]:
    """Have Grace taken over, with values of the customer's own; returns those."""
    company, sandbox = scene.company, scene.company.sandbox
    Directory.objects.update(sends_password=column[0], sends_attributes=column[1])
    for directory in Directory.objects.all():
        directory.mapping = mapping_before(event, directory)
        directory.save()
    User.objects.filter(username="grace").update(cost_center="C-100")
    manager = sandbox.add_entra_user("their.manager@example.com")
    own: dict[Provider, dict[str, Any]] = {
        "google": OWN_AT_GOOGLE | THEIRS_AT_GOOGLE,
        "microsoft": OWN_IN_ENTRA | THEIRS_IN_ENTRA | {"manager": manager},
    }
    for provider in PROVIDERS:
        sandbox.change_account(provider, "grace@example.com", attributes=own[provider])
    if event == "manager changed":
        ada = UserFactory(username="ada")
        sandbox.add_google_user(ada.email)
        sandbox.add_entra_user(ada.email)
        company.bind(user=ada)
    company.bind()
    scene.log_in()
    sandbox.clear_requests()
    for name in REPLACED.get(event, ()):
        for values in own.values():
            values.pop(name, None)
    return own


@pytest.mark.parametrize(("event", "column", "promise"), rows())
def test_promise_is_kept(scene: Scene, event: str, column: tuple[str, str], promise: str) -> None:
    company = scene.company
    own = prepare(scene, event, column)
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
    company.grace.refresh_from_db()
    assert all(company.opens(directory, scene.password) for directory in Directory.objects.all())
    for provider in PROVIDERS:
        assert keeps(own[provider], of(company, provider))


def test_no_row_is_left_out() -> None:
    moments = {name for name in vars(Scene) if not name.startswith("_")}

    assert {event.replace(" ", "_") for event in PROMISES} == moments - {
        *("log_in", "edit", "set", "change_there", "settle", "scan")
    }
