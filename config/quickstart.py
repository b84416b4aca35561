"""The quickstart: a sandbox of both providers, a small company, and the server beside them.

The company is set up with the same commands that an operator would use, in a folder of its own
that is made afresh each time.
"""

from __future__ import annotations

import csv
import http.cookiejar
import json
import os
import shutil
import subprocess
import sys
import time
import urllib.error
import urllib.parse
import urllib.request
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Any, Final

from django.contrib.auth.hashers import make_password

from directories.sandbox.client import Sandbox
from directories.sandbox.steering import Provider

DOMAIN: Final = "example.com"
GOOGLE: Final = "Google Workspace"
ENTRA: Final = "Microsoft 365"
PASSWORD: Final = "Correct-Horse-7-Battery"  # noqa: S105  of made-up people
"""The password of everybody who has one; the company is made up."""
ADMINISTRATOR: Final = "ada"
WAIT_SECONDS: Final = 60
NOT_FOR_IT: Final = frozenset(
    {
        "DATABASE_URL",
        "CELERY_BROKER_URL",
        "CACHE_URL",
        "EMAIL_URL",
        "METRICS_BIND",
        "DJANGO_SETTINGS_MODULE",
    }
)
"""What the environment may say about another installation."""


@dataclass(frozen=True)
class Person:
    username: str
    given_name: str
    family_name: str
    job_title: str
    state: str = "active"
    has_password: bool = True
    is_in_google: bool = True
    is_in_entra: bool = True

    @property
    def email(self) -> str:
        return f"{self.username}@{DOMAIN}"


COMPANY: Final = (
    Person("grace", "Grace", "Okafor", "Head of Sales"),
    Person("alan", "Alan", "Berg", "Accountant"),
    Person("mary", "Mary", "Lindqvist", "Designer"),
    Person("linus", "Linus", "Kowalski", "Engineer"),
    Person("rosa", "Rosa", "Marino", "Engineer"),
    Person("edith", "Edith", "Schmidt", "Office manager"),
    Person("hugo", "Hugo", "Lefèvre", "Support"),
    Person("ines", "Inês", "Carvalho", "Support"),
    Person("jonas", "Jonas", "Huber", "Engineer"),
    Person("karin", "Karin", "Nilsen", "Engineer", is_in_entra=False),
    Person("leo", "Leo", "Petrov", "Sales", is_in_google=False),
    Person("maya", "Maya", "Iyer", "Sales"),
    Person("nils", "Nils", "Bakker", "New in support", has_password=False),
    Person("olga", "Olga", "Novak", "New in sales", has_password=False),
    Person("paul", "Paul", "Dubois", "New engineer", has_password=False),
    Person("quinn", "Quinn", "Murphy", "Starts next month", state="staged", has_password=False),
    Person("ruth", "Ruth", "Cohen", "Starts next month", state="staged", has_password=False),
    Person("sam", "Sam", "Taylor", "On leave", state="suspended"),
    Person("tina", "Tina", "Weber", "Left", state="suspended"),
)
"""With the administrator, twenty people."""


@dataclass(frozen=True)
class Result:
    """What a login brought about in one directory."""

    directory: str
    account: str
    has_password: bool
    seconds: float | None


PROVIDERS: Final[tuple[tuple[str, Provider], ...]] = ((GOOGLE, "google"), (ENTRA, "microsoft"))


class QuickstartError(Exception):
    """The quickstart could not do its job; the message says why."""


