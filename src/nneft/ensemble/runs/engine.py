"""Where blocks are sampled: threads of this process, or whatever else can be given a block."""

from __future__ import annotations

from collections.abc import Callable
from concurrent.futures import Future, ThreadPoolExecutor
from importlib import import_module
from pathlib import Path
from threading import Event
from typing import Protocol

from nneft.ensemble.ensemble import Ensemble
from nneft.ensemble.plan import Plan
from nneft.ensemble.runs.blockfile import Failure, write_block, write_failure
from nneft.ensemble.runs.contents import arrays_of
from nneft.ensemble.runs.prefix import merged
from nneft.ensemble.runs.run import Run
from nneft.ensemble.sampling import keep_freed_memory
from nneft.errors import NumericsError

#: By arithmetic, what samples one block of a plan: ``f(plan, block, networks) -> Ensemble``.
SAMPLERS = {"numpy": "nneft.ensemble.sampling:sampled_block"}


class Stopped(Exception):
    """The block in hand was dropped."""


class Engine(Protocol):
    """Something that samples blocks, several at a time."""

    @property
    def many(self) -> int:
        """Blocks that it wants in hand at once."""

    def submit(self, run: Run, block: int) -> Future[Path | Ensemble | Failure]:
        """Begin a block. Its future gives what was sampled, or its file."""

    def close(self) -> None:
        """Drop what is in hand; return once nothing is."""


class Threads:
    """Threads of this process, which write their blocks themselves.

    Parameters
    ----------
    many : how many.
    """

    def __init__(self, many: int) -> None:
        self.many = many
        self._stop = Event()
        self._pool = ThreadPoolExecutor(many, thread_name_prefix="nneft-run")
        keep_freed_memory()

    def submit(self, run: Run, block: int) -> Future[Path | Ensemble | Failure]:
        """Begin a block."""
        return self._pool.submit(self._one, run, block)

    def close(self) -> None:
        """Drop what is in hand, after the block of the plan that each thread is at."""
        self._stop.set()
        self._pool.shutdown(cancel_futures=True)

    def _one(self, run: Run, block: int) -> Path:
        return write(run, block, sampled(run, block, self._stop.is_set))


def sampled(run: Run, block: int, stop: Callable[[], bool] = lambda: False) -> Ensemble | Failure:
    """One block, sampled now: its ensemble, or what went wrong in it.

    Raises
    ------
    Stopped
        ``stop()`` said so.
    """
    sampler, total = _sampler(run.arithmetic), None
    for part, networks in run.parts(block):
        if stop():
            raise Stopped
        try:
            total = merged(total, sampler(run.plan, part, networks))
        except NumericsError as error:
            layers = range(1, run.plan.network.depth)
            keys = tuple((part, layer) for layer in layers)
            return Failure(block, str(error), run.plan.seed, keys, run.networks_in(block))
    if total is None:
        raise ValueError(f"block {block} holds no networks: the run has {run.count} blocks")
    return total


def _sampler(arithmetic: str) -> Callable[[Plan, int, int], Ensemble]:
    if arithmetic not in SAMPLERS:
        raise ValueError(f"arithmetic must be one of {', '.join(SAMPLERS)}, got {arithmetic!r}")
    module, name = SAMPLERS[arithmetic].split(":")
    sampler: Callable[[Plan, int, int], Ensemble] = getattr(import_module(module), name)
    return sampler


def write(run: Run, block: int, found: Ensemble | Failure) -> Path:
    """Keep what was sampled of a block; returns the file.

    Raises
    ------
    OSError
        It cannot be written.
    """
    if isinstance(found, Failure):
        return write_failure(run.blocks, run.digest, found)
    return write_block(run.blocks, run.digest, block, arrays_of(found))
