"""Each part of production breaks, at its worst moment."""

import shutil
import sys
import time
from functools import partial
from http.client import HTTPException
from itertools import chain, repeat
from signal import SIGKILL, SIGSTOP
from urllib.error import HTTPError

import pytest

from config.quickstart import Person
from directories.sandbox.client import Sandbox
from tests.faults.company import DATABASE, WORKERS, BreakableProduction, eventually
from tests.production import empty_database
from tests.services import needs_postgresql, needs_redis

pytestmark = [
    needs_postgresql,
    needs_redis,
    pytest.mark.skipif(
        sys.platform != "linux" or not shutil.which("redis-server"),
        reason="they need Linux, and a redis-server of their own",
    ),
]

KINDS = ("google_workspace", "microsoft_entra")
NEW_PASSWORD = "another-Canary-8-here"
LOGIN_SECONDS = 8
"""A login on a busy machine that gives a server up after a second; a hung one would take 30."""


@pytest.fixture(scope="module")
def running(tmp_path_factory):
    """The company, once for all tests: starting it takes longer than breaking it."""
    memberships = chain(
        repeat((True, True), 28), repeat((True, False), 8), repeat((False, True), 8)
    )
    people = [
        Person(f"p{number}", "Pat", f"No {number}", "", is_in_google=google, is_in_entra=entra)
        for number, (google, entra) in enumerate(memberships)
    ]
    with empty_database(DATABASE), Sandbox() as sandbox:
        company = BreakableProduction(
            sandbox, data_dir=tmp_path_factory.mktemp("company"), people=people
        )
        with company.serving():
            located = "SELECT 1 FROM directories_binding WHERE external_id = ''"
            eventually(lambda: not company.sql(located))
            yield company


@pytest.fixture
def company(running):
    """The company, in order."""
    yield running
    running.mend()


@pytest.mark.parametrize(
    ("step", "broken"),
    [
        ("claimed", "worker killed after its claim"),
        ("sending", "worker killed before it sends"),
        ("recording", "worker killed before it records"),
    ],
)
def test_worker_killed(company, step, broken):
    people = [company.somebody(entra=False), company.somebody(google=False)]
    for person, kind in zip(people, KINDS, strict=True):
        company.arm(f"{step}-{kind}", SIGKILL)
        company.log_in(person)
        company.start(company.wait_for_a_dead_worker())

    company.let_claims_run_out()

    company.check(broken, *people)


def test_all_workers_killed_while_the_providers_have_not_answered(company):
    person = company.somebody()
    for provider in ("google", "microsoft"):
        company.sandbox.fault(provider=provider, when="after", delay=20, action="close")
    company.log_in(person)
    eventually(lambda: company.opens(person))

    for name in WORKERS:
        company.kill(name)
        company.start(name)
    company.let_claims_run_out()

    company.check("worker killed after it sent", person)


every_stop = pytest.mark.parametrize(
    ("kind", "step", "broken"),
    [
        (kind, step, broken)
        for kind in KINDS
        for step, broken in (
            ("claimed", "worker stopped after its claim"),
            ("sending", "worker stopped before it sends"),
        )
    ],
)


@every_stop
def test_worker_stopped_for_longer_than_its_claim(company, kind, step, broken):
    is_google = kind == "google_workspace"
    person = company.somebody(google=is_google, entra=not is_google)
    company.arm(f"{step}-{kind}", SIGSTOP)
    company.log_in(person)
    stopped = company.wait_for_a_stopped_worker()
    company.let_claims_run_out()
    eventually(lambda: company.opens(person))

    company.end_stopped(stopped)

    company.check(broken, person)


def test_worker_stopped_within_a_transaction_gives_its_locks_back(company):
    person = company.somebody(entra=False)
    company.arm("locking", SIGSTOP)
    company.log_in(person)
    stopped = company.wait_for_a_stopped_worker()
    company.let_claims_run_out()

    eventually(lambda: "sending" not in {job["status"] for job in company.jobs(person)})
    company.end_stopped(stopped)

    company.check("worker stopped while it records", person)


@every_stop
def test_stopped_worker_never_sends_an_older_password(company, kind, step, broken):
    is_google = kind == "google_workspace"
    person = company.somebody(google=is_google, entra=not is_google)
    company.arm(f"{step}-{kind}", SIGSTOP)
    company.log_in(person)
    stopped = company.wait_for_a_stopped_worker()
    company.set_password(person, NEW_PASSWORD)
    company.log_in(person, NEW_PASSWORD)

    company.let_claims_run_out()
    eventually(lambda: "sending" not in {job["status"] for job in company.jobs(person)})
    company.let_settle_delays_run_out()
    eventually(lambda: company.opens(person, password=NEW_PASSWORD))
    company.end_stopped(stopped)

    company.check(broken, person, password=NEW_PASSWORD)


