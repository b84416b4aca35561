"""A company whose parts, servers and providers can be broken, and what must hold after that."""

from __future__ import annotations

import signal
import sqlite3
import time
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager
from pathlib import Path
from typing import Any

import psycopg
import redis
from celery import Celery

from config.management.commands.quickstart import free_port
from config.quickstart import PASSWORD, PROVIDERS, Company, Person
from directories.sandbox.client import Sandbox
from directories.sandbox.steering import Provider
from tests.production import Production
from tests.services import POSTGRESQL, answers

DATABASE = "latchkey_faults_test"
WORKERS = ("directories-1", "directories-2")
METHODS = {"google": "PUT", "microsoft": "PATCH"}

MOST_WRITES: dict[str, dict[str, int]] = {
    "worker killed after its claim": {"google": 1, "microsoft": 1},
    "worker killed before it sends": {"google": 1, "microsoft": 1},
    "worker killed after it sent": {"google": 2, "microsoft": 1},
    "worker killed before it records": {"google": 2, "microsoft": 1},
    "worker stopped after its claim": {"google": 1, "microsoft": 1},
    "worker stopped before it sends": {"google": 1, "microsoft": 1},
    "worker stopped while it records": {"google": 2, "microsoft": 1},
    "beat killed": {"google": 1, "microsoft": 1},
    "web process killed before it wakes": {"google": 1, "microsoft": 1},
    "broker flushed": {"google": 1, "microsoft": 1},
    "broker stopped": {"google": 1, "microsoft": 1},
    "broker hung": {"google": 1, "microsoft": 1},
    "cache stopped": {"google": 1, "microsoft": 1},
    "cache hung": {"google": 1, "microsoft": 1},
    "database gone before the record": {"google": 2, "microsoft": 1},
    "disk full before the record": {"google": 2, "microsoft": 1},
    "provider down for longer than a sealed password lives": {"google": 1, "microsoft": 1},
    "provider hangs": {"google": 1, "microsoft": 1},
    "two drains": {"google": 1, "microsoft": 1},
}
"""How often a password is written to one account at most, by what broke.

Where the outcome was unclear, Google gets the very same hash again; Entra ID is asked first
whether it has the password already.
"""


def eventually(is_so: Callable[[], object], *, seconds: float = 40) -> None:
    """Wait until something is so."""
    deadline = time.monotonic() + seconds
    while not is_so():
        assert time.monotonic() < deadline, "It did not become so in time."
        time.sleep(0.05)


def providers_of(person: Person) -> list[Provider]:
    is_in = {"google": person.is_in_google, "microsoft": person.is_in_entra}
    return [provider for _name, provider in PROVIDERS if is_in[provider]]


class Breakable(Company):
    """A company that is looked into from outside, and whose rows can be made older."""

    def sql(self, statement: str) -> list[Any]:
        raise NotImplementedError

    def let_claims_run_out(self) -> None:
        """Do to the rows what two minutes would."""
        self.sql(
            "UPDATE passwordsync_syncjob SET claimed_until = '2001-01-01 00:00:00' "
            "WHERE status = 'sending'"
        )
        self.let_leases_run_out()

    def let_leases_run_out(self) -> None:
        self.sql(
            "UPDATE directories_directory SET leased_until = '2001-01-01 00:00:00' "
            "WHERE leased_until IS NOT NULL"
        )

    def opens(self, person: Person, *providers: Provider, password: str = PASSWORD) -> bool:
        return all(
            self.sandbox.opens(provider, person.email, password)
            for provider in providers or providers_of(person)
        )

    def writes(self, person: Person, provider: Provider) -> list[dict[str, Any]]:
        """List the requests that would write to an account."""
        account = self.sandbox.account(person.email, provider)
        return self.sandbox.requests(
            provider=provider, method=METHODS[provider], path_contains=account["id"]
        )

    def is_answered(self, person: Person) -> bool:
        """Say whether each provider has answered the first write to a person's account."""
        return all(self.writes(person, provider)[0]["status"] for provider in providers_of(person))

    def jobs(self, *people: Person) -> list[dict[str, Any]]:
        """List the jobs of people, of everybody if none is named, with what their binding says."""
        names = ("email", "status", "error_code", "problem", "is_current")
        found = self.sql(
            "SELECT email, status, error_code, problem, pushed_password_version = password_version "
            "FROM passwordsync_syncjob j JOIN directories_binding b ON b.id = binding_id "
            "JOIN accounts_user u ON u.id = user_id"
        )
        emails = {person.email for person in people}
        jobs = [dict(zip(names, row, strict=True)) for row in found]
        return [job for job in jobs if not people or job["email"] in emails]

    def is_at_rest(self) -> bool:
        """Say whether no job and no question is on its way."""
        return not self.sql("SELECT 1 FROM passwordsync_logincheck") and not any(
            job["status"] in ("queued", "sending") for job in self.jobs()
        )

    def check(self, broken: str, *people: Person, password: str = PASSWORD) -> None:
        """Wait until all is over; then nothing is lost, left or doubled beyond what is listed."""
        eventually(
            lambda: (
                all(self.opens(person, password=password) for person in people)
                and self.is_at_rest()
            )
        )
        jobs = self.jobs(*people)
        assert {job["status"] for job in jobs} <= {"succeeded", "superseded"}
        assert {(job["problem"], bool(job["is_current"])) for job in jobs} == {("", True)}
        assert self.sql("SELECT count(*) FROM accounts_sealedpassword")[0][0] == 0
        for person in people:
            for provider in providers_of(person):
                account = self.sandbox.account(person.email, provider)
                assert 1 <= account["password_writes"] <= MOST_WRITES[broken][provider]
            if person.is_in_google:
                digests = {one["password_digest"] for one in self.writes(person, "google")}
                assert len(digests) == 1


