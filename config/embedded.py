"""The embedded mode: everything in one process and one folder, its keys made at first use.

It means: started through ``manage.py`` with no ``SECRET_KEY`` in the environment.  The secrets are
files named after their settings in ``DATA_DIR/keys``, exactly as ``NAME_FILE`` would name them in
production, so nothing else needs to know which mode it is in.
"""

from __future__ import annotations

import os
import secrets
from pathlib import Path

from accounts.key_files import locked, write_secret

started_by_manage = False
"""Set by ``manage.py`` (and by the test settings) before the settings are read."""


def is_embedded() -> bool:
    """Say whether this process makes and keeps its own keys."""
    return started_by_manage and not {"SECRET_KEY", "SECRET_KEY_FILE"} & os.environ.keys()


def make_data_dir(data_dir: Path) -> None:
    """Make the folder and the folders in it; what this process writes is its owner's alone."""
    os.umask(0o077)
    for folder in (data_dir, data_dir / "keys", data_dir / "mail", data_dir / "logs"):
        folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        folder.chmod(0o700)


def make_keys(keys_dir: Path) -> None:
    """Make the secrets that are missing in ``keys_dir``; may be called by many at once."""
    names = ("SECRET_KEY", "CREDENTIALS_PUBLIC_KEY", "PASSWORDS_PUBLIC_KEY")
    if all((keys_dir / name).exists() for name in names):
        return
    from accounts.key_pairs import PrivateKey  # noqa: PLC0415  slow to import, seldom needed

    with locked(keys_dir):
        if not (keys_dir / "SECRET_KEY").exists():
            write_secret(keys_dir / "SECRET_KEY", secrets.token_urlsafe(50))
        for ring in ("CREDENTIALS", "PASSWORDS"):
            if not (keys_dir / f"{ring}_PUBLIC_KEY").exists():
                private_key = PrivateKey.generate()
                # The public key last: where it exists, its private key does too.
                write_secret(keys_dir / f"{ring}_PRIVATE_KEYS", private_key.to_text())
                write_secret(keys_dir / f"{ring}_PUBLIC_KEY", private_key.public_key().to_text())
