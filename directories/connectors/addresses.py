"""E-mail addresses and user principal names, as far as connectors compare them."""

from __future__ import annotations


def domain_of(address: str) -> str:
    """Return the domain of ``address`` in lower case, "" if it has none."""
    return address.rpartition("@")[2].lower() if "@" in address else ""


def is_same_address(one: str, other: str) -> bool:
    """Compare without regard to case, as both providers do."""
    return one.lower() == other.lower()