def test_web_process_killed_between_its_commit_and_the_wake(company):
    person = company.somebody()
    company.arm("waking", SIGKILL)

    with pytest.raises((OSError, HTTPException)):
        company.log_in(person)

    company.check("web process killed before it wakes", person)


def test_beat_killed(company):
    person, other = company.somebody(), company.somebody()
    company.kill("beat")
    company.log_in(person)
    company.check("beat killed", person)
    company.arm("waking", SIGKILL)
    with pytest.raises((OSError, HTTPException)):
        company.log_in(other)
    assert {job["status"] for job in company.jobs(other)} == {"queued"}

    company.start("beat")

    company.check("beat killed", other)


def test_broker_flushed(company):
    person, other = company.somebody(), company.somebody()
    for name in WORKERS:
        company.kill(name)
    company.log_in(person)

    company.flush("broker")
    for name in WORKERS:
        company.start(name)
    company.log_in(other)

    company.check("broker flushed", person, other)


@pytest.mark.parametrize(
    ("number", "broken"), [(SIGKILL, "broker stopped"), (SIGSTOP, "broker hung")]
)
def test_broker_gone_keeps_nobody_from_logging_in(company, number, broken):
    person, other = company.somebody(), company.somebody()
    company.processes["broker"].send_signal(number)
    started = time.monotonic()

    company.log_in(person)

    assert time.monotonic() - started < LOGIN_SECONDS
    company.mend()
    company.log_in(other)
    company.check(broken, person, other)


@pytest.mark.parametrize(
    ("number", "broken"), [(SIGKILL, "cache stopped"), (SIGSTOP, "cache hung")]
)
def test_cache_gone_lets_nobody_guess_and_shows_a_calm_page(company, number, broken):
    person = company.somebody()
    company.processes["cache"].send_signal(number)
    started = time.monotonic()

    with pytest.raises(HTTPError) as refused:
        company.log_in(person)

    assert time.monotonic() - started < LOGIN_SECONDS
    assert "The fault is ours, not yours." in refused.value.read().decode()
    company.mend()
    company.flush("cache")  # allauth's lock, which nobody could give back, lives for ten seconds
    company.log_in(person)
    company.check(broken, person)


def test_database_gone_before_the_record(company):
    person, other = company.somebody(), company.somebody()
    for provider in ("google", "microsoft"):
        company.sandbox.fault(provider=provider, when="after", delay=2)
    company.log_in(person)
    eventually(lambda: company.opens(person))

    with company.database_down():
        eventually(lambda: company.is_answered(person))
        with pytest.raises(HTTPError) as refused:
            company.log_in(other)
        assert "The fault is ours, not yours." in refused.value.read().decode()
    company.log_in(other)
    company.let_claims_run_out()

    company.check("database gone before the record", person, other)


@pytest.mark.parametrize("provider", ["google", "microsoft"])
def test_provider_down_for_longer_than_a_sealed_password_lives(company, provider):
    person = company.somebody()
    company.sandbox.fault(provider=provider, times=None, status=503)
    company.log_in(person)
    eventually(lambda: any(job["error_code"] for job in company.jobs(person)))

    company.let_passwords_expire()
    eventually(lambda: not company.sql("SELECT 1 FROM accounts_sealedpassword"))
    assert company.is_at_rest()
    company.sandbox.clear_faults()
    company.log_in(person)

    company.check("provider down for longer than a sealed password lives", person)


@pytest.mark.parametrize(("hanging", "other"), [("google", "microsoft"), ("microsoft", "google")])
def test_provider_that_hangs_keeps_nobody_from_the_other(company, hanging, other):
    people = [company.somebody() for _ in range(3)]
    company.sandbox.fault(provider=hanging, times=None, delay=40, action="close")

    for person in people:
        company.log_in(person)
        eventually(partial(company.opens, person, other), seconds=5)
    assert not any(company.opens(person, hanging) for person in people)

    company.sandbox.clear_faults()
    company.check("provider hangs", *people)


def test_two_drains_for_one_directory(company):
    people = [company.somebody() for _ in range(4)]
    first, *others = people
    for provider in ("google", "microsoft"):
        company.sandbox.fault(provider=provider, when="after", delay=2)
    company.log_in(first)
    eventually(lambda: company.opens(first))

    company.let_leases_run_out()
    for person in others:
        company.log_in(person)
        for [directory_id] in company.sql("SELECT id FROM directories_directory"):
            company.send_task(
                "passwordsync.tasks.drain_directory",
                queue="directories",
                directory_id=directory_id,
            )

    company.check("two drains", *people)
