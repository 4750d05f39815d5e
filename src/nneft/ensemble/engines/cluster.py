"""Blocks sampled by Dask: on workers of this machine, or of any scheduler's.

The client keeps a few blocks more than there are workers' threads with the scheduler, takes what
comes back and lets the driver write it: workers need no folder in common, only this package.
"""

from __future__ import annotations

import contextlib
import ctypes
import logging
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from functools import lru_cache
from itertools import islice
from queue import Empty, Queue
from time import monotonic
from typing import TYPE_CHECKING, Any

from nneft._version import __version__
from nneft.ensemble.engines.addresses import checked_address
from nneft.ensemble.engines.base import EngineLost
from nneft.ensemble.engines.connection import check_reachable, connected, quiet
from nneft.ensemble.sampling import positive, processors

if TYPE_CHECKING:
    from distributed import Client, Future

    from nneft.ensemble.engines.base import Blocks
    from nneft.ensemble.ensemble import Ensemble
    from nneft.ensemble.runs.blockfile import Failure
    from nneft.ensemble.runs.run import Run

#: Blocks with the scheduler for each thread of a worker: one in hand, one to go on with.
AHEAD = 2
#: Times that a block is tried again after an exception that is not one of its numbers.
RETRIES = 2
#: Seconds between looks at the workers there are, and to wait for a first one or another.
LOOK, PATIENCE = 2.0, 120.0
#: Names of glibc's malloc.h, and bytes that a worker keeps for its next temporary arrays.
M_TRIM_THRESHOLD, M_MMAP_THRESHOLD, KEPT = -1, -3, 2**26


@dataclass(frozen=True)
class Dask:
    """Workers of a Dask scheduler: an :class:`nneft.ensemble.engines.Engine`.

    Parameters
    ----------
    where : ``"local"`` for a worker on each processor of this machine, a number for so many, or
        the address of a scheduler.
    insecure : whether to speak unencrypted to a scheduler beyond this machine.
    patience : seconds to wait while there is no worker.

    Raises
    ------
    ValueError
        It is none of these, is unencrypted beyond this machine, is ``tls://`` where Dask is
        configured without certificates, or Dask is not installed.
    """

    where: str | int = "local"
    insecure: bool = False
    patience: float = PATIENCE

    def __post_init__(self) -> None:
        try:
            import distributed  # noqa: F401
        except ImportError as error:
            raise ValueError(f"Dask is wanted ({error}): pip install 'nneft[dask]'") from error
        if self.workers is None:
            check_reachable(checked_address(str(self.where), insecure=self.insecure))

    @property
    def workers(self) -> int | None:
        """Workers to begin on this machine; None where a scheduler has its own."""
        where = str(self.where)
        if where == "local":
            return processors()
        if where.lstrip("-").isdigit():
            return positive("the number of Dask's workers", int(where))
        return None

    def blocks(self, run: Run, numbers: Iterable[int]) -> Blocks:
        """The blocks asked for, as they are finished; at the end what is in hand is dropped.

        Raises
        ------
        EngineLost
            The scheduler is gone, there is no worker for too long, or workers died of a block:
            then after all others.
        """
        with quiet(), self._client() as client:
            yield from _Sampling(client, run, self.patience).blocks(iter(numbers))

    @contextmanager
    def _client(self) -> Iterator[Client]:
        import dask
        from distributed import Client, LocalCluster

        if self.workers is None:
            address = checked_address(str(self.where), insecure=self.insecure)
            with connected(address) as client:
                listening = client.scheduler_info()["address"]
                checked_address(listening, insecure=self.insecure)
                yield client
            return
        try:
            # Nobody looks at the profile for which workers are stopped a hundred times a second.
            with dask.config.set({"distributed.worker.profile.enabled": False}):
                cluster = LocalCluster(
                    n_workers=self.workers,
                    threads_per_worker=1,
                    host="127.0.0.1",
                    dashboard_address="127.0.0.1:0",
                    silence_logs=logging.CRITICAL,
                    preload=["nneft.ensemble.engines.worker"],
                )
        except RuntimeError as error:
            raise ValueError(
                f"Dask's workers do not start ({error}): a script that starts processes must do so "
                'under if __name__ == "__main__":, and be a file'
            ) from error
        with cluster, Client(cluster, set_as_default=False) as client:
            yield client


