"""A day of automation that edits records: what reaches both directories, and what it costs us.

People log in meanwhile.  From the edits and the logins alone it is worked out which passwords each
directory has to receive; that is compared with what the sandbox received and with what the churn
report says, with each of the two settings.  The clock is moved on here and over there alike; beat's
sweeps and scans come at their times.  The baseline for the cost is saving the same records with
nobody told.
"""

from __future__ import annotations

import argparse
import json
import os
import random
import tempfile
import time
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import timedelta
from typing import Any, Final

from directories.sandbox.client import Provider, Sandbox

GOAL_SHARE: Final = 0.01
"""The most that the edits and the sweeps of an hour may take of one core."""
PASSWORD: Final = "a-Canary-7-sings-here"
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


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--hours", type=int, default=1, help="full mode: 24")
    parser.add_argument("--records", type=int, default=1000, help="in an hour; full mode: 5000")
    parser.add_argument("--people", type=int, default=300, help="full mode: 2000")
    parser.add_argument("--logins", type=int, default=60, help="in an hour")
    options = parser.parse_args()

    from config import embedded

    with tempfile.TemporaryDirectory() as folder, Sandbox() as sandbox:
        os.environ |= {
            "DATA_DIR": folder,
            "DJANGO_SETTINGS_MODULE": "config.settings",
            "GOOGLE_API_ENDPOINT": sandbox.google,
            "MICROSOFT_GRAPH_ENDPOINT": sandbox.graph,
            "MICROSOFT_LOGIN_ENDPOINT": sandbox.login,
            "SSL_CERT_FILE": str(sandbox.ca_bundle),
        }
        embedded.started_by_manage = True
        import django

        django.setup()
        return measure(options, sandbox)


def measure(options: argparse.Namespace, sandbox: Sandbox) -> int:
    """Spend a day with each setting, and print what came of it."""
    import time_machine
    from django.utils import timezone

    from directories.models import Directory
    from passwordsync import sending_settings

    company = made(options.people, sandbox)
    is_met = True
    for setting in Directory.SendsPassword:
        for directory in company.directories.values():
            sending_settings.change(directory=directory, actor=None, sends_password=setting)
        # The second day begins where the first ended, over there as well.
        start = timezone.now() + timedelta(seconds=company.ahead)
        with time_machine.travel(start) as clock:
            day = Day(company, clock, is_always=setting == Directory.SendsPassword.ALWAYS)
            day.spend(hours=options.hours, records=options.records, logins=options.logins)
            is_met &= report(day, str(setting.label), options)
    print("met" if is_met else "NOT MET")
    return 0 if is_met else 1


# --- The company


@dataclass
class Company:
    """People taken over in both directories, and what we know of them without the product."""

    sandbox: Sandbox
    directories: dict[Provider, Any]
    user_ids: list[int]
    records: dict[int, dict[str, str]]
    """What the automation has written, by person."""
    pushed: dict[tuple[Provider, int], dict[str, str]]
    """What an account was last sent, by person."""
    accounts: dict[tuple[Provider, str], int]
    """Who an account belongs to, by its id."""
    ahead: float = 0
    """Seconds that the clock there runs ahead of this machine."""


