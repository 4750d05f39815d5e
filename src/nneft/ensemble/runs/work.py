"""Sampling the blocks of a run that are not there yet, and finishing it."""

from __future__ import annotations

from collections import Counter, deque
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import closing
from dataclasses import dataclass
from time import monotonic
from typing import TYPE_CHECKING

from nneft.ensemble.ensemble import Ensemble
from nneft.ensemble.looks import Watch
from nneft.ensemble.runs import disk
from nneft.ensemble.runs.blockfile import Failure, listed, write_block, write_failure
from nneft.ensemble.runs.contents import arrays_of, one_whole
from nneft.ensemble.runs.engine import Stopped, Threads, sampled
from nneft.ensemble.runs.gather import Outcome, gather, put_aside, result
from nneft.ensemble.runs.prefix import Prefix
from nneft.ensemble.runs.run import Run, settled
from nneft.errors import NumericsError

if TYPE_CHECKING:
    from nneft.ensemble.engines.base import Engine

__all__ = ["Share", "Stopped", "complete", "finish", "sampled", "work"]

#: Called with networks done and wanted.
Progress = Callable[[int, int], object]
#: Seconds between looks at what other processes have finished in the same folder, and how many
#: times longer than a look itself that is at least.
LOOK, REST = 1.0, 50.0
#: Times that damaged files are sampled again before the disk is taken to be at fault.
ATTEMPTS = 3


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
        """The blocks of this task, at most."""
        return range(self.task, run.count, self.of)


def work(
    run: Run,
    blocks: Sequence[int],
    *,
    workers: int | None = None,
    engine: Engine | None = None,
    progress: Progress | None = None,
    watch: Watch | None = None,
    failed: Callable[[Failure], object] = lambda failure: None,
) -> Prefix | None:
    """Sample and write those of the blocks that have no file yet.

    Where the run has an accuracy that is enough, this ends as soon as the blocks that are there
    without a gap, whoever sampled them, are enough.

    Blocks in hand at the end, or at an interruption or any other exception, are dropped; every
    file is whole.

    Parameters
    ----------
    run, blocks : what is to be done, in this order.
    workers : threads.
    engine : what samples them instead of threads.
    progress : called with networks done and wanted.
    watch : called with networks and how far they are from the accuracy that is wanted.
    failed : called with every block that gave no numbers, once it is recorded.

    Returns
    -------
    Prefix or None
        the blocks without a gap, where the run has an accuracy that is enough.

    Raises
    ------
    OSError
        A block cannot be written, as on a full disk.
    """
    run = settled(run)
    folder = _Folder(run, blocks, _Telling(run, blocks, progress), watch)
    source = engine or Threads(workers)
    while not folder.whole:
        with closing(source.blocks(run, folder.absent())) as found:
            for block, sampled in found:
                folder.keep(block, sampled)
                if isinstance(sampled, Failure):
                    failed(sampled)
                if folder.whole:
                    break
        if not folder.again:
            break
    return folder.prefix


class _Folder:
    """What is there, looked at again now and then, and what is not there yet.

    Parameters
    ----------
    run, blocks, watch : as :func:`work` takes them.
    tell : called with networks of blocks that are done.
    """

    def __init__(
        self, run: Run, blocks: Sequence[int], tell: _Telling, watch: Watch | None
    ) -> None:
        self.run, self.tell, self.watch = run, tell, watch
        self.own = blocks if isinstance(blocks, range) else frozenset(blocks)
        self.prefix = None if run.until is None else Prefix(run)
        self.held, self.following = listed(run.blocks), monotonic() + LOOK
        self.told = frozenset(self.held)
        self.ahead = iter(blocks)
        self.again: deque[int] = deque()
        self.tries: Counter[int] = Counter()
        self.quiet = 0.0
        tell(sum(run.networks_in(block) for block in self.told if block in self.own))
        self.advance()

    @property
    def whole(self) -> bool:
        """The blocks without a gap are enough."""
        return self.prefix is not None and self.prefix.whole

    def absent(self) -> Iterator[int]:
        """The blocks that nobody has finished, until there are no more or enough."""
        for block in self.ahead:
            if self.whole:
                break
            while self.again:
                yield self.again.popleft()
            if block in self.told:
                continue
            self._look()
            if block in self.held:
                self.tell(self.run.networks_in(block))
            else:
                yield block
        while self.again and not self.whole:
            yield self.again.popleft()

    def keep(self, block: int, found: Ensemble | Failure) -> None:
        """Write what was sampled, and merge it once it is its turn."""
        if isinstance(found, Failure):
            path = write_failure(self.run.blocks, self.run.digest, found)
        else:
            path = write_block(self.run.blocks, self.run.digest, block, arrays_of(found))
        self.held.setdefault(block, [path])
        self.advance()
        self.tell(self.run.networks_in(block))

    def advance(self) -> None:
        """Merge what is there without a gap."""
        prefix = self.prefix
        while prefix is not None and not prefix.whole and prefix.blocks in self.held:
            block, damaged = prefix.blocks, dict[str, str]()
            found = one_whole(self.run, block, self.held[block], damaged)
            if found is None:
                self._damaged(block, damaged)
                break
            prefix.add(found)
            self._show(prefix)

    def _look(self) -> None:
        begun = monotonic()
        if begun > self.following:
            self.held = listed(self.run.blocks)
            self.following = monotonic() + max(LOOK, REST * (monotonic() - begun))
            self.advance()

    def _damaged(self, block: int, damaged: Iterable[str]) -> None:
        for name in damaged:
            put_aside(self.run, name)
        del self.held[block]
        self.tries[block] += 1
        if self.tries[block] > ATTEMPTS:
            raise OSError(f"block {block} of {self.run.folder} does not stay whole on this disk")
        if block in self.own:
            self.tell(-self.run.networks_in(block))
            self.again.append(block)

    def _show(self, prefix: Prefix) -> None:
        begun = monotonic()
        if self.watch is None or (begun < self.quiet and not prefix.whole):
            return
        if readings := prefix.readings():
            self.watch(prefix.networks, readings)
        self.quiet = monotonic() + max(LOOK / 2, REST * (monotonic() - begun))


class _Telling:
    """Counts networks of finished blocks."""

    def __init__(self, run: Run, blocks: Sequence[int], progress: Progress | None) -> None:
        self.progress, self.done = progress, 0
        self.wanted = run.per_block * len(blocks)
        if run.count - 1 in blocks:
            self.wanted -= run.per_block - run.networks_in(run.count - 1)

    def __call__(self, finished: int) -> None:
        self.done += finished
        if self.progress is not None and finished >= 0:
            self.progress(self.done, self.wanted)


def complete(
    run: Run,
    *,
    workers: int | None = None,
    engine: Engine | None = None,
    progress: Progress | None = None,
    watch: Watch | None = None,
    failed: Callable[[Failure], object] = lambda failure: None,
    say: Callable[[str], object] = lambda line: None,
) -> Outcome:
    """Sample whatever is missing or damaged, and write the result.

    Parameters
    ----------
    run : the run.
    workers : threads; changes no bit of the result.
    engine : what samples them instead of threads; changes no bit either.
    progress : called with networks done and wanted, from the calling thread.
    watch : called with networks and how far they are from the accuracy that is wanted.
    failed : called with every block that gave no numbers, once it is recorded.
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
    for line in run.mended:
        say(line)
    run = settled(run)
    for _ in range(ATTEMPTS):
        work(
            run,
            range(run.count),
            workers=workers,
            engine=engine,
            progress=progress,
            watch=watch,
            failed=failed,
        )
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