class _Sampling:
    """One run's blocks on the workers of one scheduler."""

    def __init__(self, client: Client, run: Run, patience: float) -> None:
        import cloudpickle

        self.client, self.patience = client, patience
        self.address = client.scheduler_info()["address"]
        self.run, self.mark = cloudpickle.dumps(run), (__version__, run.digest)
        self.waiting: dict[Future[Any], int] = {}
        self.fetched: dict[Future[Any], Ensemble | Failure] = {}
        self.done: Queue[Future[Any]] = Queue()
        self.lost: dict[int, str] = {}
        self.looked = self.seen = monotonic()
        self.threads = 0

    def blocks(self, numbers: Iterator[int]) -> Blocks:
        try:
            while True:
                self._look()
                room = AHEAD * max(1, self.threads) - len(self.waiting)
                for block in islice(numbers, max(0, room)):
                    self._submit(block)
                if not self.waiting:
                    break
                yield from self._finished()
        finally:
            # Futures that nobody holds are given up.
            self.waiting.clear()
            self.fetched.clear()
        if self.lost:
            block, reason = next(iter(self.lost.items()))
            raise EngineLost(
                f"{len(self.lost)} blocks were given up, block {block} first: {reason}"
            )

    def _submit(self, block: int) -> None:
        future = self.client.submit(
            sampled_there, self.run, block, self.mark, pure=False, retries=RETRIES
        )
        self.waiting[future] = block
        future.add_done_callback(self.done.put)

    def _finished(self) -> Blocks:
        """The blocks that are finished, if any are before it is time to look around."""
        try:
            ready = [self.done.get(timeout=LOOK)]
        except Empty:
            return
        with contextlib.suppress(Empty):
            while True:
                ready.append(self.done.get_nowait())
        self._fetch(ready)
        for future in ready:
            block = self.waiting.pop(future)
            found = self.fetched.pop(future, None) or self._result(future, block)
            if found is not None:
                yield block, found

    def _fetch(self, ready: list[Future[Any]]) -> None:
        """Get what can be got in one go: that takes less time than one by one."""
        good = [future for future in ready if future.status == "finished"]
        if not good:  # a scheduler is asked even for nothing, and waited for if it is gone
            return
        with contextlib.suppress(Exception):  # each says by itself what is wrong
            self.fetched.update(zip(good, self.client.gather(good)))

    def _result(self, future: Future[Any], block: int) -> Ensemble | Failure | None:
        from distributed import KilledWorker

        if future.status == "lost":  # finished, but its worker died before it was fetched
            self._submit(block)
            return None
        if future.status == "cancelled":
            raise EngineLost(f"the scheduler at {self.address} is gone")
        try:
            found: Ensemble | Failure = future.result()
        except KilledWorker as error:
            self.lost[block] = f"{error.allowed_failures + 1} workers died while they had it"
            return None
        except EngineLost:
            raise
        except OSError as error:  # also what is said of a connection that is lost
            raise EngineLost(f"block {block} did not come from its worker: {error}") from error
        except ImportError as error:
            raise ValueError(f"a worker lacks what a block needs: {error}") from error
        return found

    def _look(self) -> None:
        """How many threads there are now; raise if nobody is there for too long."""
        now = monotonic()
        if self.client.status != "running":  # if it comes back it knows nothing of these blocks
            raise EngineLost(f"the scheduler at {self.address} is gone")
        if self.threads and now < self.looked + LOOK:
            return
        try:
            self.threads = sum(self.client.nthreads().values())
        except (OSError, TimeoutError, RuntimeError) as error:
            raise EngineLost(f"the scheduler does not answer ({error})") from error
        self.looked = now
        if self.threads:
            self.seen = now
        elif now > self.seen + self.patience:
            raise EngineLost(f"the scheduler has had no worker for {self.patience:.0f} seconds")


def sampled_there(sent: bytes, block: int, mark: tuple[str, str]) -> Ensemble | Failure:
    """On a worker: one block of the run that was sent.

    Raises
    ------
    ValueError
        Here the run would come out otherwise: the mark is the sender's version and digest.
    """
    from nneft.ensemble.runs.engine import sampled

    version, digest = mark
    if version != __version__:
        raise ValueError(f"a worker has nneft {__version__}, {version} is wanted: install that")
    run = _loaded(sent)
    if run.digest != digest:
        raise ValueError("a worker has other settings for this run: install the same nneft there")
    return sampled(run, block)


@lru_cache(maxsize=4)
def _loaded(sent: bytes) -> Run:
    """The run, once: what is compiled for its plan stays."""
    import cloudpickle

    _keep_freed_memory()
    found: Run = cloudpickle.loads(sent)
    return found


def _keep_freed_memory() -> None:
    """Undo what Dask asks of the C library for its workers: to return all memory at once.

    Fresh pages for every temporary array cost more than the random numbers in them.
    """
    with contextlib.suppress(OSError, AttributeError):  # another C library
        mallopt = ctypes.CDLL(None).mallopt
        mallopt(M_TRIM_THRESHOLD, KEPT)
        mallopt(M_MMAP_THRESHOLD, KEPT // 2)
