"""What a block's file holds: whatever was accumulated, and nothing that the settings say."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import fields
from pathlib import Path
from typing import Any, get_type_hints

import numpy as np

from nneft.ensemble.control import Control
from nneft.ensemble.ensemble import Ensemble, Source
from nneft.ensemble.reduction import SAME, Reduction
from nneft.ensemble.runs.arrays import Arrays, flatten, restore
from nneft.ensemble.runs.blockfile import Damaged, Failure, read_block
from nneft.ensemble.runs.controlfile import NAME as CONTROL
from nneft.ensemble.runs.run import Run

#: Fields of an ensemble that follow from the settings, and so are not written in every block.
SETTLED = ("widths", "C_W", "C_b", "activation", "first_kernel", "sources")


def arrays_of(ensemble: Ensemble) -> Arrays:
    """What a block's file holds."""
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
        Something is not there, or of other networks, correlators or centres than the run's.
    """
    plan, net = run.plan, run.plan.network
    pairs = len(plan.kernel) * (len(plan.kernel) + 1) // 2
    start, size = block * run.per_block, run.networks_in(block)
    source = Source(plan.numbers, plan.dtype, plan.seed, start, start + size)
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
    if found.points != plan.points or found.moments.mean.shape != (net.depth - 1, pairs):
        raise Damaged(f"block {block} holds other correlators than the run")
    if not _about(plan.control, found.reduction):
        raise Damaged(f"block {block} is reduced about other centres than {CONTROL}")
    return found


def _about(control: Control | None, reduction: Reduction | None) -> bool:
    """Whether sums were made with the run's control, but for rounding: others do not add up."""
    if control is None or reduction is None:
        return control is None and reduction is None
    if reduction.centre.shape != control.centre.shape:
        return False
    size = np.abs(control.centre).max(axis=1, keepdims=True)
    return bool((np.abs(reduction.centre - control.centre) <= SAME * size).all())


def one_whole(
    run: Run, block: int, paths: Iterable[Path], damaged: dict[str, str]
) -> Ensemble | Failure | None:
    """What a block's files hold; None if none of them is whole, which goes into ``damaged``.

    Raises
    ------
    ValueError
        Two files are both whole and differ.
    """
    good: dict[str, Ensemble | Failure] = {}
    for path in paths:
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
    return next(iter(good.values()), None)
