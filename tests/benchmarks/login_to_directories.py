"""From the login response to the password in both directories, embedded mode, one by one.

The baseline is the bare connectors: the same two pushes, straight from a script, interleaved with
the logins.
"""

from __future__ import annotations

import asyncio
import json
import os
import time
import uuid
from typing import Self

from django.conf import settings

from config.management.commands.quickstart import free_port
from config.quickstart import Person, company
from directories.connectors import CONNECTORS
from directories.connectors.base import Connection, Endpoints, Push
from directories.sandbox.client import Sandbox
from tests.benchmarks.figures import Figure
from tests.benchmarks.installation import Installation


def measure(installation: Installation, *, is_full: bool) -> list[Figure]:
    """Log people in one after the other; the first login also pays for connecting."""
    count = 50 if is_full else 10
    people = [Person(f"person{n}", "Grace", f"Number {n}", "Tester") for n in range(count)]
    for name in installation.environment:  # the server makes its own
        os.environ.pop(name, None)
    taken, bare = [], []
    with (
        company(
            data_dir=installation.folder / "company",
            bind=f"127.0.0.1:{free_port()}",
            manage=settings.BASE_DIR / "manage.py",
            people=people,
        ) as made,
        made.serving(),
        Baseline(made.sandbox) as baseline,
    ):
        made.wait_until_located()
        for person in people:
            logged_in_at = made.log_in(person)
            results = made.wait_for_password(person, logged_in_at=logged_in_at)
            if not all(result.has_password for result in results):
                raise AssertionError(f"{person.email}: the password did not arrive.")
            taken.append(max(result.seconds or 0 for result in results) * 1000)
            bare.append(baseline.push() * 1000)
    return [
        Figure(
            what=f"p95 from login to both directories, {count} people",
            measured=_p95(taken),
            baseline=_p95(bare),
            unit="ms",
            at_most=300,
        )
    ]


def _p95(figures: list[float]) -> float:
    return sorted(figures)[int(len(figures) * 0.95) - 1]


class Baseline:
    """The two pushes of one login, with connections kept, and nothing around them."""

    def __init__(self, sandbox: Sandbox) -> None:
        self.sandbox = sandbox

    def __enter__(self) -> Self:
        sandbox = self.sandbox
        endpoints = Endpoints(
            google_api=sandbox.google,
            microsoft_graph=sandbox.graph,
            microsoft_login=sandbox.login,
            ca_bundle=sandbox.ca_bundle,
        )
        self.runner = asyncio.Runner()
        self.connectors = []
        google = sandbox.add_google_customer(
            domains=("baseline.example",), admin_email="it@baseline.example"
        )
        entra = sandbox.add_entra_tenant(domains=("baseline.example",))
        ids = (
            sandbox.add_google_user("a@baseline.example"),
            sandbox.add_entra_user("a@baseline.example"),
        )
        for kind, credentials, external_id in (
            ("google_workspace", google, ids[0]),
            ("microsoft_entra", entra, ids[1]),
        ):
            parsed = CONNECTORS[kind].parse_credentials(json.dumps(credentials), endpoints)
            connector = CONNECTORS[kind].connect(
                Connection(
                    domain="baseline.example",
                    credentials=parsed,
                    admin_email="it@baseline.example" if kind == "google_workspace" else "",
                ),
                endpoints,
            )
            self.runner.run(connector.check())
            mapping = CONNECTORS[kind].default_mapping
            names = {mapping["given_name"]: "Grace", mapping["family_name"]: "Okafor"}
            self.connectors.append((connector, external_id, names))
        self.push()
        return self

    def push(self) -> float:
        """Push to both at once, as two drains do; returns seconds."""

        async def both() -> None:
            await asyncio.gather(
                *(
                    connector.push(
                        Push(
                            external_id=external_id,
                            attributes=names,
                            attempt_id=uuid.uuid4(),
                            password="Bare-Connector-7-Password",
                            repeat_key=uuid.uuid4().bytes,
                        )
                    )
                    for connector, external_id, names in self.connectors
                )
            )

        started = time.perf_counter()
        self.runner.run(both())
        return time.perf_counter() - started

    def __exit__(self, *_: object) -> None:
        for connector, _external_id, _names in self.connectors:
            self.runner.run(connector.close())
        self.runner.close()
