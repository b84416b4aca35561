"""The benchmarks' command works; how fast anything is, is not judged here."""

from __future__ import annotations

import subprocess
import sys
from typing import Any

import pytest
from django.conf import settings

from tests.benchmarks.figures import Figure, table


def test_the_command_prints_a_table_and_says_whether_goals_are_met():
    done = subprocess.run(
        [sys.executable, "-m", "tests.benchmarks", "pushes"],
        cwd=settings.BASE_DIR,
        capture_output=True,
        text=True,
        check=False,
    )

    assert "worker CPU of a push, Google Workspace" in done.stdout, done.stderr
    assert done.returncode == ("NOT MET" in done.stdout)


@pytest.mark.parametrize(
    ("limits", "is_met"),
    [
        ({"at_most": 12}, True),
        ({"at_most": 11}, False),
        ({"at_most_more": 2}, True),
        ({"at_most_more": 1}, False),
        ({"at_most_times": 1.2}, True),
        ({"at_most_times": 1.1}, False),
        ({"at_most": 12, "at_most_more": 1}, False),
    ],
)
def test_a_figure_has_to_keep_each_of_its_limits(limits: dict[str, Any], is_met: bool):
    figure = Figure(what="pushes", measured=12, baseline=10, **limits)

    assert figure.is_met is is_met
    assert ("NOT MET" in table([figure])) is not is_met
