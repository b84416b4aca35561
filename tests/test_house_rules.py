"""House rules that no linter knows."""

from __future__ import annotations

import ast
import re
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Final

import pytest
from django.conf import settings
from django.urls import URLPattern, URLResolver, get_resolver

from accounts.people_files import COLUMNS
from directories.models import Directory
from passwordsync.failures import FAILURES, HOMES
from passwordsync.states import State

ROOT: Final = Path(settings.BASE_DIR)
APPS: Final = ("accounts", "config", "directories", "passwordsync", "portal")
README: Final = (ROOT / "README.md").read_text()

MAY_HASH: Final = {
    "accounts/adapter.py",
    "accounts/backends.py",
    "accounts/forms.py",  # hands the new password to the adapter
    "accounts/importing.py",  # makes hashes that nothing opens
    "accounts/links.py",  # hands the new password to the adapter
    "accounts/models.py",
    "accounts/password_rules.py",  # compares a new password with those before
    "config/quickstart.py",  # everybody in it is made up
    "directories/connectors/google_workspace.py",
}
"""The only modules that hash, verify or set a password; the sandbox plays the providers."""
HASHING: Final = {
    "acheck_password", "check_password", "make_password", "set_password", "upgrade_hash",
}  # fmt: skip
HASHING_LIBRARIES: Final = {"argon2", "bcrypt", "crypt", "passlib"}

ADDRESSES: Final = {
    "": "portal:home",
    "live/": "portal:live",
    "result/": "portal:result",
    "directories/<int:binding_id>/send/": "portal:send",
    "notifications/": "portal:notifications",
    "notifications/read/": "portal:notifications-read",
    "profile/": "portal:profile",
    "security/": "portal:security",
    "security/sessions/end/": "portal:sessions-end",
    "security/sessions/<int:session_id>/end/": "portal:session-end",
    "login/": "account_login",
    "logout/": "account_logout",
    "confirm/": "account_reauthenticate",
    "forgotten/": "account_forgotten",
    "set-up/<str:token>/": "account_set_up",
    "password/": "account_change_password",
    "second-factor/": "mfa_index",
    "second-factor/code/": "mfa_authenticate",
    "second-factor/confirm/": "mfa_reauthenticate",
    "second-factor/app/": "mfa_activate_totp",
    "second-factor/app/off/": "mfa_deactivate_totp",
    "second-factor/recovery/": "mfa_view_recovery_codes",
    "second-factor/recovery/new/": "mfa_generate_recovery_codes",
    "second-factor/recovery/file/": "mfa_download_recovery_codes",
    "first-administrator/<str:token>/": "first-administrator",
    "theme.css": "theme",
    "healthz": "healthz",
    "readyz": "readyz",
    "admin/waiting/": "admin-waiting",
    "admin/churn/": "admin-churn",
    "admin/": "admin:index",
    "admin/search/": "admin:search",
    "admin/login/": "admin:login",
    "admin/logout/": "admin:logout",
    "admin/autocomplete/": "admin:autocomplete",
    "admin/jsi18n/": "admin:jsi18n",
    "admin/r/<path:content_type_id>/<path:object_id>/": "admin:view_on_site",
    "admin/(?P<url>.*)$": "admin:None",
    "admin/directories/directory/<path:object_id>/check/": (
        "admin:directories_directory_check_now_page"
    ),
    "admin/directories/directory/<path:object_id>/pause/": (
        "admin:directories_directory_pause_page"
    ),
    "admin/directories/directory/<path:object_id>/resume/": (
        "admin:directories_directory_resume_page"
    ),
    "admin/directories/directory/<path:object_id>/sending/": (
        "admin:directories_directory_sending"
    ),
    "admin/directories/binding/bind/": "admin:directories_binding_bind_people",
    "admin/portal/mailtext/<path:object_id>/preview/": "admin:portal_mailtext_preview",
}
"""Every address there may be, and its name; the admin's pages of models follow a pattern."""
ADMIN_MODELS: Final = {
    "accounts/loginevent", "accounts/user", "auth/group", "directories/binding",
    "directories/directory", "passwordsync/syncjob", "portal/bookmark", "portal/mail",
    "portal/mailtext", "portal/organisation",
}  # fmt: skip
ADMIN_PAGES: Final = {
    "", "add/", "<path:object_id>/", "<path:object_id>/change/", "<path:object_id>/delete/",
    "<path:object_id>/history/",
}  # fmt: skip


def sources(*folders: str) -> list[Path]:
    return sorted(path for folder in folders for path in (ROOT / folder).rglob("*.py"))


def name_of(path: Path) -> str:
    return path.relative_to(ROOT).as_posix()


# --- The README


def settings_read() -> set[str]:
    """Find the names of the environment that the settings read."""
    names = set()
    for node in ast.walk(ast.parse((ROOT / "config/settings.py").read_text())):
        if not (
            isinstance(node, ast.Call) and node.args and isinstance(node.args[0], ast.Constant)
        ):
            continue
        match node.func:
            case ast.Attribute(value=ast.Name(id="env")) | ast.Name(id="secret" | "key"):
                names.add(str(node.args[0].value))
    return names


def test_every_setting_is_named_in_the_readme_and_no_other() -> None:
    rows = re.findall(r"^\| (`[A-Z_]+`.*?) \|", README.split("## Settings")[1], re.MULTILINE)
    named = {name for row in rows for name in re.findall(r"`([A-Z_]+)`", row)}

    assert len(named) > 15
    assert named == settings_read()


def test_every_command_is_named_in_the_readme() -> None:
    commands = {
        path.stem for app in APPS for path in (ROOT / app / "management/commands").glob("[!_]*.py")
    }

    assert "serve" in commands
    assert {name for name in commands if f"| `{name}" not in README} == set()


