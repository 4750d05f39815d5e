"""An ensemble of some of its inputs, where the sums over all of them would be much to look at."""

from collections.abc import Sequence
from dataclasses import replace

import numpy as np
from numpy.typing import NDArray

from nneft.ensemble.accumulate import CoMoments, Moments
from nneft.ensemble.ensemble import Ensemble
from nneft.ensemble.places import multisets, rank
from nneft.ensemble.reduction import Reduction

Places = NDArray[np.intp]


def of_inputs(ensemble: Ensemble, inputs: Sequence[int]) -> Ensemble:
    """What the ensemble would be without the other inputs; ``inputs`` ascend."""
    chosen = np.asarray(inputs, dtype=np.intp)
    a, b = np.triu_indices(len(chosen))
    pairs = ensemble.pair_index[chosen[a], chosen[b]]
    cumulants, reduction = ensemble.cumulants, ensemble.reduction
    return replace(
        ensemble,
        first_kernel=ensemble.first_kernel[chosen[:, None], chosen],
        moments=_moments(ensemble.moments, pairs),
        cumulants=None if cumulants is None else cumulants.of_components(pairs),
        reduction=None if reduction is None else _reduction(reduction, pairs),
    )


def _moments(held: Moments, pairs: Places) -> Moments:
    co = held.co
    if co is not None:
        a, b = pairs[:, None], pairs
        co = CoMoments(co.m11[:, a, b], co.m21[:, a, b], co.m22[:, a, b])
    return replace(held, mean=held.mean[:, pairs], square=held.square[:, pairs], co=co)


def _reduction(held: Reduction, pairs: Places) -> Reduction:
    size, second = held.centre.shape[-1], held.second
    if second is not None:
        second = second.of_components(rank(pairs[multisets(len(pairs), 2)], size))
    return replace(
        held, centre=held.centre[:, pairs], first=held.first.of_components(pairs), second=second
    )
