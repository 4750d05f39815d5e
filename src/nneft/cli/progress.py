"""Progress on standard error: a bar on a terminal, a line now and then in a log."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from math import ceil
from time import monotonic
from typing import TYPE_CHECKING

from rich.console import Console
from rich.progress import BarColumn, SpinnerColumn, TextColumn, TimeElapsedColumn
from rich.progress import Progress as Bars
from rich.table import Column

if TYPE_CHECKING:
    from nneft.ensemble.accuracy import Reading
    from nneft.reproduce import Progress

COUNTED = {"theory": "flows", "sampling": "networks", "figures": "figures"}

#: Fraction of a stage between two lines of a log.
STRIDE = 0.1

#: Seconds between two lines of a log, and the fraction of the time gone by that is at least.
PAUSE, SHARE = 10.0, 0.02

#: Seconds after which work that tells nothing of itself is shown to go on.
PATIENCE = 1.0


@contextmanager
def shown() -> Iterator[Callable[[Progress], None]]:
    """Something to call with each `Progress`, which shows it until the block ends."""
    console = Console(stderr=True)
    if not console.is_terminal:
        yield _Log(console)
        return
    with Bars(
        TextColumn("{task.description}"),
        BarColumn(bar_width=None),
        TextColumn("{task.fields[told]}"),
        console=console,
        expand=True,
    ) as bars:
        yield _Bar(bars)


@contextmanager
def elapsed(label: str) -> Iterator[None]:
    """Show the label and a clock while the block lasts, on a terminal and if it lasts."""
    console = Console(stderr=True)
    if not console.is_terminal:
        yield
        return
    columns = (SpinnerColumn(), TextColumn("{task.description}"), TimeElapsedColumn())
    bars = Bars(*columns, console=console, transient=True)
    bars.add_task(label, total=None)
    later = threading.Timer(PATIENCE, bars.start)
    later.daemon = True
    later.start()
    try:
        yield
    finally:
        later.cancel()
        later.join()  # it may just have begun to show
        bars.stop()


@contextmanager
def sampling(*, watched: bool = False, tasks: int = 1) -> Iterator[Sampling]:
    """What is called while an ensemble is sampled, and shows it until the block ends.

    Parameters
    ----------
    watched : whether it ends where it is accurate enough, so that the number of networks wanted is
        the most it may take.
    tasks : how many share the networks that make it accurate.
    """
    console = Console(stderr=True)
    if not console.is_terminal:
        now = Sampling(watched, _Lines(console), tasks, console)
        yield now
        now.end()
        return
    columns = (
        TextColumn("sampling"),
        BarColumn(bar_width=12),
        TextColumn("{task.description}", table_column=Column(no_wrap=True, overflow="ellipsis")),
    )
    with Bars(*columns, console=console) as bars:
        task = bars.add_task("", total=None)

        def show(now: Sampling, final: bool) -> None:
            bars.update(task, completed=now.done, total=now.goal, description=now.told())

        now = Sampling(watched, show, tasks, console)
        yield now
        now.end()


class Sampling:
    """How far the sampling of an ensemble is."""

    def __init__(
        self,
        watched: bool,
        show: Callable[[Sampling, bool], object],
        tasks: int = 1,
        console: Console | None = None,
    ) -> None:
        self.watched, self._show, self.tasks = watched, show, tasks
        self.console = console or Console(stderr=True)
        self.begun = monotonic()
        self.done = self.wanted = 0
        self.first: int | None = None
        self.needed: int | None = None
        self.worst: Reading | None = None

    def progress(self, done: int, wanted: int) -> None:
        """Networks done and wanted; what the first call tells of was there before."""
        self.done, self.wanted = done, wanted
        self.first = done if self.first is None else self.first
        self._show(self, False)

    def watch(self, networks: int, readings: list[Reading]) -> None:
        """How far so many networks are from the accuracy wanted."""
        from nneft.ensemble.accuracy import worst

        self.worst = worst(readings)
        if self.worst is not None and self.worst.distance < 1e6:
            # Errors fall as M^-1/2.
            self.needed = ceil(networks * self.worst.distance**2 / self.tasks)

    def say(self, line: str) -> None:
        """A line of its own, above what moves."""
        self.console.print(f"nneft: {line}", markup=False, highlight=False, soft_wrap=True)

    def end(self) -> None:
        """Nothing more comes."""
        if self.first is not None:
            self._show(self, True)

    @property
    def goal(self) -> int:
        """Networks at which it will end, as far as is known."""
        return self.wanted if self.needed is None else min(self.wanted, max(self.needed, self.done))

    def told(self) -> str:
        """``12,000 of about 60,000 networks, 1,520/s, 0:31 left, V4[0,0,0,0]@3 to 2.3% of 1%``."""
        known = self.needed is not None and self.needed <= self.wanted
        about = "" if not self.watched else "about " if known else "at most "
        over = self.goal <= self.done
        parts = [f"{self.done:,}{'' if over else f' of {about}{self.goal:,}'} networks"]
        if self.needed is not None and not known:
            parts[0] += f" ({float(f'{self.needed:.2g}'):,.0f} would do)"
        drawn = self.done - (self.first or 0)
        if drawn > 0:
            rate = drawn / max(monotonic() - self.begun, 1e-9)
            parts.append(f"{rate:,.0f}/s" if rate >= 10 else f"{rate:.2g}/s")
            if self.done < self.goal:
                parts.append(f"{clock((self.goal - self.done) / rate)} left")
        if self.worst is not None:
            parts.append(str(self.worst))
        return ", ".join(parts)


class _Lines:
    """A line at first, every ten seconds, less often in what takes long, and at the end."""

    def __init__(self, console: Console) -> None:
        self.console = console
        self.begun = self.following = monotonic()
        self.last = ""

    def __call__(self, now: Sampling, final: bool) -> None:
        if monotonic() < self.following and not final:
            return
        self.following = monotonic() + max(PAUSE, SHARE * (monotonic() - self.begun))
        line = f"sampling: {now.told()}"
        if now.done and line != self.last:
            self.console.print(line, highlight=False, soft_wrap=True)
        self.last = line


class _Bar:
    """One bar for each stage, begun when the stage is first heard of."""

    def __init__(self, bars: Bars) -> None:
        self.bars = bars
        self.stage = ""

    def __call__(self, now: Progress) -> None:
        if now.stage != self.stage:
            self.stage = now.stage
            self.task = self.bars.add_task(now.stage, total=now.total, told="")
        self.bars.update(
            self.task,
            completed=now.done,
            total=now.total,
            description=f"{now.stage}: {now.label}" if now.done < now.total else now.stage,
            told=told(now),
        )


class _Log:
    """A line when a stage begins, ends, or is a tenth further."""

    def __init__(self, console: Console) -> None:
        self.console = console
        self.last = ("", 0)

    def __call__(self, now: Progress) -> None:
        step = int(now.done / max(now.total, 1) / STRIDE)
        if (now.stage, step) != self.last:
            self.last = (now.stage, step)
            self.console.print(f"{now.stage}: {told(now)}", highlight=False, soft_wrap=True)


def told(now: Progress) -> str:
    """``12,000/60,000 networks, 1,520/s, 0:31 left``."""
    parts = [f"{now.done:,}/{now.total:,} {COUNTED.get(now.stage, '')}".strip()]
    if now.stage == "sampling" and now.rate:
        parts.append(f"{now.rate:,.0f}/s")
    if now.left is not None and now.done < now.total:
        parts.append(f"{clock(now.left)} left")
    return ", ".join(parts)


def clock(seconds: float) -> str:
    """``0:31``, ``12:05`` or ``3:00:59``."""
    minutes, rest = divmod(round(seconds), 60)
    hours, minutes = divmod(minutes, 60)
    return f"{hours}:{minutes:02}:{rest:02}" if hours else f"{minutes}:{rest:02}"
