from __future__ import annotations

import json
from argparse import ArgumentParser
from collections.abc import Iterable
from typing import Any

from accounts.management.base import ProductCommand
from directories.management.named import find_directory
from passwordsync.takeover_status import BindingStatus, statuses

COLUMNS = ("user", "directory", "state", "due", "reason")


class Command(ProductCommand):
    help = "Show, for every binding, whether the portal password is there, and if not, why."

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument("--directory", metavar="NAME", help="only this directory")
        parser.add_argument("--json", action="store_true", help="for programs: a JSON list")

    def handle(self, *args: Any, directory: str | None, json: bool, **options: Any) -> None:
        found = statuses(find_directory(directory) if directory is not None else None)
        self.stdout.write(_json(found) if json else _table(found))


def _json(found: Iterable[BindingStatus]) -> str:
    return json.dumps(list(found), indent=2, ensure_ascii=False)


def _table(found: Iterable[BindingStatus]) -> str:
    rows = [COLUMNS, *(tuple(str(row[name] or "") for name in COLUMNS) for row in found)]  # type: ignore[literal-required]
    if len(rows) == 1:
        return "Nobody is bound."
    widths = [max(len(cell) for cell in column) for column in zip(*rows, strict=True)]
    return "\n".join(
        "  ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)).rstrip()
        for row in rows
    )
