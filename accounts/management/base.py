"""What the product's commands share: a clear message instead of a traceback."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from django.core.management import BaseCommand, CommandError
from django.db import DatabaseError, OperationalError, ProgrammingError, connection
from django.db.migrations.executor import MigrationExecutor


class ProductCommand(BaseCommand):
    """A command that says what to do where the database is missing or out of date."""

    def execute(self, *args: Any, **options: Any) -> str | None:
        try:
            return super().execute(*args, **options)
        except (OperationalError, ProgrammingError) as error:
            raise CommandError(_explain(error)) from error


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
