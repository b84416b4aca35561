"""Secrets as files that only their owner can read; used before Django is set up."""

from __future__ import annotations

import fcntl
import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path


def write_secret(path: Path, text: str) -> None:
    """Replace a file in one step by one that only its owner can read."""
    new = path.with_name(f".{path.name}.new")
    with os.fdopen(os.open(new, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600), "w") as file:
        file.write(text + "\n")
        file.flush()
        os.fsync(file.fileno())
    new.replace(path)


@contextmanager
def locked(keys_dir: Path) -> Iterator[None]:
    """Keep other processes from changing the keys meanwhile."""
    with (keys_dir / ".lock").open("w") as file:
        fcntl.flock(file, fcntl.LOCK_EX)
        yield
