"""Sampling one block of a run, and many of them in threads of this process."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from concurrent.futures import FIRST_COMPLETED, Future, ThreadPoolExecutor, wait
from threading import Event
from typing import TYPE_CHECKING

from nneft.ensemble.ensemble import Ensemble
from nneft.ensemble.runs.blockfile import Failure
from nneft.ensemble.runs.prefix import merged
from nneft.ensemble.runs.run import Run
from nneft.ensemble.sampling import keep_freed_memory, sampled_block, threads
from nneft.errors import NumericsError

if TYPE_CHECKING:
    from nneft.ensemble.engines.base import Blocks


class Stopped(Exception):
    """The block in hand was dropped."""


class Threads:
    """Threads of this process: an :class:`nneft.ensemble.engines.Engine`.

    Parameters
    ----------
    workers : how many; by default one for each processor.
    """

    def __init__(self, workers: int | None = None) -> None:
        self.workers = workers

    def blocks(self, run: Run, numbers: Iterable[int]) -> Blocks:
        """The blocks asked for, as they are finished; at the end what is in hand is dropped."""
        many, stop = threads(run.plan, self.workers), Event()
        keep_freed_memory()
        waiting: dict[Future[Ensemble | Failure], int] = {}
        pool = ThreadPoolExecutor(many, thread_name_prefix="nneft-run")
        try:
            for block in numbers:
                waiting[pool.submit(sampled, run, block, stop.is_set)] = block
                # One block waits its turn, so that nobody does while this thread writes files.
                while len(waiting) > many:
                    yield from _done(waiting)
            while waiting:
                yield from _done(waiting)
        finally:
            stop.set()
            pool.shutdown(cancel_futures=True)


def _done(waiting: dict[Future[Ensemble | Failure], int]) -> Blocks:
    for future in wait(waiting, return_when=FIRST_COMPLETED).done:
        yield waiting.pop(future), future.result()


def sampled(run: Run, block: int, stop: Callable[[], bool] = lambda: False) -> Ensemble | Failure:
    """One block, sampled now: its ensemble, or what went wrong in it.

    Raises
    ------
    Stopped
        ``stop()`` said so.
    """
    total: Ensemble | None = None
    for part, networks in run.parts(block):
        if stop():
            raise Stopped
        try:
            total = merged(total, sampled_block(run.plan, part, networks))
        except NumericsError as error:
            layers = range(1, run.plan.network.depth)
            keys = tuple((part, layer) for layer in layers)
            return Failure(block, str(error), run.plan.seed, keys, run.networks_in(block))
    if total is None:
        raise ValueError(f"block {block} holds no networks: the run has {run.count} blocks")
    return total
