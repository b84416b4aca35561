"""Token buckets as the providers keep them; off until a test turns them on."""

from __future__ import annotations

from dataclasses import dataclass

GOOGLE_QUERIES = (2400.0, 60.0)
"""Queries per seconds, for each subject. Source: PROVIDERS.md 1.4."""

GRAPH_UNITS = ((50, 3500.0), (500, 5000.0), (0, 8000.0))
"""Resource units per 10 s by size of the tenant (below so many users; 0: any)."""

GRAPH_WRITES = (3000.0, 150.0)
"""Writes per seconds, app and tenant. Source: PROVIDERS.md 2.4."""

GRAPH_AUDIT_READS = (5.0, 10.0)
"""Requests to audit logs per seconds, app and tenant."""


@dataclass(slots=True)
class _Bucket:
    level: float
    at: float


class Quotas:
    """All buckets; ``scale`` multiplies every limit, ``retry_after`` is what Google would add."""

    def __init__(self) -> None:
        self.is_on = False
        self.scale = 1.0
        self.google_retry_after: float | None = None
        self.graph_retry_after = True
        self._buckets: dict[tuple[str, str], _Bucket] = {}

    def clear(self) -> None:
        self._buckets.clear()

    def take(
        self, scope: str, owner: str, limit: tuple[float, float], now: float, amount: float = 1.0
    ) -> float | None:
        """Take from a bucket; None when that went well, else seconds until it would."""
        size, window = max(1.0, limit[0] * self.scale), limit[1]
        bucket = self._buckets.get((scope, owner))
        if bucket is None:
            bucket = self._buckets[scope, owner] = _Bucket(size, now)
        rate = size / window
        bucket.level = min(size, bucket.level + max(0.0, now - bucket.at) * rate)
        bucket.at = now
        if bucket.level >= amount:
            bucket.level -= amount
            return None
        return (amount - bucket.level) / rate


def graph_unit_limit(users: int) -> tuple[float, float]:
    """Return the resource units of a tenant with so many users."""
    for below, units in GRAPH_UNITS:
        if users < below or below == 0:
            return units, 10.0
    raise AssertionError("the last size has no bound")
