"""Sampling the blocks of a run that are not there yet, in threads, and finishing it."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import FIRST_COMPLETED, Future, ThreadPoolExecutor, wait
from dataclasses import dataclass
from threading import Event
from time import monotonic

from nneft.ensemble.ensemble import Ensemble
from nneft.ensemble.runs import disk
from nneft.ensemble.runs.blockfile import Failure, listed, write_block, write_failure
from nneft.ensemble.runs.gather import Outcome, arrays_of, gather, merged, result
from nneft.ensemble.runs.run import Run
from nneft.ensemble.sampling import keep_freed_memory, sampled_block, threads
from nneft.errors import NumericsError

#: Called with networks done and wanted.
Progress = Callable[[int, int], object]
#: Seconds between looks at what other processes have finished in the same folder, and how many
#: times longer than a look itself that is at least.
LOOK, REST = 1.0, 50.0
#: Times that damaged files are sampled again before the disk is taken to be at fault.
ATTEMPTS = 3


class Stopped(Exception):
    """The block in hand was dropped."""


@dataclass(frozen=True)
class Share:
    """Blocks ``task, task + of, task + 2 of, ..``: one task of an array of jobs.

    Raises
    ------
    ValueError
        unless ``0 <= task < of``.
    """

    task: int = 0
    of: int = 1

    def __post_init__(self) -> None:
        if self.of < 1 or not 0 <= self.task < self.of:
            raise ValueError(
                f"a task is a number from 0 to {self.of - 1} of {self.of}, got {self.task}"
            )

    def blocks(self, run: Run) -> range:
        """The blocks of this task."""
        return range(self.task, run.count, self.of)


def work(
    run: Run,
    blocks: Iterable[int],
    *,
    workers: int | None = None,
    progress: Progress | None = None,
) -> None:
    """Sample and write those of the blocks that have no file yet.

    Blocks in hand at an interruption, or at any other exception, are dropped; every file is whole.

    Raises
    ------
    OSError
        A block cannot be written, as on a full disk.
    """
    todo, many = list(blocks), threads(run.plan, workers)
    held = listed(run.blocks).keys()
    keep_freed_memory()
    stop = Event()
    pool = ThreadPoolExecutor(many, thread_name_prefix="nneft-run")
    tell = _Telling(run, todo, progress)
    tell(block for block in todo if block in held)
    absent = _absent(run, [block for block in todo if block not in held], tell)
    waiting: dict[Future[None], int] = {}
    try:
        for block in absent:
            waiting[pool.submit(_one, run, block, stop)] = block
            if len(waiting) >= many:
                _settle(waiting, tell)
        while waiting:
            _settle(waiting, tell)
    finally:
        stop.set()
        pool.shutdown(cancel_futures=True)


def _absent(run: Run, blocks: list[int], tell: _Telling) -> Iterator[int]:
    """Those blocks that no other process has finished in the meantime."""
    held, following = set[int](), monotonic() + LOOK
    for block in blocks:
        begun = monotonic()
        if begun > following:
            held = set(listed(run.blocks))
            following = monotonic() + max(LOOK, REST * (monotonic() - begun))
        if block in held:
            tell([block])
        else:
            yield block


def _settle(waiting: dict[Future[None], int], tell: _Telling) -> None:
    for future in wait(waiting, return_when=FIRST_COMPLETED).done:
        block = waiting.pop(future)
        future.result()
        tell([block])


class _Telling:
    """Counts networks of finished blocks."""

    def __init__(self, run: Run, blocks: Iterable[int], progress: Progress | None) -> None:
        self.run, self.progress, self.done = run, progress, 0
        self.wanted = sum(run.networks_in(block) for block in blocks)

    def __call__(self, blocks: Iterable[int]) -> None:
        finished = sum(self.run.networks_in(block) for block in blocks)
        self.done += finished
        if self.progress is not None and finished:
            self.progress(self.done, self.wanted)


def _one(run: Run, block: int, stop: Event) -> None:
    found = sampled(run, block, stop.is_set)
    if isinstance(found, Failure):
        write_failure(run.blocks, run.digest, found)
    else:
        write_block(run.blocks, run.digest, block, arrays_of(found))


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
            found = sampled_block(run.plan, part, networks)
            total = merged(total, found)
        except NumericsError as error:
            layers = range(1, run.plan.network.depth)
            keys = tuple((part, layer) for layer in layers)
            return Failure(block, str(error), run.plan.seed, keys, run.networks_in(block))
    if total is None:
        raise ValueError(f"block {block} holds no networks: the run has {run.count} blocks")
    return total


def complete(
    run: Run,
    *,
    workers: int | None = None,
    progress: Progress | None = None,
    say: Callable[[str], object] = lambda line: None,
) -> Outcome:
    """Sample whatever is missing or damaged, and write the result.

    Parameters
    ----------
    run : the run.
    workers : threads; changes no bit of the result.
    progress : called with networks done and wanted, from the calling thread.
    say : called with a line about every damaged file.

    Returns
    -------
    Outcome
        with the ensemble; ``failed`` names blocks that are not in it.

    Raises
    ------
    NumericsError
        Every block failed.
    OSError
        A file cannot be written, or what is written does not stay whole.
    """
    for _ in range(ATTEMPTS):
        work(run, range(run.count), workers=workers, progress=progress)
        outcome = gather(run)
        for reason in outcome.damaged.values():
            say(f"{reason}; set aside and sampled again")
        if not outcome.missing:
            finish(run, outcome)
            return outcome
    raise OSError(f"blocks {outcome.missing[:5]} of {run.folder} do not stay whole on this disk")


def finish(run: Run, outcome: Outcome) -> None:
    """Write ``result.nc``.

    Raises
    ------
    NumericsError
        There is nothing to write, since every block failed.
    """
    if outcome.ensemble is None:
        reason = outcome.failed[0].reason if outcome.failed else "no block is there"
        raise NumericsError(f"all {run.count} blocks of {run.folder} failed: {reason}")
    disk.write(run.result, result(run, outcome, outcome.ensemble))
