"""The README's first command, and a busy morning in the embedded mode."""

import os
import subprocess
import sys
from collections import Counter
from concurrent.futures import ThreadPoolExecutor

from django.conf import settings

from config.management.commands.quickstart import free_port
from config.quickstart import Person, company


def test_quickstart_once_ends_well_when_both_directories_have_the_password(tmp_path):
    done = subprocess.run(
        [sys.executable, "manage.py", "quickstart", "--once"],
        env={"PATH": os.environ["PATH"], "DATA_DIR": str(tmp_path)},
        cwd=settings.BASE_DIR,
        capture_output=True,
        text=True,
        check=False,
    )

    assert done.returncode == 0, done.stderr
    assert done.stdout.count("opens it") == 2


def test_everybody_at_once_arrives_once(tmp_path):
    people = [Person(f"person{n}", "Grace", f"Number {n}", "Tester") for n in range(12)]
    manage = settings.BASE_DIR / "manage.py"
    bind = f"127.0.0.1:{free_port()}"
    with (
        company(data_dir=tmp_path / "data", bind=bind, manage=manage, people=people) as made,
        made.serving(),
        ThreadPoolExecutor(len(people)) as everybody,
    ):
        moments = list(everybody.map(made.log_in, people))
        arrived = [
            result.has_password
            for person in people
            for result in made.wait_for_password(person, logged_in_at=moments[0])
        ]
        writes = Counter(
            request["path"]
            for request in made.sandbox.requests()
            if request["method"] in ("PUT", "PATCH")
        )

    assert all(arrived)
    assert len(writes) == 2 * len(people)
    assert set(writes.values()) == {1}
