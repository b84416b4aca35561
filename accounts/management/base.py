"""What the product's commands share: a clear message instead of a traceback."""

from __future__ import annotations

from argparse import ArgumentParser
from pathlib import Path
from typing import Any

from django.core.management import BaseCommand, CommandError
from django.db import DatabaseError, OperationalError, ProgrammingError, connection
from django.db.migrations.executor import MigrationExecutor

from accounts.csv_tables import Problem, TableError


class ProductCommand(BaseCommand):
    """A command that says what to do where the database is missing or out of date."""

    def execute(self, *args: Any, **options: Any) -> str | None:
        try:
            return super().execute(*args, **options)
        except (OperationalError, ProgrammingError) as error:
            raise CommandError(_explain(error)) from error


class ImportCommand(ProductCommand):
    """Imports a CSV file: says what was done, and names each row that was not imported."""

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument("file", type=Path, metavar="FILE.csv")
        parser.add_argument(
            "--check", action="store_true", help="say what would be done, and change nothing"
        )

    def run(self, content: bytes, *, is_check: bool) -> tuple[str, list[Problem]]:
        """Import; returns what was done, and the rows that were not.  Raises TableError."""
        raise NotImplementedError

    def handle(self, *args: Any, file: Path, check: bool, **options: Any) -> None:
        try:
            done, problems = self.run(read_file(file), is_check=check)
        except TableError as error:
            raise CommandError(str(error)) from None
        for problem in problems:
            self.stderr.write(str(problem))
        bad = len(problems)
        self.stdout.write(f"{done}, bad {bad}")
        if bad:
            rows = "1 row was" if bad == 1 else f"{bad} rows were"
            raise CommandError(f"{rows} not imported; the others {'would be' if check else 'are'}.")


def read_file(path: Path) -> bytes:
    """Read a file that was named on the command line; raises CommandError."""
    try:
        return path.read_bytes()
    except OSError as error:
        raise CommandError(f"{path} cannot be read: {error.strerror}.") from None


def _explain(error: DatabaseError) -> str:
    try:
        executor = MigrationExecutor(connection)
        is_behind = bool(executor.migration_plan(executor.loader.graph.leaf_nodes()))
    except DatabaseError:
        is_behind = False
    if is_behind:
        return "The database is not up to date: run `manage.py migrate` first."
    return f"The database cannot be used: {error}".strip()
