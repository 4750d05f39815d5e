"""The blocks of a run, checked and merged in their order, and written as one result."""

from __future__ import annotations

import contextlib
import io
import json
import os
from collections.abc import Iterable
from dataclasses import dataclass
from typing import TYPE_CHECKING

from nneft.ensemble.ensemble import Ensemble
from nneft.ensemble.runs import disk
from nneft.ensemble.runs.blockfile import Damaged, Failure, listed, read_block
from nneft.ensemble.runs.contents import one_whole
from nneft.ensemble.runs.prefix import Prefix
from nneft.ensemble.runs.run import DAMAGED, Run
from nneft.storage import locked_here

if TYPE_CHECKING:
    import xarray as xr

    from nneft.ensemble.accuracy import Reading


@dataclass(frozen=True)
class Outcome:
    """What the files of a run come to.

    Parameters
    ----------
    ensemble : of all good blocks that are wanted; None if there is none, or if some are missing.
    blocks : how many blocks are wanted: all, or as many as make the result accurate enough; while
        that is not known, one more than those that somebody came to.
    missing : those of them of which there is no good file.
    damaged : by name of the file, why it cannot be used.
    failed : those of them that gave no numbers; they are in no average.
    reached : whether the accuracy asked for is reached; None where none was, or blocks are missing.
    readings : how far from it the blocks are that are there without a gap; None likewise.
    """

    ensemble: Ensemble | None
    blocks: int
    missing: tuple[int, ...]
    damaged: dict[str, str]
    failed: tuple[Failure, ...]
    reached: bool | None = None
    readings: list[Reading] | None = None


def gather(run: Run, *, set_aside: bool = True) -> Outcome:
    """Read and check every block; merge them in order, if all that are wanted are there.

    Parameters
    ----------
    run : the run.
    set_aside : move files that cannot be used to the folder ``damaged``, so that their blocks are
        sampled again.

    Raises
    ------
    ValueError
        Two files of one block are both whole and differ.
    NumericsError
        The blocks are finite, but not their sums.
    """
    prefix, files = Prefix(run), listed(run.blocks)
    missing: list[int] = []
    damaged: dict[str, str] = {}
    later: list[Failure] = []
    for block in sorted(block for block in files if block >= run.count):
        damaged |= {path.name: f"the run has {run.count} blocks" for path in files[block]}
    looked_at = range(run.count) if run.until is None else _upto(files, run.count)
    for block in looked_at:
        found = one_whole(run, block, files.get(block, []), damaged)
        if found is None:
            missing.append(block)
        elif not missing:
            prefix.add(found)
        elif isinstance(found, Failure):
            later.append(found)
    if set_aside:
        for name in damaged:
            put_aside(run, name)
    if prefix.whole:
        kept = (prefix.blocks, (), damaged, tuple(prefix.failed))
        return Outcome(prefix.total, *kept, prefix.reached, prefix.readings())
    failed = tuple(prefix.failed + later)
    every = len(looked_at)
    return Outcome(None, every, tuple(missing), damaged, failed, None, prefix.readings())


def _upto(files: Iterable[int], count: int) -> range:
    """Blocks to the first one that nobody has come to."""
    return range(min(count, max(files, default=-1) + 2))


def failures(run: Run, blocks: Iterable[int]) -> list[Failure]:
    """Those of the blocks that are recorded as failed."""
    files, found = listed(run.blocks), []
    for path in (path for block in blocks for path in files.get(block, [])):
        if path.suffix == ".json":
            with contextlib.suppress(Damaged, OSError, ValueError):
                held = read_block(path, run.digest)
                found += [held] if isinstance(held, Failure) else []
    return found


def put_aside(run: Run, name: str) -> None:
    """Move the file of a block to the folder ``damaged``."""
    room = run.folder / DAMAGED
    room.mkdir(exist_ok=True)
    try:
        os.replace(run.blocks / name, room / name)
    except FileNotFoundError:  # another process was first
        return
    disk.sync_folder(run.blocks)


def dataset(run: Run, outcome: Outcome, ensemble: Ensemble) -> xr.Dataset:
    """The ensemble with what it is made of; no path, time or number of workers."""
    failed = [
        {"block": f.block, "networks": f.networks, "reason": f.reason} for f in outcome.failed
    ]
    made = ensemble.to_xarray().assign_attrs(
        networks_wanted=run.networks,
        networks_per_block=run.per_block,
        failed_blocks=json.dumps(failed),
        run=run.digest,
    )
    if run.until is None:
        return made
    return made.assign_attrs(until=str(run.until), until_reached=int(bool(outcome.reached)))


def result(run: Run, outcome: Outcome, ensemble: Ensemble) -> bytes:
    """The content of ``result.nc``, made in memory: HDF5 does not survive a full disk."""
    buffer = io.BytesIO()
    with locked_here():
        dataset(run, outcome, ensemble).to_netcdf(buffer, engine="h5netcdf")
    return buffer.getvalue()
