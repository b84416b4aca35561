"""The disk of the embedded mode is full.

A limit forbids its process to write to files, which needs no file system of its own: SQLite, the
log and the mails fail in the same way.
"""

import resource
import sys
from urllib.error import HTTPError
from urllib.request import urlopen

import pytest
from django.conf import settings

from config.management.commands.quickstart import free_port
from config.quickstart import COMPANY
from directories.sandbox.client import Sandbox
from tests.faults.company import BreakableServer, eventually

pytestmark = pytest.mark.skipif(sys.platform != "linux", reason="only Linux limits a process")


@pytest.fixture
def company(tmp_path):
    with Sandbox() as sandbox:
        yield BreakableServer(
            sandbox,
            data_dir=tmp_path,
            bind=f"127.0.0.1:{free_port()}",
            manage=settings.BASE_DIR / "manage.py",
            people=COMPANY[:2],
        )


def limit_files(pid, size):
    _, hard = resource.prlimit(pid, resource.RLIMIT_FSIZE)
    resource.prlimit(pid, resource.RLIMIT_FSIZE, (size, hard))


def test_full_disk_loses_nothing_and_heals_when_there_is_room(company):
    person, other = company.people
    company.set_up()
    with company.serving() as server:
        company.wait_until_located()
        for provider in ("google", "microsoft"):
            company.sandbox.fault(provider=provider, when="after", delay=2)
        company.log_in(person)
        eventually(lambda: company.opens(person))

        limit_files(server.pid, 0)
        eventually(lambda: company.is_answered(person))
        with pytest.raises(HTTPError) as refused:
            company.log_in(other)
        page = refused.value.read().decode()
        assert "The fault is ours, not yours." in page
        assert urlopen(f"{company.portal_url}/login/").status == 200

        limit_files(server.pid, resource.RLIM_INFINITY)
        company.log_in(other)
        company.let_claims_run_out()
        company.check("disk full before the record", person, other)
