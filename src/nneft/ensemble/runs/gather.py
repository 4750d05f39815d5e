"""The blocks of a run, checked and merged in their order, and written as one result."""

from __future__ import annotations

import contextlib
import io
import json
import os
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, fields
from typing import TYPE_CHECKING, Any, get_type_hints

import numpy as np

from nneft.ensemble.ensemble import Ensemble, Source
from nneft.ensemble.runs import disk
from nneft.ensemble.runs.arrays import Arrays, flatten, restore
from nneft.ensemble.runs.blockfile import Damaged, Failure, listed, read_block
from nneft.ensemble.runs.run import DAMAGED, Run
from nneft.errors import NumericsError

if TYPE_CHECKING:
    import xarray as xr

#: Fields of an ensemble that follow from the settings, and so are not written in every block.
SETTLED = ("widths", "C_W", "C_b", "activation", "first_kernel", "sources")


@dataclass(frozen=True)
class Outcome:
    """What the files of a run come to.

    Parameters
    ----------
    ensemble : of all good blocks; None if there is none, or if blocks are missing.
    missing : blocks of which there is no good file.
    damaged : by name of the file, why it cannot be used.
    failed : blocks that gave no numbers; they are in no average.
    """

    ensemble: Ensemble | None
    missing: tuple[int, ...]
    damaged: dict[str, str]
    failed: tuple[Failure, ...]


def arrays_of(ensemble: Ensemble) -> Arrays:
    """What a block's file holds: whatever was accumulated."""
    flat: Arrays = {}
    for field in fields(ensemble):
        if field.name not in SETTLED:
            flat |= flatten(getattr(ensemble, field.name), field.name)
    return flat


def ensemble_of(run: Run, block: int, arrays: Arrays) -> Ensemble:
    """The ensemble of one block, from its file.

    Raises
    ------
    Damaged
        Something is not there, or of another number of networks.
    """
    plan, net = run.plan, run.plan.network
    start, size = block * run.per_block, run.networks_in(block)
    source = Source(plan.method, plan.dtype, plan.seed, start, start + size)
    hints = get_type_hints(Ensemble)
    names = [f.name for f in fields(Ensemble) if f.name not in SETTLED]
    try:
        accumulated: dict[str, Any] = {name: restore(hints[name], name, arrays) for name in names}
    except KeyError as error:
        raise Damaged(f"block {block} lacks {error.args[0]}") from None
    found = Ensemble(
        widths=net.widths,
        C_W=tuple(net.C_W.tolist()),
        C_b=tuple(net.C_b.tolist()),
        activation=net.activation.name,
        first_kernel=plan.kernel,
        sources=(source,),
        **accumulated,
    )
    if found.networks != size:
        raise Damaged(f"block {block} holds {found.networks} networks, {size} were wanted")
    return found


def merged(total: Ensemble | None, found: Ensemble) -> Ensemble:
    """Both together, in this order.

    Raises
    ------
    NumericsError
        A sum overflows, as where fourth powers of the spread between networks do.
    """
    if total is None:
        return found
    with np.errstate(all="ignore"):
        both = total.merge(found)
    if not all(np.isfinite(a).all() for a in arrays_of(both).values()):
        first, last = found.sources[0].start, found.sources[-1].stop - 1
        raise NumericsError(
            f"the sums of networks {first}..{last} and those before overflow double precision"
        )
    return both


def gather(run: Run, *, set_aside: bool = True) -> Outcome:
    """Read and check every block; merge them in order if they are all there.

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
    total: Ensemble | None = None
    missing: list[int] = []
    damaged: dict[str, str] = {}
    failed: list[Failure] = []
    for block, found in _each(run, damaged):
        if found is None:
            missing.append(block)
        elif isinstance(found, Failure):
            failed.append(found)
        elif not missing:
            total = merged(total, found)
    if set_aside:
        for name in damaged:
            _set_aside(run, name)
    whole = None if missing else total
    return Outcome(whole, tuple(missing), damaged, tuple(failed))


def _each(run: Run, damaged: dict[str, str]) -> Iterator[tuple[int, Ensemble | Failure | None]]:
    files = listed(run.blocks)
    for block in sorted(set(files) - set(range(run.count))):
        damaged |= {path.name: f"the run has {run.count} blocks" for path in files[block]}
    for block in range(run.count):
        good: dict[str, Ensemble | Failure] = {}
        for path in files.get(block, []):
            try:
                found = read_block(path, run.digest)
                good[path.name] = (
                    found if isinstance(found, Failure) else ensemble_of(run, block, found)
                )
            except (Damaged, OSError, ValueError) as error:
                damaged[path.name] = str(error)
        if len(good) > 1:
            raise ValueError(
                f"block {block} of {run.folder} is there twice and differs ({', '.join(good)}), as "
                "from two types of processor: remove one of the files"
            )
        yield block, next(iter(good.values()), None)


def failures(run: Run, blocks: Iterable[int]) -> list[Failure]:
    """Those of the blocks that are recorded as failed."""
    files, found = listed(run.blocks), []
    for path in (path for block in blocks for path in files.get(block, [])):
        if path.suffix == ".json":
            with contextlib.suppress(Damaged, OSError, ValueError):
                held = read_block(path, run.digest)
                found += [held] if isinstance(held, Failure) else []
    return found


def _set_aside(run: Run, name: str) -> None:
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
    return ensemble.to_xarray().assign_attrs(
        networks_wanted=run.networks,
        networks_per_block=run.per_block,
        failed_blocks=json.dumps(failed),
        run=run.digest,
    )


def result(run: Run, outcome: Outcome, ensemble: Ensemble) -> bytes:
    """The content of ``result.nc``, made in memory: HDF5 does not survive a full disk."""
    buffer = io.BytesIO()
    dataset(run, outcome, ensemble).to_netcdf(buffer, engine="h5netcdf")
    return buffer.getvalue()
