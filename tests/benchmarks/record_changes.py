"""A day of automation that edits records: what reaches both directories, and what it costs us.

People log in meanwhile.  From the edits and the logins alone it is worked out which passwords each
directory has to receive; that is compared with what the sandbox received and with what the churn
report says, with each of the two settings.  The clock is moved on here and over there alike; beat's
sweeps and scans come at their times.  The baseline for the cost is saving the same records with
nobody told.
"""

from __future__ import annotations

import random
import time
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import timedelta
from typing import Any, Final

import time_machine
from django.conf import settings
from django.test import Client
from django.utils import timezone

from accounts.models import User
from accounts.signals import record_changed
from directories.models import Binding, Directory
from directories.sandbox.client import Provider, Sandbox
from passwordsync import sending, tasks
from passwordsync.churn import Churn, churn
from passwordsync.drain import directories_with_work
from passwordsync.models import PENDING, SyncJob
from tests.benchmarks import people
from tests.benchmarks.figures import Figure
from tests.benchmarks.installation import Installation
from tests.benchmarks.logins import post

CORE_SHARE: Final = 0.01
"""The most that the edits and the sweeps of an hour may take of one core."""
NAMES: Final = ("given_name", "family_name", "display_name")
EXPORTED: Final[dict[Provider, tuple[str, ...]]] = {
    "google": NAMES,
    "microsoft": (*NAMES, "department"),
}
FIELDS: Final[dict[Provider, tuple[str, ...]]] = {
    "google": ("givenName", "familyName", "displayName"),
    "microsoft": ("givenName", "surname", "displayName", "department"),
}
"""Where those are over there."""
UNEXPORTED: Final = ("cost_center", "office_location", "employee_type", "division")
EDITS: Final = {"one": 4, "several": 2, "unexported": 3, "reverted": 1}
"""What the automation does, and how often."""
TOLD: Final = 0.7
"""How much of it goes through the ORM and is announced; only the sweep finds the rest."""
BACK_AGAIN: Final = 0.5
"""How many of those who log in have done so moments before."""


@dataclass(frozen=True)
class Scale:
    """How long a day is, and how much happens in each of its hours."""

    hours: int
    records: int
    logins: int
    people: int


QUICK: Final = Scale(hours=1, records=300, logins=20, people=100)
FULL: Final = Scale(hours=24, records=5000, logins=60, people=2000)


def measure(installation: Installation, *, is_full: bool) -> list[Figure]:
    """Spend a day with each setting, and compare what came of it with what was promised."""
    scale = FULL if is_full else QUICK
    company = _company(scale.people, installation.sandbox)
    figures: list[Figure] = []
    for setting in Directory.SendsPassword:
        for directory in company.directories.values():
            sending.change(directory=directory, actor=None, sends_password=setting)
        # The second day begins where the first ended, over there as well.
        start = timezone.now() + timedelta(seconds=company.ahead)
        with time_machine.travel(start) as clock:
            day = Day(company, clock, scale, is_always=setting == Directory.SendsPassword.ALWAYS)
            day.spend()
            figures += _figures(day, setting.value)
    return figures


# --- The company


@dataclass
class Company:
    """People taken over in both directories, and what we know of them without the product."""

    sandbox: Sandbox
    directories: dict[Provider, Directory]
    emails: dict[int, str]
    records: dict[int, dict[str, str]]
    """What the automation has written, by person."""
    pushed: dict[tuple[Provider, int], dict[str, str]]
    """What an account was last sent, by person."""
    accounts: dict[tuple[Provider, str], int]
    """Who an account belongs to, by its id."""
    ahead: float = 0
    """Seconds that the clock there runs ahead of this machine."""


def _company(count: int, sandbox: Sandbox) -> Company:
    """Make both directories and their people, all of them taken over."""
    directories: dict[Provider, Directory] = {
        "google": people.google(sandbox),
        "microsoft": people.entra(sandbox),
    }
    directories["microsoft"].mapping["department"] = "department"
    directories["microsoft"].save(update_fields=["mapping"])
    users = people.add_people(count)
    written = (*EXPORTED["microsoft"], *UNEXPORTED)
    company = Company(
        sandbox,
        directories,
        emails={user.pk: user.email for user in users},
        records={user.pk: {name: getattr(user, name) for name in written} for user in users},
        pushed={},
        accounts={},
    )
    for provider, directory in directories.items():
        for binding in people.bind(users, directory, sandbox=sandbox, is_managed=True):
            company.accounts[provider, binding.external_id] = binding.user_id
            company.pushed[provider, binding.user_id] = {
                name: company.records[binding.user_id][name] for name in EXPORTED[provider]
            }
    Binding.objects.update(password_seen_at=timezone.now())
    sandbox.clear_requests()
    return company


