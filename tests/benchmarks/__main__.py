"""Measure, compare with the goals, and print the table: ``python -m tests.benchmarks``."""

from __future__ import annotations

import argparse
import os
import platform
import sys
from collections.abc import Sequence
from dataclasses import replace

import django

from tests.benchmarks.figures import Figure, table
from tests.benchmarks.installation import POSTGRES, SQLITE, databases, has_broker
from tests.benchmarks.rows import ROWS, measured


def main() -> int:
    parser = argparse.ArgumentParser(prog="python -m tests.benchmarks", description=__doc__)
    parser.add_argument("rows", nargs="*", metavar="row", help=f"of {', '.join(ROWS)}; else all")
    parser.add_argument("--full", action="store_true", help="the numbers that the goals are about")
    options = parser.parse_args()
    if unknown := set(options.rows) - set(ROWS):
        parser.error(f"no such row: {', '.join(sorted(unknown))}")
    mode = "full" if options.full else "quick"
    print(
        f"{mode} mode; {os.cpu_count()} cores, load {os.getloadavg()[0]:.1f}, "
        f"Python {platform.python_version()}, Django {django.__version__}"
    )
    figures: list[Figure] = []
    for name in options.rows or ROWS:
        figures += _row(name, is_full=options.full)
    print(f"\n{table(figures)}")
    return 0 if all(figure.is_met for figure in figures) else 1


def _row(name: str, *, is_full: bool) -> Sequence[Figure]:
    row, found = ROWS[name], databases()
    if row.needs_broker and not has_broker():
        print(f"{name}: left out, no Redis answers")
        return []
    if POSTGRES not in found:
        print(f"{name}: on {SQLITE} alone, no PostgreSQL answers")
    figures: list[Figure] = []
    for database in found if row.on_each_database else found[-1:]:
        print(f"{name}, {database} …", flush=True)
        measures = measured(name, database, is_full=is_full)
        figures += [replace(figure, what=f"{figure.what}, {database}") for figure in measures]
    return figures


if __name__ == "__main__":
    sys.exit(main())