class BreakableProduction(Breakable, Production):
    """Production with servers of its own as broker and cache."""

    wsgi = "tests.faults.breaking:web()"
    celery = "tests.faults.breaking"

    def __init__(self, sandbox: Sandbox, *, data_dir: Path, people: list[Person]) -> None:
        self.ports = {"broker": free_port(), "cache": free_port()}
        super().__init__(
            sandbox,
            data_dir=data_dir,
            database=DATABASE,
            cache=f"redis://127.0.0.1:{self.ports['cache']}/0",
            broker=f"redis://127.0.0.1:{self.ports['broker']}/0",
            people=people,
        )
        self._breaks = data_dir / "breaks"
        self._breaks.mkdir()
        self.environment["BREAKS_DIR"] = str(self._breaks)
        self._unused = list(people)

    def parts(self) -> dict[str, list[str]]:
        redis_server = ["redis-server", "--bind", "127.0.0.1", "--save", "", "--appendonly", "no"]
        servers = {
            name: [*redis_server, "--loglevel", "warning", "--port", str(port)]
            for name, port in self.ports.items()
        }
        return servers | super().parts()

    @contextmanager
    def serving(self) -> Iterator[Any]:
        """Set up, which needs the servers, and run until the block ends."""
        try:
            for name in self.ports:
                self.start(name)
            self.set_up()
            with super().serving():
                yield self
        finally:
            self.end()

    def sql(self, statement: str) -> list[Any]:
        with psycopg.connect(f"{POSTGRESQL}/{DATABASE}", autocommit=True) as connection:
            done = connection.execute(statement.encode())
            return done.fetchall() if done.description else []

    def somebody(self, *, google: bool = True, entra: bool = True) -> Person:
        """Get a person whom no other test has."""
        person = next(
            one for one in self._unused if (one.is_in_google, one.is_in_entra) == (google, entra)
        )
        self._unused.remove(person)
        return person

    def set_password(self, person: Person, password: str) -> None:
        self._command(
            "shell",
            "--command",
            f"user = User.objects.get(username={person.username!r}); "
            f"user.set_password({password!r}); user.save()",
        )

    def arm(self, step: str, number: signal.Signals) -> None:
        """Have the next process that comes to a step send itself a signal."""
        armed = self._breaks / f"{step}.new"
        armed.write_text(number.name)
        armed.rename(self._breaks / step)

    def wait_for_a_dead_worker(self) -> str:
        return self._wait_for_a_worker(lambda process: process.poll() is not None)

    def wait_for_a_stopped_worker(self) -> str:
        return self._wait_for_a_worker(
            lambda process: "State:\tT" in Path(f"/proc/{process.pid}/status").read_text()
        )

    def _wait_for_a_worker(self, is_so: Callable[[Any], bool]) -> str:
        def found() -> str:
            return next((name for name in WORKERS if is_so(self.processes[name])), "")

        eventually(found)
        return found()

    def end_stopped(self, name: str) -> None:
        """Let a stopped worker go on and end what it has begun."""
        process = self.processes[name]
        process.send_signal(signal.SIGCONT)
        process.terminate()
        process.wait(timeout=40)

    def mend(self) -> None:
        """Have everything run again."""
        self.sandbox.clear_faults()
        for armed in self._breaks.iterdir():
            armed.unlink()
        for name, process in self.processes.items():
            process.send_signal(signal.SIGCONT)
            if process.poll() is not None:
                self.start(name)

    def flush(self, name: str) -> None:
        """Empty the broker or the cache, once it answers."""
        eventually(lambda: answers(self.ports[name]))
        with redis.Redis(port=self.ports[name]) as server:
            server.flushdb()

    @contextmanager
    def database_down(self) -> Iterator[None]:
        """Cut every connection to the database, and let nobody in until the block ends.

        What the product sees of a restart, on any PostgreSQL and without harm to its other users.
        """
        allow = f"ALTER DATABASE {DATABASE} ALLOW_CONNECTIONS"
        with psycopg.connect(f"{POSTGRESQL}/postgres", autocommit=True) as connection:
            connection.execute(f"{allow} false".encode())
            connection.execute(
                "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE datname = %s",
                [DATABASE],
            )
            yield
            connection.execute(f"{allow} true".encode())

    def send_task(self, name: str, *, queue: str, **kwargs: Any) -> None:
        with Celery(broker=self.environment["CELERY_BROKER_URL"]) as app:
            app.send_task(name, kwargs=kwargs, queue=queue, ignore_result=True)

    def let_settle_delays_run_out(self) -> None:
        self.sql(
            "UPDATE passwordsync_syncjob SET next_attempt_at = '2001-01-01 00:00:00' "
            "WHERE status = 'queued'"
        )

    def let_passwords_expire(self) -> None:
        """Do to the rows what hours would, the sweep of every few minutes included."""
        self.sql("UPDATE accounts_sealedpassword SET sealed_at = '2001-01-01 00:00:00'")
        self.send_task("passwordsync.tasks.sweep", queue="default")


class BreakableServer(Breakable):
    """The embedded mode."""

    def sql(self, statement: str) -> list[Any]:
        path = self.data_dir / "latchkey.sqlite3"
        with closing(sqlite3.connect(path, timeout=20, isolation_level=None)) as connection:
            return connection.execute(statement).fetchall()