# --- The day


Write = tuple[Provider, int, bool]
"""Directory and person, and whether the password was with it."""


class Day:
    """A day of edits and logins: what was promised, what was seen, and the CPU it took."""

    def __init__(self, company: Company, clock: Any, scale: Scale, *, is_always: bool) -> None:
        self.company, self.clock, self.scale = company, clock, scale
        self.is_always = is_always
        self.random = random.Random(f"{is_always}")
        self.promised: Counter[Write] = Counter()
        self.seen: Counter[Write] = Counter()
        self.changed: Counter[tuple[str, str]] = Counter()
        """Password writes that were promised, by directory and attribute."""
        self.to_revert: list[tuple[int, str, str]] = []
        self.lately: list[int] = []
        self.edits = self.logins = self.told = 0
        self.cpu: Counter[str] = Counter()

    def spend(self) -> None:
        """Go through the day, from one sweep to the next."""
        self.churn_before = churn(days=7)
        sweep_seconds: int = settings.CELERY_BEAT_SCHEDULE["sweep"]["schedule"]
        records = self.scale.records
        for number in range(1, self.scale.hours * 3600 // sweep_seconds + 1):
            self.revert()
            while self.edits < number * sweep_seconds / 3600 * records:
                self.edit()
                while self.logins < self.edits * self.scale.logins // records:
                    self.log_in()
            with self.metered("sweep"):
                tasks.sweep()
            if not number * sweep_seconds % settings.DRIFT_SCAN_SECONDS:
                tasks.scan_directories()
            self.work()
            self.look()
            self.pass_(sweep_seconds)

    def pass_(self, seconds: int) -> None:
        """Let time pass, here and over there."""
        self.clock.shift(seconds)
        self.company.sandbox.advance(seconds)
        self.company.ahead += seconds

    # --- What the automation and the people do

    def revert(self) -> None:
        """Put back what was edited before the last sweep."""
        reverts, self.to_revert = self.to_revert, []
        for user_id, name, value in reverts:
            self.write(user_id, {name: value})

    def edit(self) -> None:
        user_id = self.random.choice(list(self.company.records))
        what = self.random.choices(list(EDITS), weights=list(EDITS.values()))[0]
        exported = EXPORTED["microsoft"]
        names = self.random.sample(
            UNEXPORTED if what == "unexported" else exported, 3 if what == "several" else 1
        )
        if what == "reverted":
            self.to_revert.append((user_id, names[0], self.company.records[user_id][names[0]]))
        self.write(user_id, {name: f"{name[:3]} {self.edits}" for name in names})

    def write(self, user_id: int, values: dict[str, str]) -> None:
        """Change a record, told or not."""
        self.edits += 1
        self.company.records[user_id] |= values
        if self.random.random() > TOLD:
            User.objects.filter(pk=user_id).update(**values)
            return
        self.told += 1
        with self.metered("save"):
            user = User.objects.get(pk=user_id)
            for name, value in values.items():
                setattr(user, name, value)
            user.save(update_fields=list(values))
        with self.metered("refresh"):
            record_changed.send(sender=User, user_ids=[user_id])

    def log_in(self) -> None:
        """Have somebody sign in at the portal's form; a worker that is woken follows."""
        is_back = self.lately and self.random.random() < BACK_AGAIN
        user_id = self.random.choice(self.lately if is_back else list(self.company.records))
        self.lately = [*self.lately, user_id][-20:]
        self.logins += 1
        for provider, exported in EXPORTED.items():
            self.promise(provider, user_id, exported)
        response = post(Client(), self.company.emails[user_id])
        if response.status_code != 302:
            raise AssertionError(response.content)
        self.work()

    def work(self) -> None:
        """Do what beat and the workers do."""
        for directory in directories_with_work():
            tasks.drain_directory(directory_id=directory.pk)

    # --- What was promised, and what was seen

    def promise(self, provider: Provider, user_id: int, exported: tuple[str, ...]) -> None:
        """Work out what a login has to send: all of it, if any of it has changed."""
        record, pushed = self.company.records[user_id], self.company.pushed[provider, user_id]
        changed = [name for name in exported if record[name] != pushed[name]]
        if not changed:
            return
        pushed |= {name: record[name] for name in exported}
        self.promised[provider, user_id, self.is_always] += 1
        if self.is_always:
            directory = self.company.directories[provider].name
            self.changed.update((directory, name) for name in changed)

    def look(self) -> None:
        """Count the writes that the sandbox has received since the last look."""
        for provider in EXPORTED:
            for request in self.company.sandbox.requests(provider=provider):
                if request["method"] in ("PUT", "PATCH", "POST") and "/users/" in request["path"]:
                    account = request["path"].split("/users/")[1].split("?")[0]
                    user_id = self.company.accounts[provider, account]
                    self.seen[provider, user_id, bool(request["password_digest"])] += 1
        self.company.sandbox.clear_requests()

    def wrong_values(self) -> int:
        """Count the accounts that do not hold what they were to be sent."""
        return sum(
            held(self.company.sandbox.account(account, provider)["attributes"], provider)
            != self.company.pushed[provider, user_id]
            for (provider, account), user_id in self.company.accounts.items()
            if (provider, user_id, self.is_always) in self.promised
        )

    def wrongly_due(self) -> int:
        """Count the people who wait for a login and need not, or the other way round."""
        waiting = set(
            SyncJob.objects.filter(status__in=PENDING).values_list(
                "binding__directory", "binding__user"
            )
        )
        lacking = {
            (self.company.directories[provider].pk, user_id)
            for (provider, user_id), pushed in self.company.pushed.items()
            if pushed.items() - self.company.records[user_id].items()
        }
        return len(waiting ^ lacking)

    @contextmanager
    def metered(self, name: str) -> Iterator[None]:
        started = time.process_time()
        yield
        self.cpu[name] += time.process_time() - started  # type: ignore[assignment]


def held(attributes: dict[str, Any], provider: Provider) -> dict[str, str]:
    """Get what an account holds, by our names."""
    if provider == "google":
        attributes = attributes["name"]
    values = (attributes.get(name) or "" for name in FIELDS[provider])
    return dict(zip(EXPORTED[provider], values, strict=True))


def _figures(day: Day, setting: str) -> list[Figure]:
    """Compare what was promised with what happened, and what it cost with a bare save."""
    scale, cpu = day.scale, day.cpu
    refresh = cpu["refresh"] / day.told
    counts = {
        "writes more or fewer than promised": _apart(day.seen, day.promised),
        "wrong figures in the churn report": _misreported(day, churn(days=7)),
        "accounts with other values": day.wrong_values(),
        "wrongly due": day.wrongly_due(),
        "taken for drift": Binding.objects.filter(drifted_at__isnull=False).count(),
    }
    return [
        Figure(
            what=f"{day.edits:,} record changes, {day.logins:,} logins, {setting}: writes seen",
            measured=day.seen.total(),
            baseline=day.promised.total(),
            at_most_times=1,
        ),
        *(Figure(what=f"- {what}", measured=count, at_most=0) for what, count in counts.items()),
        Figure(
            what="- CPU of a record change, beside saving it",
            measured=1000 * refresh,
            baseline=1000 * cpu["save"] / day.told,
            unit="ms",
        ),
        Figure(
            what=f"- CPU of an hour's {scale.records:,} record changes and its sweeps",
            measured=refresh * scale.records + cpu["sweep"] / scale.hours,
            unit="s",
            at_most=CORE_SHARE * 3600,
        ),
    ]


def _misreported(day: Day, found: Churn) -> int:
    """Count by how much the churn report is wrong about the day."""
    before = day.churn_before
    passwords = day.promised.total() if day.is_always else 0
    by_attribute = Counter[tuple[str, str]]()
    for sign, rows in ((1, found.rows), (-1, before.rows)):
        for row in rows:
            by_attribute[row.directory, row.attribute] += sign * row.writes
    return (
        abs(found.writes - before.writes - passwords)
        + abs(found.spared - before.spared - passwords)
        + _apart(by_attribute, day.changed)
    )


def _apart(one: Counter[Any], other: Counter[Any]) -> int:
    return sum(abs(one[key] - other[key]) for key in one.keys() | other.keys())
