"""What Prometheus is told, over the listener it asks."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import timedelta
from urllib.request import urlopen

import pytest
from django.core.exceptions import ImproperlyConfigured
from django.utils import timezone
from prometheus_client import REGISTRY

from config.management.commands.quickstart import free_port
from passwordsync import metrics
from passwordsync.models import SyncJob
from tests.factories import BindingFactory, DirectoryFactory, SyncJobFactory, UserFactory
from tests.passwordsync.test_drain import again, log_in

pytestmark = pytest.mark.django_db(transaction=True)


@pytest.fixture
def address() -> Iterator[str]:
    """The address of the listener."""
    bind = f"127.0.0.1:{free_port()}"
    server = metrics.serve(bind)
    yield f"http://{bind}/metrics"
    server.shutdown()
    server.server_close()


def scrape(address: str) -> dict[str, float]:
    with urlopen(address) as answer:
        lines = answer.read().decode().splitlines()
    samples = (line.rpartition(" ") for line in lines if line.startswith("latchkey_"))
    return {name: float(value) for name, _, value in samples}


def pushes(directory, outcome: str) -> float:
    labels = {"directory": directory.name, "kind": directory.kind, "outcome": outcome}
    return REGISTRY.get_sample_value("latchkey_pushes_total", labels) or 0


def test_pushes_are_counted_by_directory_and_outcome_and_timed(client, company):
    company.bind()
    log_in(client, company.grace)
    company.sandbox.fault(provider="google", method="PUT", status=429)
    before = [pushes(company.google, "throttled"), pushes(company.entra, "succeeded")]
    labels = {"directory": "Entra", "kind": "microsoft_entra"}
    timed = REGISTRY.get_sample_value("latchkey_push_seconds_count", labels) or 0

    company.drain()

    after = [pushes(company.google, "throttled"), pushes(company.entra, "succeeded")]
    assert [one + 1 for one in before] == after
    assert REGISTRY.get_sample_value("latchkey_push_seconds_count", labels) == timed + 1


def test_jobs_are_told_by_directory_and_status_with_the_age_of_the_oldest_queued(address):
    google = DirectoryFactory(name="Google")
    for seconds in (90, 30):
        job = SyncJobFactory(queued=True, binding=BindingFactory(directory=google))
        SyncJob.objects.filter(pk=job.pk).update(
            queued_at=timezone.now() - timedelta(seconds=seconds)
        )
    SyncJobFactory(binding=BindingFactory(directory=google))
    DirectoryFactory(entra=True, name="Idle")

    found = scrape(address)

    of_google, of_idle = (
        'directory="Google",kind="google_workspace"',
        'directory="Idle",kind="microsoft_entra"',
    )
    assert found[f'latchkey_jobs{{{of_google},status="queued"}}'] == 2
    assert found[f'latchkey_jobs{{{of_google},status="waiting"}}'] == 1
    assert found[f'latchkey_jobs{{{of_idle},status="queued"}}'] == 0
    assert 90 <= found[f"latchkey_oldest_queued_seconds{{{of_google}}}"] < 120
    assert found[f"latchkey_oldest_queued_seconds{{{of_idle}}}"] == 0
    assert found["latchkey_sealed_passwords"] == 2


def test_figures_name_directories_and_never_people(client, company, address):
    company.bind()
    log_in(client, company.grace)
    company.sandbox.fault(provider="google", method="PUT", status=500)
    company.drain()
    again()
    company.drain()

    with urlopen(address) as answer:
        text = answer.read().decode()

    assert 'directory="Entra"' in text
    assert [word for word in ("grace", "@", "example.com", "Okafor") if word in text] == []


def test_figures_cost_three_statements_whatever_there_is(django_assert_num_queries):
    for _ in range(3):
        SyncJobFactory(queued=True, binding=BindingFactory(user=UserFactory()))

    with django_assert_num_queries(3):
        metrics.Database()._read()


def test_a_listener_that_cannot_be_opened_names_the_setting(address):
    bind = address.removeprefix("http://").removesuffix("/metrics")

    with pytest.raises(ImproperlyConfigured, match=f"METRICS_BIND: {bind} cannot be served"):
        metrics.serve(bind)
