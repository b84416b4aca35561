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
from dataclasses import dataclass, field
from datetime import timedelta
from typing import Any, Final

import time_machine
from django.conf import settings
from django.test import Client
from django.utils import timezone

from accounts.models import User
from accounts.signals import record_changed
from directories.models import Binding, Directory
from directories.sandbox.client import Sandbox
from directories.sandbox.steering import Provider
from passwordsync import sending_settings, tasks
from passwordsync.churn import Churn, churn
from passwordsync.drain import directories_with_work
from passwordsync.models import PENDING, SyncJob
from tests.benchmarks import logins, people
from tests.benchmarks.figures import Figure
from tests.benchmarks.installation import Installation

AT_MOST_PERCENT: Final = 1
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
class Size:
    """How much happens; what is counted by the hour is spread over it."""

    people: int
    hours: int
    records: int
    logins: int


def measure(installation: Installation, *, is_full: bool) -> list[Figure]:
    """Spend a day, or in quick mode an hour, with each setting."""
    size = Size(2000, 24, 5000, 60) if is_full else Size(200, 1, 500, 40)
    company = made(size.people, installation.sandbox)
    figures = []
    for setting in Directory.SendsPassword:
        for directory in company.directories.values():
            sending_settings.change(directory=directory, actor=None, sends_password=setting)
        # The second day begins where the first ended, over there as well.
        start = timezone.now() + timedelta(seconds=company.ahead)
        with time_machine.travel(start) as clock:
            day = Day(company, clock, is_always=setting == Directory.SendsPassword.ALWAYS)
            day.spend(size)
            figures += day.figures(size, f"sent {setting.label}")
    return figures


# --- The company


@dataclass
class Company:
    """People taken over in both directories, and what we know of them without the product."""

    sandbox: Sandbox
    directories: dict[Provider, Directory]
    records: dict[int, dict[str, str]]
    """What the automation has written, by person."""
    pushed: dict[tuple[Provider, int], dict[str, str]] = field(default_factory=dict)
    """What an account was last sent, by person."""
    accounts: dict[tuple[Provider, str], int] = field(default_factory=dict)
    """Who an account belongs to, by its id."""
    ahead: float = 0
    """Seconds that the clock there runs ahead of this machine."""


def made(count: int, sandbox: Sandbox) -> Company:
    """Make both directories and their people, all of them taken over."""
    everybody = people.add_people(count)
    company = Company(
        sandbox,
        {"google": people.google(sandbox), "microsoft": people.entra(sandbox)},
        {
            user.pk: dict.fromkeys((*EXPORTED["microsoft"], *UNEXPORTED), "")
            | {name: getattr(user, name) for name in NAMES}
            for user in everybody
        },
    )
    for provider, directory in company.directories.items():
        for binding in people.bind(everybody, directory, sandbox=sandbox, is_managed=True):
            record = company.records[binding.user_id]
            company.accounts[provider, binding.external_id] = binding.user_id
            company.pushed[provider, binding.user_id] = {
                name: record[name] for name in EXPORTED[provider]
            }
    Binding.objects.update(password_seen_at=timezone.now())
    entra = company.directories["microsoft"]
    sending_settings.change(
        directory=entra, actor=None, mapping={**entra.mapping, "department": "department"}
    )
    sandbox.clear_requests()
    return company


# --- The day


Write = tuple[Provider, int, bool]
"""Directory and person, and whether the password was with it."""


