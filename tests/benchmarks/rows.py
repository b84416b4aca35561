"""The rows of the table; each is measured in a process of its own."""

from __future__ import annotations

import multiprocessing
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass
from importlib import import_module
from typing import Final

from tests.benchmarks.figures import Figure
from tests.benchmarks.installation import Installation


@dataclass(frozen=True)
class Row:
    """A module of this package with ``measure``."""

    on_each_database: bool = False
    needs_broker: bool = False


ROWS: Final = {
    "login": Row(on_each_database=True),
    "pushes": Row(on_each_database=True),
    "many_people": Row(on_each_database=True),
    "memory": Row(needs_broker=True),
    "storm": Row(needs_broker=True),
    "waiting": Row(needs_broker=True),
    "login_to_directories": Row(),
    "drift_scan": Row(),
    "record_changes": Row(),
}


def measured(name: str, database: str, *, is_full: bool) -> list[Figure]:
    """Measure a row on a database, in a process that nothing else has been in."""
    context = multiprocessing.get_context("spawn")
    with ProcessPoolExecutor(1, mp_context=context) as process:
        return process.submit(_measure, name, database, is_full=is_full).result()


def _measure(name: str, database: str, *, is_full: bool) -> list[Figure]:
    with Installation(database) as installation:
        installation.start()
        # Only now: it imports models.
        row = import_module(f"tests.benchmarks.{name}")
        figures: list[Figure] = row.measure(installation, is_full=is_full)
        return figures
