"""Measured correlators of preactivations, with neuron indices.

Given ``G^(l)`` the neurons of layer l are independent Gaussians, so by Wick's theorem::

    <phi_i1(x1) .. phi_i2k(x2k)>   = sum over pairings of the legs, each pair with one neuron index,
                                     of <G_A1 .. G_Ak>
    <phi_i1(x1) .. phi_i2k(x2k)>_c = the same sum of kappa_k(G_A1, .., G_Ak)        (BCCZ 12, 28)

No neuron is drawn for it: the average over neurons given their kernel is taken exactly.
"""

from collections import Counter
from collections.abc import Iterator, Sequence
from itertools import combinations
from operator import index

import numpy as np
from numpy.typing import NDArray

from nneft.ensemble.cumulants import CentralSums, jackknife_error, k_statistic
from nneft.ensemble.ensemble import Ensemble
from nneft.ensemble.estimate import Estimate
from nneft.ensemble.places import rank
from nneft.errors import NumericsError

Array = NDArray[np.float64]
Leg = tuple[int, int]
#: k pairs of inputs, by their places, and how many pairings give them.
Terms = dict[tuple[int, ...], int]


def correlator(
    ensemble: Ensemble, legs: Sequence[Leg], layer: int, *, connected: bool = True
) -> Estimate:
    """``<prod phi_i(x_a)>`` at one layer and its standard error, unbiased.

    Parameters
    ----------
    ensemble : sampled with ``points`` of 6 or more where several pairings differ.
    legs : ``(neuron, input)`` for each field; neurons are counted from 0.
    layer : from 1 to the depth.
    connected : whether to leave out what factorises.

    Raises
    ------
    ValueError
        More legs than the ensemble holds, a layer, neuron or input that does not exist, too few
        networks.
    NumericsError
        where it overflows.
    """
    fields = _checked(ensemble, legs, layer)
    number = ensemble.networks
    terms: Terms = {}
    if len(fields) % 2 == 0:  # phi -> -phi at fixed G
        terms = _terms(fields, ensemble.pair_index)
    if layer == 1:
        first = ensemble.first_kernel[np.triu_indices(len(ensemble.first_kernel))]
        fixed = not connected or len(fields) == 2
        value = sum(m * np.prod(first[list(t)]) for t, m in terms.items()) if fixed else 0.0
        return Estimate(np.asarray(value), np.zeros(()), number)
    if not terms:
        return Estimate(np.zeros(()), np.zeros(()), number)
    if ensemble.cumulants is not None:
        found = _by_groups(ensemble.cumulants.of_layer(layer - 2), terms, connected)
    else:
        found = _one_term(ensemble, fields, terms, layer, connected)
    if not (np.isfinite(found.mean) and np.isfinite(found.error)):
        raise NumericsError(f"a correlator overflows double precision at layer {layer}")
    return found


def _one_term(
    ensemble: Ensemble, fields: list[Leg], terms: Terms, layer: int, connected: bool
) -> Estimate:
    """From means and covariances alone, which say nothing of the error of a sum."""
    if len(terms) > 1 or (len(fields) == 4 and not connected):
        raise ValueError(
            f"the error of this sum of {len(terms)} terms needs more than V(4) holds: sample with "
            "points=6 or more"
        )
    ((places, multiplicity),) = terms.items()
    a, b = np.triu_indices(len(ensemble.first_kernel))
    at = tuple(int(i) for p in places for i in (a[p], b[p]))
    if len(places) == 1:
        return multiplicity * ensemble.kernel[(layer - 1, *at)]
    return (multiplicity / ensemble.widths[layer - 1]) * ensemble.V(4, at=at)[layer - 1]


def _by_groups(held: CentralSums, terms: Terms, connected: bool) -> Estimate:
    """The sum of all terms from every group, and the error of the sum."""
    k = len(next(iter(terms)))
    if held.samples - int(held.count.max()) < max(k, 2):
        raise ValueError(
            f"a correlator of {2 * k} fields with its error needs {max(k, 2) + 1} networks or more,"
            f" this ensemble has {held.samples}"
        )
    asked, within = np.unique(np.array(list(terms)).ravel(), return_inverse=True)
    held = held.of_components(asked)
    tuples = within.reshape(len(terms), k)
    times = np.array(list(terms.values()), dtype=np.float64)

    def of(groups: CentralSums) -> Array:
        if not connected:
            found = _raw_moments(groups, tuples)
        elif k == 1:
            found = groups.mean[:, 0, tuples[:, 0]]
        else:
            found = k_statistic(k, groups)[:, 0, rank(tuples, len(asked))]
        return found @ times

    whole = of(held.pooled(np.zeros(1, dtype=np.intp)))[0]
    error = jackknife_error(whole, of(held.one_left_out()), held.count)
    with np.errstate(over="ignore", under="ignore"):
        unit = k * int(held.exponent[0])
        return Estimate(np.ldexp(whole, unit), np.ldexp(error, unit), held.samples)


def _raw_moments(held: CentralSums, tuples: NDArray[np.intp]) -> Array:
    """(G, terms): ``<x_A1 .. x_Ak>``, sums over subsets of means times central moments."""
    mean, size, k = held.mean[:, 0], held.mean.shape[-1], tuples.shape[1]
    total: Array = np.prod(mean[:, tuples], axis=-1)
    for chosen in range(2, k + 1):
        central = held.sums[chosen - 2][:, 0] / held.count[:, None]
        for inside in combinations(range(k), chosen):
            rest = [i for i in range(k) if i not in inside]
            others = np.prod(mean[:, tuples[:, rest]], axis=-1)
            total = total + others * central[:, rank(tuples[:, list(inside)], size)]
    return total


def _terms(fields: list[Leg], pair_index: NDArray[np.intp]) -> Terms:
    """The pairings, those of the same pairs of inputs together."""
    return dict(
        Counter(tuple(sorted(int(pair_index[p]) for p in pairing)) for pairing in _pairings(fields))
    )


def _pairings(fields: list[Leg]) -> Iterator[list[tuple[int, int]]]:
    """Pairings in which both legs of each pair belong to the same neuron, as pairs of inputs."""
    if not fields:
        yield []
        return
    (neuron, a), *rest = fields
    for i, (other, b) in enumerate(rest):
        if other == neuron:
            for pairing in _pairings(rest[:i] + rest[i + 1 :]):
                yield [(a, b), *pairing]


def _checked(ensemble: Ensemble, legs: Sequence[Leg], layer: int) -> list[Leg]:
    depth, inputs = len(ensemble.widths) - 1, len(ensemble.first_kernel)
    if not 1 <= index(layer) <= depth:
        raise ValueError(f"layer must be from 1 to {depth}, got {layer}")
    width = ensemble.widths[layer]
    fields = [(index(neuron), index(a)) for neuron, a in legs]
    for neuron, a in fields:
        if not 0 <= neuron < width:
            raise ValueError(f"layer {layer} has neurons 0 to {width - 1}, got {neuron}")
        if not 0 <= a < inputs:
            raise ValueError(f"there are inputs 0 to {inputs - 1}, got {a}")
    if not 1 <= len(fields) <= ensemble.points:
        raise ValueError(
            f"this ensemble holds correlators of 1 to {ensemble.points} fields, got {len(fields)} "
            "legs: sample with more points"
        )
    return fields
