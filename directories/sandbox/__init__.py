"""Both providers, emulated over HTTP on loopback, for tests and for trying the product out.

``python -m directories.sandbox --state-dir DIR`` starts it; ``client.Sandbox`` does so from
Python and steers it.  It is as strict as the providers are: what they refuse, it refuses.
Only the standard library, ``cryptography`` and ``passlib`` (libpass) are used, never Django.
"""

from __future__ import annotations

import os

if "SECRET_KEY" in os.environ or "SECRET_KEY_FILE" in os.environ:
    raise ImportError(
        "directories.sandbox takes passwords and must never run in production: "
        "SECRET_KEY or SECRET_KEY_FILE is set in the environment, which means production"
    )
