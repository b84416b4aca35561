"""From the login response to the password in both directories, embedded mode, one by one.

The baseline is the bare connectors: the same two pushes, straight from a script, interleaved with
the logins.  Goal: p95 under 300 ms with a sandbox that answers at once.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import os
import statistics
import sys
import tempfile
import time
import uuid
from pathlib import Path
from typing import Self

from directories.sandbox.client import Sandbox

GOAL_MS = 300


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--people", type=int, default=50)
    people_count = parser.parse_args().people

    from config import embedded

    with tempfile.TemporaryDirectory() as folder:
        os.environ["DATA_DIR"] = f"{folder}/benchmark"
        os.environ["DJANGO_SETTINGS_MODULE"] = "config.settings"
        embedded.started_by_manage = True
        import django

        django.setup()
        return measure(people_count, Path(folder))


def measure(people_count: int, folder: Path) -> int:
    """Log people in one after the other and print the table."""
    from django.conf import settings

    from config.management.commands.quickstart import free_port
    from config.quickstart import Person, company

    people = [Person(f"person{n}", "Grace", f"Number {n}", "Tester") for n in range(people_count)]
    taken, bare = [], []
    with (
        company(
            data_dir=folder / "company",
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
                print(f"{person.email}: the password did not arrive", file=sys.stderr)
                return 1
            taken.append(max(result.seconds or 0 for result in results) * 1000)
            bare.append(baseline.push() * 1000)
    # The first login also pays for connecting; it is part of what people meet, and counted.
    print(f"{people_count} people, milliseconds      p50     p95     max")
    for name, figures in (("login to both directories", taken), ("bare connectors", bare)):
        print(
            f"{name:<28} {statistics.median(figures):7.1f} {p95(figures):7.1f} {max(figures):7.1f}"
        )
    print(f"ratio of p95 to the bare connectors: {p95(taken) / p95(bare):.1f}")
    print(f"goal: p95 under {GOAL_MS} ms: {'met' if p95(taken) < GOAL_MS else 'NOT MET'}")
    return 0


def p95(figures: list[float]) -> float:
    return sorted(figures)[int(len(figures) * 0.95) - 1] if len(figures) > 1 else figures[0]


class Baseline:
    """The two pushes of one login, with connections kept, and nothing around them."""

    def __init__(self, sandbox: Sandbox) -> None:
        self.sandbox = sandbox

    def __enter__(self) -> Self:
        from directories.connectors import CONNECTORS
        from directories.connectors.base import Connection, Endpoints

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
        from directories.connectors.base import Push

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


if __name__ == "__main__":
    raise SystemExit(main())
