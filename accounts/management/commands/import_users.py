from __future__ import annotations

from argparse import ArgumentParser
from pathlib import Path
from typing import Any

from django.core.management import CommandError

from accounts.csv_tables import TableError
from accounts.importing import import_people
from accounts.management.base import ProductCommand, read_file
from accounts.people_files import COLUMNS


class Command(ProductCommand):
    help = (
        "Import people from a CSV file in UTF-8, matched by user name; a missing column or a blank "
        f"cell changes nothing. Columns: {', '.join(COLUMNS)}."
    )

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument("file", type=Path, metavar="FILE.csv")
        parser.add_argument(
            "--check", action="store_true", help="say what would be done, and change nothing"
        )

    def handle(self, *args: Any, file: Path, check: bool, **options: Any) -> None:
        try:
            report = import_people(read_file(file), is_check=check)
        except TableError as error:
            raise CommandError(str(error)) from None
        for problem in report.problems:
            self.stderr.write(str(problem))
        bad = len(report.problems)
        self.stdout.write(
            f"created {report.created}, changed {report.changed}, "
            f"unchanged {report.unchanged}, bad {bad}"
        )
        if bad:
            rows = "1 row was" if bad == 1 else f"{bad} rows were"
            raise CommandError(f"{rows} not imported; the others {'would be' if check else 'are'}.")
