"""The product's settings in embedded mode, in a folder of their own."""

import os
import tempfile

from config import embedded

# One folder for each run, shared by its workers; the operating system clears it away.
_data_dir = os.environ.setdefault("LATCHKEY_TEST_DATA_DIR", tempfile.mkdtemp(prefix="latchkey-"))
os.environ["DATA_DIR"] = _data_dir
for _name in ("SECRET_KEY", "SECRET_KEY_FILE"):
    os.environ.pop(_name, None)
embedded.started_by_manage = True

from config.settings import *  # noqa: E402, F403

PASSWORD_HASHERS = ["tests.hashers.QuickArgon2Hasher", *PASSWORD_HASHERS[1:]]  # noqa: F405
EMAIL_BACKEND = "django.core.mail.backends.locmem.EmailBackend"
if DATABASES["default"]["ENGINE"].endswith("sqlite3"):  # noqa: F405
    # A file, not memory: threads share it, and what is written can be searched for secrets.
    DATABASES["default"]["TEST"] = {"NAME": f"{_data_dir}/test.sqlite3"}  # noqa: F405
if (_cache := CACHES["default"])["BACKEND"].endswith("RedisCache"):  # noqa: F405
    # Each process of a run empties its own before each test; PostgreSQL's are told apart already.
    _server, _number = _cache["LOCATION"].rsplit("/", 1)
    _process = os.environ.get("PYTEST_XDIST_WORKER", "gw0").removeprefix("gw")
    _cache["LOCATION"] = f"{_server}/{int(_number) + int(_process)}"
