"""Error bounds of a state, relative to how its quantities grow."""

from math import factorial

import numpy as np

from nneft.gaussian.base import Array
from nneft.rg.multisets import multisets, multisets_of_one
from nneft.rg.state import LayerState


def relative_error(state: LayerState) -> float:
    """The largest, in the sense of `Flow.error`."""
    count = state.K.shape[1]
    kernel = np.diag(state.K_0)
    deviations = np.sqrt(kernel)
    sizes = (deviations[:, None] * deviations)[np.triu_indices(len(kernel))]
    worst = max(_ratio(error, sizes) for error in state.error_K[:2])
    if state.order == 0:
        return worst
    own = state.V[0][0][multisets_of_one(count, 2)]
    u = float(np.max(own / np.where(kernel > 0.0, kernel, np.inf) ** 2))
    for p, error in enumerate(state.error_K[2:], start=2):
        growth = max(factorial(p) * u**p, _ratio(np.abs(state.K[p]), sizes))
        worst = max(worst, _ratio(error, sizes * growth))
    fluctuations = np.sqrt(np.maximum(np.diag(state.V_4), 0.0))
    for k, errors in enumerate(state.error_V, start=2):
        scale = np.prod(fluctuations[multisets(count, k)], axis=1)
        for q, error in enumerate(errors):
            growth = factorial(k - 1 + q) * u ** (0.5 * k - 1.0 + q)
            growth = max(growth, _ratio(np.abs(state.V[k - 2][q]), scale)) if k + q > 2 else 1.0
            worst = max(worst, _ratio(error, scale * growth))
    return worst


def _ratio(error: Array, scale: Array) -> float:
    safe = np.where(scale > 0.0, scale, 1.0)
    return float(np.max(np.where(scale > 0.0, error / safe, 0.0), initial=0.0))