class Day:
    """A day of edits and logins: what was promised, what was seen, and the CPU it took."""

    def __init__(self, company: Company, clock: Any, *, is_always: bool) -> None:
        self.company, self.clock, self.is_always = company, clock, is_always
        self.random = random.Random(f"{is_always}")
        self.user_ids = list(company.records)
        self.churn_before = churn(days=7)
        self.promised: Counter[Write] = Counter()
        self.seen: Counter[Write] = Counter()
        self.changed: Counter[tuple[str, str]] = Counter()
        """Password writes that were promised, by directory and attribute."""
        self.to_revert: list[tuple[int, str, str]] = []
        self.lately: list[int] = []
        self.edits = self.logins = self.told = 0
        self.cpu: dict[str, float] = dict.fromkeys(("save", "refresh", "sweep"), 0)

    def spend(self, size: Size) -> None:
        sweep_seconds: int = settings.CELERY_BEAT_SCHEDULE["sweep"]["schedule"]
        sweeps_in_hour = 3600 // sweep_seconds
        for number in range(1, size.hours * sweeps_in_hour + 1):
            until = number / sweeps_in_hour
            self.revert()
            while self.edits < until * size.records:
                self.edit()
                while self.logins < self.edits * size.logins // size.records:
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
        user_id = self.random.choice(self.user_ids)
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
        user_id = self.random.choice(self.lately if is_back else self.user_ids)
        self.lately = [*self.lately, user_id][-20:]
        self.logins += 1
        for provider, exported in EXPORTED.items():
            self.promise(provider, user_id, exported)
        answer = logins.post(Client(), f"person{self.user_ids.index(user_id)}@example.com")
        if answer.status_code != 302:
            raise AssertionError(f"Person {user_id} could not log in.")
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
            SyncJob.objects.filter(status__in=PENDING).values_list("directory", "binding__user")
        )
        lacking = {
            (self.company.directories[provider].pk, user_id)
            for (provider, user_id), pushed in self.company.pushed.items()
            if pushed.items() - self.company.records[user_id].items()
        }
        return len(waiting ^ lacking)

    def reported_wrongly(self) -> int:
        """Count what the churn report says beyond what was promised, or does not say."""
        found = churn(days=7)
        promised = passwords(self.promised)
        wrong = abs(found.writes - self.churn_before.writes - promised)
        wrong += abs(found.spared - self.churn_before.spared - promised)
        by_attribute = counted(found)
        by_attribute.subtract(counted(self.churn_before))
        by_attribute.subtract(self.changed)
        return wrong + sum(map(abs, by_attribute.values()))

    def figures(self, size: Size, setting: str) -> list[Figure]:
        seen = self.seen.copy()
        seen.subtract(self.promised)
        hour = self.cpu["refresh"] / self.told * size.records + self.cpu["sweep"] / size.hours
        bare = self.cpu["save"] / self.told * size.records
        drifted = Binding.objects.filter(drifted_at__isnull=False).count()
        wrong = {
            "writes not promised, or not seen": sum(map(abs, seen.values())),
            "reported wrongly": self.reported_wrongly(),
            "accounts that hold other values": self.wrong_values(),
            "wrongly due, or drifted": self.wrongly_due() + drifted,
        }
        return [
            Figure(
                what=f"passwords for {self.edits:,} edits, and promised; {setting}",
                measured=passwords(self.seen),
                baseline=passwords(self.promised),
                at_most_more=0,
            ),
            *(
                Figure(what=f"{what}; {setting}", measured=count, at_most=0)
                for what, count in wrong.items()
            ),
            Figure(
                what=f"of a core, {size.records:,} edits an hour, and saving alone; {setting}",
                measured=hour / 36,
                baseline=bare / 36,
                unit="%",
                at_most=AT_MOST_PERCENT,
            ),
        ]

    @contextmanager
    def metered(self, name: str) -> Iterator[None]:
        started = time.process_time()
        yield
        self.cpu[name] += time.process_time() - started


def held(attributes: dict[str, Any], provider: Provider) -> dict[str, str]:
    """Get what an account holds, by our names."""
    if provider == "google":
        attributes = attributes["name"]
    values = (attributes.get(name) or "" for name in FIELDS[provider])
    return dict(zip(EXPORTED[provider], values, strict=True))


def passwords(writes: Counter[Write]) -> int:
    """Count the writes that a password was with."""
    return sum(count for (*_who, is_password), count in writes.items() if is_password)


def counted(report: Churn) -> Counter[tuple[str, str]]:
    """Count the password writes of a report by directory and attribute."""
    found = Counter[tuple[str, str]]()
    for row in report.rows:
        found[row.directory, row.attribute] += row.writes
    return found
