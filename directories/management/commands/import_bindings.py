from __future__ import annotations

from accounts.csv_tables import Problem
from accounts.management.base import ImportCommand
from directories.importing import COLUMNS, import_bindings


class Command(ImportCommand):
    help = (
        "Bind the people of a CSV file in UTF-8, as an earlier system had them. Whatever their "
        "status there, the next portal login sends their password, and nobody resets anything. "
        f"Columns: {', '.join(COLUMNS)}; user and directory are needed."
    )

    def run(self, content: bytes, *, is_check: bool) -> tuple[str, list[Problem]]:
        report = import_bindings(content, actor=None, is_check=is_check)
        return f"bound {report.bound}, already bound {report.unchanged}", report.problems