@pytest.mark.parametrize(
    "words", [COLUMNS, Directory.Kind.values, [f"| {state} |" for state in State.values]]
)
def test_the_readme_lists_every_column_kind_and_state(words: list[str]) -> None:
    assert [word for word in words if word not in README] == []


def test_the_readme_lists_every_figure() -> None:
    figures = re.findall(r'"(latchkey_\w+)"', (ROOT / "passwordsync/metrics.py").read_text())

    assert len(figures) > 5
    assert [name for name in figures if f"| `{name}" not in README] == []


def rows(*table: Iterable[object]) -> list[str]:
    """Write a table as the README does."""
    return [f"| {' | '.join(map(str, cells))} |" for cells in table]


def test_the_readme_has_every_failure_as_the_code_has_it() -> None:
    failures = [(one.name, one.state.label, one.advice) for one in FAILURES.values()]
    homes = [
        (state.label, home.job.label.partition(":")[0], home.again, home.told)
        for state, home in HOMES.items()
    ]

    section = README.split("### When a push fails")[1].partition("\n## ")[0]
    found = [line for line in section.splitlines() if line.startswith("| ")]
    assert [line for line in found if "---" not in line] == rows(
        ("what failed", "the binding becomes", "what an operator can do"),
        *failures,
        ("the binding", "its job", "tried again", "who is told"),
        *homes,
    )


def test_every_test_that_the_page_of_outcomes_names_is_there() -> None:
    named = set(re.findall(r"`(test_\w+)`", (ROOT / "passwordsync/OUTCOMES.md").read_text()))
    there = {
        node.name
        for path in sources("tests")
        for node in ast.walk(ast.parse(path.read_text()))
        if isinstance(node, ast.FunctionDef)
    }

    assert len(named) > 10
    assert named - there == set()


# --- Passwords


def hashes(path: Path) -> bool:
    """Say whether a module hashes, verifies or sets passwords."""
    for node in ast.walk(ast.parse(path.read_text())):
        match node:
            case ast.Import(names=names):
                found = {alias.name.partition(".")[0] for alias in names} & HASHING_LIBRARIES
            case ast.ImportFrom(module=str(module), names=names):
                found = {module.partition(".")[0]} & HASHING_LIBRARIES
                found |= {alias.name for alias in names} & HASHING
            case ast.Call(func=ast.Attribute(attr=name)):
                found = {name} & HASHING
            case _:
                continue
        if found:
            return True
    return False


def test_only_the_allowed_modules_hash_passwords() -> None:
    found = {
        name_of(path)
        for path in sources(*APPS)
        if hashes(path) and not path.is_relative_to(ROOT / "directories/sandbox")
    }

    assert found == MAY_HASH


# --- Tests


def without_an_assertion() -> list[str]:
    """List the tests that assert nothing, neither themselves nor through a function of tests."""
    functions = [
        (path, node)
        for path in sources("tests")
        for node in ast.walk(ast.parse(path.read_text()))
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef)
    ]
    known = {node.name for _path, node in functions if asserts(node, known=set())}
    return [
        f"{name_of(path)}::{node.name}"
        for path, node in functions
        if node.name.startswith("test_") and not asserts(node, known=known)
    ]


def asserts(function: ast.AST, *, known: set[str]) -> bool:
    for node in ast.walk(function):
        if isinstance(node, ast.Assert):
            return True
        if isinstance(node, ast.Call):
            called = ast.unparse(node.func)
            last = called.rpartition(".")[2]
            if called in {"pytest.raises", "expect"} or "assert" in last or last in known:
                return True
    return False


def test_every_test_asserts_something() -> None:
    assert without_an_assertion() == []


# --- Files


def test_no_file_names_a_folder_of_somebodys_machine() -> None:
    machine = re.compile(r"(?<![\w.])/(?:home|root|Users|work)/\w|\b[A-Z]:\\\\?Users")
    suffixes = {".py", ".html", ".md", ".toml", ".txt", ".css", ".js", ".json", ".svg"}
    files = [
        path
        for folder in (*APPS, "tests", "templates", ".ci")
        for path in (ROOT / folder).rglob("*")
        if path.suffix in suffixes or path.parent.name == ".ci"
    ]
    files += [path for path in ROOT.glob("*.*") if path.is_file() and path.suffix in suffixes]

    assert len(files) > 100
    assert [name_of(path) for path in files if machine.search(path.read_text())] == []


def test_no_test_is_left_to_the_product() -> None:
    assert [name_of(path) for path in sources(*APPS) if path.name.startswith("test_")] == []


# --- Addresses


def addresses(
    resolver: URLResolver, prefix: str = "", namespace: str = ""
) -> Iterator[tuple[str, str]]:
    for pattern in resolver.url_patterns:
        address = prefix + str(pattern.pattern)
        if isinstance(pattern, URLPattern):
            yield address, f"{namespace}{pattern.name}"
        else:
            inner = f"{pattern.namespace}:" if pattern.namespace else ""
            yield from addresses(pattern, address, namespace + inner)


def is_page_of_a_model(address: str) -> bool:
    match = re.fullmatch(r"admin/(\w+/\w+)/(.*)", address)
    return bool(match and match[1] in ADMIN_MODELS and match[2] in ADMIN_PAGES)


def test_there_is_no_address_that_is_not_listed() -> None:
    found = {
        address: name
        for address, name in addresses(get_resolver())
        if not is_page_of_a_model(address) and not address.startswith("admin/^(?P<app_label>")
    }

    assert found == ADDRESSES


def test_no_page_of_the_admin_sees_a_password() -> None:
    names = {name for _address, name in addresses(get_resolver()) if name.startswith("admin:")}

    assert len(names) > 20
    assert [name for name in names if "password" in name.replace("passwordsync", "")] == []
