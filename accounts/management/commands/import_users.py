from __future__ import annotations

from accounts.csv_tables import Problem
from accounts.importing import import_people
from accounts.management.base import ImportCommand
from accounts.people_files import COLUMNS


class Command(ImportCommand):
    help = (
        "Import people from a CSV file in UTF-8, matched by user name; a missing column or a blank "
        f"cell changes nothing. Columns: {', '.join(COLUMNS)}."
    )

    def run(self, content: bytes, *, is_check: bool) -> tuple[str, list[Problem]]:
        report = import_people(content, is_check=is_check)
        done = f"created {report.created}, changed {report.changed}, unchanged {report.unchanged}"
        return done, report.problems
