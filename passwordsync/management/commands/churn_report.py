from __future__ import annotations

import json
from argparse import ArgumentParser
from dataclasses import asdict
from typing import Any

from accounts.management.base import ProductCommand
from passwordsync.churn import churn


class Command(ProductCommand):
    help = (
        "Show how many passwords were written, by day, directory, reason and changed attribute. "
        "Each may have signed somebody out; those that only a record change caused would have "
        "been spared by sending the password only when it differs."
    )

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument("--days", type=int, default=30, help="how far back (30)")
        parser.add_argument("--json", action="store_true", help="as JSON")

    def handle(self, *args: Any, days: int, **options: Any) -> None:
        found = churn(days=days)
        if options["json"]:
            rows = [asdict(row) for row in found.rows]
            whole = {"since": found.since, "writes": found.writes, "spared": found.spared}
            self.stdout.write(json.dumps(whole | {"rows": rows}, default=str, indent=2))
            return
        for row in found.rows:
            why = f"{row.reason} ({row.attribute})" if row.attribute else row.reason
            note = "  spared by the other setting" if row.is_spared else ""
            self.stdout.write(f"{row.day}  {row.directory}  {why}: {row.writes}{note}")
        self.stdout.write(
            f"{found.writes} passwords written in {days} days; sending them only when they differ "
            f"would have spared {found.spared}."
        )
