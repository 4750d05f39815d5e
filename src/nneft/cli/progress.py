"""Progress on standard error: a bar on a terminal, a line now and then in a log."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING

from rich.console import Console
from rich.progress import BarColumn, SpinnerColumn, TextColumn, TimeElapsedColumn
from rich.progress import Progress as Bars

if TYPE_CHECKING:
    from nneft.reproduce import Progress

COUNTED = {"theory": "flows", "sampling": "networks", "figures": "figures"}

#: Fraction of a stage between two lines of a log.
STRIDE = 0.1

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
