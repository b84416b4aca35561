from __future__ import annotations

from argparse import ArgumentParser
from pathlib import Path
from typing import Any

from django.core.management import CommandError

from accounts.csv_tables import TableError
from accounts.management.base import ProductCommand, read_file
from directories.importing import COLUMNS, import_bindings


class Command(ProductCommand):
    help = (
        "Bind the people of a CSV file in UTF-8, as an earlier system had them. Whatever their "
        "status there, the next portal login sends their password, and nobody resets anything. "
        f"Columns: {', '.join(COLUMNS)}; user and directory are needed."
    )

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument("file", type=Path, metavar="FILE.csv")
        parser.add_argument(
            "--check", action="store_true", help="say what would be done, and change nothing"
        )

    def handle(self, *args: Any, file: Path, check: bool, **options: Any) -> None:
        try:
            report = import_bindings(read_file(file), actor=None, is_check=check)
        except TableError as error:
            raise CommandError(str(error)) from None
        for problem in report.problems:
            self.stderr.write(str(problem))
        bad = len(report.problems)
        self.stdout.write(f"bound {report.bound}, already bound {report.unchanged}, bad {bad}")
        if bad:
            rows = "1 row was" if bad == 1 else f"{bad} rows were"
            raise CommandError(f"{rows} not imported; the others {'would be' if check else 'are'}.")