class Company:
    """The running quickstart: sandbox, data and server."""

    def __init__(
        self,
        sandbox: Sandbox,
        *,
        data_dir: Path,
        bind: str,
        manage: Path,
        people: Sequence[Person],
    ) -> None:
        self.sandbox = sandbox
        self.people = people
        self.data_dir = data_dir
        self.bind = bind
        self.manage = manage
        self.portal_url = f"http://{bind}"
        self.environment = {
            **{name: value for name, value in os.environ.items() if name not in NOT_FOR_IT},
            "DATA_DIR": str(data_dir),
            "PORTAL_URL": self.portal_url,
            "GOOGLE_API_ENDPOINT": sandbox.google,
            "MICROSOFT_GRAPH_ENDPOINT": sandbox.graph,
            "MICROSOFT_LOGIN_ENDPOINT": sandbox.login,
            "SSL_CERT_FILE": sandbox.ca_bundle,
        }

    def set_up(self) -> None:
        """Make the accounts over there, then everything here with the product's own commands."""
        google, entra = self._seed_sandbox()
        self._command("migrate", "--verbosity", "0")
        self._command("import_users", str(self._write_people()))
        self._command(
            "createsuperuser",
            "--noinput",
            "--username",
            ADMINISTRATOR,
            "--email",
            f"{ADMINISTRATOR}@{DOMAIN}",
            DJANGO_SUPERUSER_PASSWORD=PASSWORD,
        )
        self._command(
            "add_directory",
            "google_workspace",
            GOOGLE,
            "--domain",
            DOMAIN,
            "--credentials",
            str(self._write_secret("google.json", google)),
            "--admin-email",
            f"it@{DOMAIN}",
        )
        self._command(
            "add_directory",
            "microsoft_entra",
            ENTRA,
            "--domain",
            DOMAIN,
            "--credentials",
            str(self._write_secret("entra.json", entra)),
        )
        for directory, people in (
            (GOOGLE, [person for person in self.people if person.is_in_google]),
            (ENTRA, [person for person in self.people if person.is_in_entra]),
        ):
            addresses = [part for person in people for part in ("--user", person.email)]
            self._command("bind", directory, *addresses)

    @contextmanager
    def serving(self) -> Iterator[subprocess.Popen[bytes]]:
        """Run the server until the block ends."""
        server = subprocess.Popen(
            [sys.executable, str(self.manage), "serve", "--bind", self.bind],
            env=self.environment,
            stdout=subprocess.DEVNULL,
        )
        try:
            self._wait_for_login_form(server)
            yield server
        finally:
            server.terminate()
            try:
                server.wait(timeout=10)
            except subprocess.TimeoutExpired:
                server.kill()

    def description(self) -> str:
        """Say where everything is and who can log in, for the console."""
        people = ", ".join(
            person.email
            for person in self.people
            if person.has_password and person.state == "active"
        )
        return f"""
Portal           {self.portal_url}/
Admin            {self.portal_url}/admin/   as {ADMINISTRATOR}@{DOMAIN}
The directories  {self.sandbox.control}/   what Google and Microsoft would have received
Mails            {self.data_dir}/mail

Password of everybody: {PASSWORD}
People: {people}

Stop with Ctrl-C."""

    def wait_until_located(self) -> None:
        """Wait until the server has found everybody's account."""
        deadline = time.monotonic() + WAIT_SECONDS
        while time.monotonic() < deadline:
            bindings = json.loads(self._command("takeover_status", "--json"))
            if all(binding["external_id"] for binding in bindings):
                return
            time.sleep(0.2)
        raise QuickstartError("Not every account was found in time.")

    def log_in(self, person: Person, password: str = PASSWORD) -> float:
        """Log a person in as a browser would; returns when the answer came (Unix time)."""
        browser = urllib.request.build_opener(
            urllib.request.HTTPCookieProcessor(jar := http.cookiejar.CookieJar())
        )
        form = browser.open(f"{self.portal_url}/", timeout=30)
        token = next(cookie.value for cookie in jar if cookie.name == "csrftoken")
        answer = browser.open(
            urllib.request.Request(  # noqa: S310  our own server on loopback
                form.url,
                data=urllib.parse.urlencode(
                    {
                        "csrfmiddlewaretoken": token or "",
                        "login": person.email,
                        "password": password,
                    }
                ).encode(),
                headers={"Referer": form.url},
            ),
            timeout=30,
        )
        logged_in_at = time.time()
        if not any(cookie.name == "sessionid" for cookie in jar) or "/login" in answer.url:
            raise QuickstartError(f"{person.email} could not log in.")
        return logged_in_at

    def wait_for_password(self, person: Person, *, logged_in_at: float) -> list[Result]:
        """Wait until both directories have a person's password, or it takes too long."""
        deadline = time.monotonic() + WAIT_SECONDS
        while True:
            results = [
                self._result(name, provider, person, logged_in_at) for name, provider in PROVIDERS
            ]
            if all(result.has_password for result in results) or time.monotonic() > deadline:
                return results
            time.sleep(0.02)

    def _result(
        self, directory: str, provider: Provider, person: Person, logged_in_at: float
    ) -> Result:
        # First whether it opens: what comes in between must not be missing from the log.
        has_password = self.sandbox.opens(provider, person.email, PASSWORD)
        writes = [
            datetime.fromisoformat(request["at"]).timestamp()
            for request in self.sandbox.requests(provider=provider)
            if request["password_digest"] and request["status"] in (200, 204)
        ]
        return Result(
            directory=directory,
            account=person.email,
            has_password=has_password,
            seconds=writes[-1] - logged_in_at if writes else None,
        )

    def _seed_sandbox(self) -> tuple[dict[str, Any], dict[str, Any]]:
        google = self.sandbox.add_google_customer(domains=(DOMAIN,), admin_email=f"it@{DOMAIN}")
        entra = self.sandbox.add_entra_tenant(domains=(DOMAIN,))
        for person in self.people:
            if person.is_in_google:
                self.sandbox.add_google_user(
                    person.email, given_name=person.given_name, family_name=person.family_name
                )
            if person.is_in_entra:
                self.sandbox.add_entra_user(person.email)
            if person.has_password:
                self.sandbox.expect(person.email, PASSWORD)
        return google, entra

    def _write_people(self) -> Path:
        path = self.data_dir / "people.csv"
        hashed = make_password(PASSWORD)
        with path.open("w", newline="") as file:
            writer = csv.writer(file)
            writer.writerow(
                [
                    "username",
                    "email",
                    "state",
                    "given_name",
                    "family_name",
                    "display_name",
                    "job_title",
                    "password_hash",
                ]
            )
            for person in self.people:
                writer.writerow(
                    [
                        person.username,
                        person.email,
                        person.state,
                        person.given_name,
                        person.family_name,
                        f"{person.given_name} {person.family_name}",
                        person.job_title,
                        hashed if person.has_password else "",
                    ]
                )
        return path

    def _write_secret(self, name: str, content: dict[str, Any]) -> Path:
        path = self.data_dir / name
        path.write_text(json.dumps(content))
        path.chmod(0o600)
        return path

    def _command(self, *arguments: str, **environment: str) -> str:
        done = subprocess.run(
            [sys.executable, str(self.manage), *arguments],
            env={**self.environment, **environment},
            capture_output=True,
            text=True,
            check=False,
        )
        if done.returncode:
            raise QuickstartError(
                f"manage.py {arguments[0]} failed:\n{done.stdout}{done.stderr}".strip()
            )
        return done.stdout

    def _wait_for_login_form(self, server: subprocess.Popen[bytes]) -> None:
        deadline = time.monotonic() + WAIT_SECONDS
        while time.monotonic() < deadline:
            if server.poll() is not None:
                raise QuickstartError(f"The server stopped; its log is in {self.data_dir}/logs.")
            try:
                urllib.request.urlopen(f"{self.portal_url}/", timeout=5).close()  # noqa: S310
            except (urllib.error.URLError, OSError):
                time.sleep(0.1)
            else:
                return
        raise QuickstartError("The server did not come up in time.")


@contextmanager
def company(
    *, data_dir: Path, bind: str, manage: Path, people: Sequence[Person] = COMPANY
) -> Iterator[Company]:
    """Start the sandbox and set the company up in a fresh folder."""
    shutil.rmtree(data_dir, ignore_errors=True)
    data_dir.mkdir(mode=0o700, parents=True)
    with Sandbox() as sandbox:
        made = Company(sandbox, data_dir=data_dir, bind=bind, manage=manage, people=people)
        made.set_up()
        yield made
