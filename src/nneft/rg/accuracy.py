"""Error bounds of a state, relative to how its quantities grow."""

from collections.abc import Iterator
from math import factorial

import numpy as np

from nneft.gaussian.base import Array
from nneft.rg.multisets import multisets, multisets_of_one
from nneft.rg.state import LayerState


def relative_error(state: LayerState) -> float:
    """The largest, in the sense of `Flow.error`."""
    worst = max(_ratio(error, _sizes(state)) for error in state.error_K[:2])
    if state.order == 0:
        return worst
    fluctuations = np.sqrt(np.maximum(np.diag(state.V_4), 0.0))
    scale = np.prod(fluctuations[multisets(state.K.shape[1], 2)], axis=1)
    return max(worst, _ratio(state.error_V[0][0], scale), beyond_first_order(state))


def beyond_first_order(state: LayerState) -> float:
    """The largest of what order 2 and higher ones add."""
    # Where the natural size overflows the next layer does, and is told by name.
    with np.errstate(over="ignore", invalid="ignore"):
        return max((loss for power, loss in _losses(state) if power > 1), default=0.0)


def _losses(state: LayerState) -> Iterator[tuple[int, float]]:
    """Power of 1/n of each quantity, and its error by its natural size or largest component."""
    for power, value, error, scale, growth in _quantities(state):
        yield power, _ratio(error, scale * max(growth, _ratio(np.abs(value), scale)))


def _quantities(state: LayerState) -> Iterator[tuple[int, Array, Array, Array, float]]:
    """Power, values, errors, the kernel's size to the k and the natural growth of each quantity."""
    if state.order < 1:
        return
    count, sizes, kernel = state.K.shape[1], _sizes(state), np.diag(state.K_0)
    own = state.V[0][0][multisets_of_one(count, 2)]
    u = float(np.max(own / np.where(kernel > 0.0, kernel, np.inf) ** 2))
    for p in range(1, state.order + 1):
        yield p, state.K[p], state.error_K[p], sizes, factorial(p) * u**p
    for k, (values, errors) in enumerate(zip(state.V, state.error_V, strict=True), start=2):
        scale = np.prod(sizes[multisets(count, k)], axis=1)
        for q, (value, error) in enumerate(zip(values, errors, strict=True)):
            power = k - 1 + q
            yield power, value, error, scale, factorial(power) * u**power


def _sizes(state: LayerState) -> Array:
    """(P,): ``sqrt(K_aa K_bb)``."""
    deviations = np.sqrt(np.diag(state.K_0))
    sizes: Array = (deviations[:, None] * deviations)[np.triu_indices(len(deviations))]
    return sizes


def _ratio(error: Array, scale: Array) -> float:
    safe = np.where(scale > 0.0, scale, 1.0)
    return float(np.max(np.where(scale > 0.0, error / safe, 0.0), initial=0.0))
