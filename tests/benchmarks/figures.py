"""What a row says: a figure, what it is compared with, and whether its goal is met."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path


@dataclass(frozen=True, kw_only=True)
class Figure:
    """One line of the table; each limit that is given has to be kept.

    ``at_most`` limits the figure itself, ``at_most_more`` and ``at_most_times`` compare it with
    the baseline.
    """

    what: str
    measured: float
    unit: str = ""
    baseline: float | None = None
    at_most: float | None = None
    at_most_more: float | None = None
    at_most_times: float | None = None

    @property
    def ratio(self) -> float | None:
        return self.measured / self.baseline if self.baseline else None

    @property
    def goal(self) -> str:
        limits = (
            (self.at_most, "≤ {:g} {unit}"),
            (self.at_most_more, "≤ {:g} {unit} more"),
            (self.at_most_times, "≤ {:g} times"),
        )
        goals = [text.format(limit, unit=self.unit) for limit, text in limits if limit is not None]
        return " and ".join(" ".join(goal.split()) for goal in goals)

    @property
    def is_met(self) -> bool:
        baseline = self.baseline or 0
        return (
            (self.at_most is None or self.measured <= self.at_most)
            and (self.at_most_more is None or self.measured - baseline <= self.at_most_more)
            and (self.at_most_times is None or self.measured <= baseline * self.at_most_times)
        )


def table(figures: Iterable[Figure]) -> str:
    """Write figures down; a goal that is not met stands out."""
    lines: list[Sequence[str]] = [("what", "baseline", "measured", "ratio", "goal", "")]
    lines += [
        (
            figure.what,
            "" if figure.baseline is None else f"{figure.baseline:.2f}",
            f"{figure.measured:.2f} {figure.unit}".strip(),
            "" if figure.ratio is None else f"{figure.ratio:.2f}",
            figure.goal,
            "" if not figure.goal else "met" if figure.is_met else "NOT MET",
        )
        for figure in figures
    ]
    widths = [max(map(len, column)) for column in zip(*lines, strict=True)]
    rows = ["  ".join(map(str.ljust, line, widths)).rstrip() for line in lines]
    return "\n".join([rows[0], "-" * max(map(len, rows)), *rows[1:]])


def cpu(work: Callable[[], object]) -> float:
    """Get the CPU milliseconds that this process takes, all of its threads."""
    started = time.process_time()
    work()
    return (time.process_time() - started) * 1000


def resident_megabytes(pid: int, name: str = "VmRSS") -> float:
    """Get the memory that a process has now, or ("VmHWM") had at most; Linux only."""
    status = Path(f"/proc/{pid}/status").read_text()
    kilobytes = next(line.split()[1] for line in status.splitlines() if line.startswith(name))
    return int(kilobytes) / 1024


@contextmanager
def memory_growth(pid: int) -> Iterator[Callable[[], float]]:
    """Get how many megabytes more than at its begin a process had at most within the block."""
    Path(f"/proc/{pid}/clear_refs").write_text("5")  # forget what it had at most before
    before = resident_megabytes(pid)
    yield lambda: resident_megabytes(pid, "VmHWM") - before
