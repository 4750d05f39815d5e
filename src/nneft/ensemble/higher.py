"""``V_6`` and ``V_8`` from the central sums of an ensemble."""

import numpy as np
from numpy.typing import NDArray

from nneft.ensemble.cumulants import CentralSums, cumulant_estimate
from nneft.ensemble.estimate import Estimate, after_first_layer
from nneft.ensemble.places import dense_places, multisets, rank
from nneft.errors import NumericsError

#: Largest dense array returned.
MOST_BYTES = 2 * 2**30


def distinct_components(held: CentralSums, widths: tuple[int, ...], k: int) -> Estimate:
    """(L, M_k) ``n_{l-1}^{k-1} kappa_k`` of layers 1..L for all multisets of k pairs.

    Raises
    ------
    ValueError
        for too few networks.
    NumericsError
        where it overflows or underflows, naming the layer.
    """
    name = f"V_{2 * k}"
    # BCCZ (28): V_2k^(l) = n_{l-1}^(k-1) kappa_k(G^(l), .., G^(l))
    above = np.array(widths[1:-1], dtype=np.float64)[:, None] ** (k - 1)
    with np.errstate(over="ignore", under="ignore"):
        found = cumulant_estimate(held, k) * above
    _no_power_lost(held, k, name)
    zero = np.zeros(found.mean.shape[1:])
    return Estimate(
        after_first_layer(zero, found.mean, name),
        after_first_layer(zero, found.error, f"the error of {name}"),
        found.count,
    )


def one_component(
    held: CentralSums, widths: tuple[int, ...], pairs_asked: NDArray[np.intp]
) -> Estimate:
    """(L,) of k pairs given by their places; only these pairs are looked at."""
    asked, within = np.unique(pairs_asked, return_inverse=True)
    found = distinct_components(held.of_components(asked), widths, len(pairs_asked))
    return found[:, int(rank(within, len(asked)))]


def dense(
    held: CentralSums, widths: tuple[int, ...], k: int, pair_index: NDArray[np.intp]
) -> Estimate:
    """(L, N, .., N) with 2k axes of inputs.

    Raises
    ------
    ValueError
        for more than ``MOST_BYTES``.
    """
    count = len(pair_index)
    if (needed := 8 * len(widths) * count ** (2 * k)) > MOST_BYTES:
        raise ValueError(
            f"V({2 * k}) of {count} inputs as a dense array would take {needed:.3g} bytes; "
            "ask for components, V(points, at=...)"
        )
    # One axis of pairs for every two of inputs.
    places = dense_places(held.mean.shape[-1], k)[np.ix_(*[pair_index.ravel()] * k)]
    return distinct_components(held, widths, k)[:, places.reshape((count,) * (2 * k))]


def _no_power_lost(held: CentralSums, k: int, name: str) -> None:
    """Raise where the k-th power of a standard deviation is lost when written out."""
    first, second = multisets(held.mean.shape[-1], 2).T
    squares = held.sums[0][..., np.flatnonzero(first == second)].sum(axis=0)
    spread = np.sqrt(squares / held.samples)
    with np.errstate(under="ignore"):
        written = np.ldexp(spread**k, k * held.exponent[:, None])
    lost = ((spread > 0.0) & (written < np.finfo(np.float64).tiny)).any(axis=1)
    if lost.any():
        raise NumericsError(f"{name} underflows double precision at layer {np.argmax(lost) + 2}")