def made(people: int, sandbox: Sandbox) -> Company:
    """Make both directories and their people, all of them taken over long ago."""
    from django.contrib.auth.hashers import make_password
    from django.core.management import call_command
    from django.utils import timezone

    from accounts.models import User
    from directories import preflight
    from directories.connectors import CONNECTORS
    from directories.models import Binding, Directory
    from directories.registration import add_directory

    call_command("migrate", verbosity=0)
    names = dict(zip(NAMES, ("Grace", "Okafor", "Grace Okafor"), strict=True))
    password = make_password(PASSWORD)
    users = User.objects.bulk_create(
        User(
            username=f"person{n}",
            email=f"person{n}@example.com",
            state=User.State.ACTIVE,
            password=password,
            password_version=1,
            **names,
        )
        for n in range(people)
    )
    empty = dict.fromkeys((*EXPORTED["microsoft"], *UNEXPORTED), "")
    company = Company(sandbox, {}, [], {user.pk: empty | names for user in users}, {}, {})
    company.user_ids = list(company.records)
    credentials = {
        "google": sandbox.add_google_customer(
            domains=("example.com",), admin_email="it@example.com"
        ),
        "microsoft": sandbox.add_entra_tenant(domains=("example.com",)),
    }
    add: dict[Provider, Any] = {
        "google": sandbox.add_google_user,
        "microsoft": sandbox.add_entra_user,
    }
    kinds = dict(zip(add, Directory.Kind, strict=True))
    for provider, kind in kinds.items():
        mapping = dict(CONNECTORS[kind].default_mapping)
        if "department" in EXPORTED[provider]:
            mapping["department"] = "department"
        directory = Directory(
            kind=kind,
            name=str(kind.label),
            domain="example.com",
            admin_email="it@example.com" if provider == "google" else "",
            mapping=mapping,
        )
        add_directory(
            directory=directory, credentials=json.dumps(credentials[provider]), actor=None
        )
        preflight.check(directory)
        company.directories[provider] = directory
        ids = [add[provider](user.email) for user in users]
        now = timezone.now()
        sent = {mapping[name]: value for name, value in names.items()}
        Binding.objects.bulk_create(
            Binding(
                directory=directory,
                user=user,
                external_id=external_id,
                external_address=user.email,
                locate_at=None,
                taken_over_at=now - timedelta(days=90),
                pushed_password_version=1,
                pushed_attributes=sent,
                password_attributes=sent,
                password_seen_at=now,
            )
            for user, external_id in zip(users, ids, strict=True)
        )
        for user, external_id in zip(users, ids, strict=True):
            company.accounts[provider, external_id] = user.pk
            company.pushed[provider, user.pk] = {
                name: company.records[user.pk][name] for name in EXPORTED[provider]
            }
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
        self.promised: Counter[Write] = Counter()
        self.seen: Counter[Write] = Counter()
        self.changed: Counter[tuple[str, str]] = Counter()
        """Password writes that were promised, by directory and attribute."""
        self.to_revert: list[tuple[int, str, str]] = []
        self.lately: list[int] = []
        self.edits = self.logins = self.told = 0
        self.cpu: Counter[str] = Counter()

    def spend(self, *, hours: int, records: int, logins: int) -> None:
        from django.conf import settings

        from passwordsync import churn, tasks

        self.churn_before = churn.churn(days=7)
        sweep_seconds: int = settings.CELERY_BEAT_SCHEDULE["sweep"]["schedule"]
        self.sweeps_in_hour = 3600 // sweep_seconds
        for number in range(1, hours * self.sweeps_in_hour + 1):
            until = number / self.sweeps_in_hour
            self.revert()
            while self.edits < until * records:
                self.edit()
                while self.logins < self.edits * logins // records:
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
        user_id = self.random.choice(self.company.user_ids)
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
        from accounts.models import User
        from accounts.signals import record_changed

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
        from django.test import Client

        is_back = self.lately and self.random.random() < BACK_AGAIN
        user_id = self.random.choice(self.lately if is_back else self.company.user_ids)
        self.lately = [*self.lately, user_id][-20:]
        self.logins += 1
        for provider, exported in EXPORTED.items():
            self.promise(provider, user_id, exported)
        index = self.company.user_ids.index(user_id)
        response = Client(SERVER_NAME="localhost").post(
            "/login/", {"login": f"person{index}", "password": PASSWORD}
        )
        assert response.status_code == 302, response.content
        self.work()

    def work(self) -> None:
        """Do what beat and the workers do."""
        from passwordsync import tasks
        from passwordsync.drain import directories_with_work

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
        from passwordsync.models import PENDING, SyncJob

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


def report(day: Day, setting: str, options: argparse.Namespace) -> bool:
    """Print what was promised and what happened; says whether they are the same."""
    from directories.models import Binding
    from passwordsync.churn import churn

    found, before = churn(days=7), day.churn_before
    writes, spared = found.writes - before.writes, found.spared - before.spared
    by_attribute = Counter[tuple[str, str]]()
    for sign, rows in ((1, found.rows), (-1, before.rows)):
        for row in rows:
            by_attribute[row.directory, row.attribute] += sign * row.writes
    print(f"\nSend the password {setting}: {day.edits} record changes, {day.logins} logins")
    for provider, directory in day.company.directories.items():
        promised, seen = (
            [sum(counted[write] for write in counted if write[0::2] == (provider, is_password))
             for is_password in (True, False)]
            for counted in (day.promised, day.seen)
        )  # fmt: skip
        print(
            f"  {directory.name:<26} password writes {promised[0]} promised, {seen[0]} seen; "
            f"attributes alone {promised[1]} promised, {seen[1]} seen"
        )
    drifted = Binding.objects.filter(drifted_at__isnull=False).count()
    wrong, wrongly_due = day.wrong_values(), day.wrongly_due()
    print(f"  churn report: {writes} password writes, {spared} spared by the other setting")
    print(f"  accounts with other values {wrong}, wrongly due {wrongly_due}, drift {drifted}")
    each = {
        "bare save": day.cpu["save"] / day.told,
        "refresh": day.cpu["refresh"] / day.told,
        "sweeps": day.cpu["sweep"] / day.edits,
    }
    hour = each["refresh"] * options.records + day.cpu["sweep"] / options.hours
    print(
        "  CPU for 1,000 record changes: "
        + ", ".join(f"{name} {1000 * figure:.2f} s" for name, figure in each.items())
        + f"; a sweep of {len(day.company.pushed)} bindings "
        f"{day.cpu['sweep'] / options.hours / day.sweeps_in_hour:.2f} s"
    )
    print(
        f"  ratio of a refresh to the bare save: {day.cpu['refresh'] / day.cpu['save']:.1f}; "
        f"{options.records} changes in an hour take {hour / 3600:.2%} of one core"
    )
    passwords = day.promised.total() if day.is_always else 0
    checks = {
        "what was promised, to everybody": day.seen == day.promised,
        "reported, and what is spared": (writes, spared) == (passwords, passwords)
        and +by_attribute == +day.changed,
        "attributes arrived": not wrong and not wrongly_due and not drifted,
        f"under {GOAL_SHARE:.0%} of one core": hour / 3600 < GOAL_SHARE,
    }
    if not day.is_always:
        checks["no password"] = not any(is_password for *_who, is_password in day.seen)
    for what, is_kept in checks.items():
        print(f"  {what}: {'met' if is_kept else 'NOT MET'}", flush=True)
    return all(checks.values())


if __name__ == "__main__":
    status = main()
    from config.server import leave

    # Connections that are still kept have a loop in a thread of their own.
    leave(status)
