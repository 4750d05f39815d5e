"""The averages over two inputs that a step of the pairwise kernel needs, for many pairs at once."""

import numpy as np

from nneft.activations.base import Activation
from nneft.errors import NumericsError
from nneft.gaussian import closed, erf, expectations, homogeneous
from nneft.gaussian.base import Array, Moments, Terms
from nneft.gaussian.expectations import CLOSED_ACCURACY, Method
from nneft.gaussian.wick import normal_ordered
from nneft.rg.pairwise_series import Pairs, Sums, mehler

_EPS = float(np.finfo(np.float64).eps)


def pair_moments(activation: Activation, pairs: Pairs, terms: Terms) -> Moments:
    """``<f(phi_a) g(phi_b)>`` of every pair: values and errors (terms, P).

    Closed forms where there are, else Mehler series, and what those decline pair by pair.
    """
    method = expectations.method_for(activation, 2)
    if method is Method.POLYNOMIAL:
        assert activation.polynomial is not None
        return _polynomial(activation.polynomial, pairs, terms)
    if method is Method.HOMOGENEOUS:
        assert activation.slopes is not None
        found = homogeneous.moments(activation.slopes, pairs.kernels, terms)
        return Moments(found.values.T, found.errors.T)
    if method is Method.ERF and any(erf.covers(term) for term in terms):
        return _erf(activation, pairs, terms)
    return _series(activation, pairs, terms)


def _polynomial(coefficients: tuple[float, ...], pairs: Pairs, terms: Terms) -> Moments:
    """``<f g> = sum_m m! f_m(K_aa) g_m(K_bb) K_ab^m`` over normal-ordered coefficients."""
    values, errors = (np.zeros((len(terms), len(pairs.first))) for _ in range(2))
    steps = sum(max(p) for p, _ in terms) * len(coefficients)
    for signed, out in ((True, values), (False, errors)):
        sigma = np.array(coefficients) if signed else np.abs(coefficients)
        xy = pairs.covariance if signed else np.abs(pairs.covariance)
        for t, ((p, q), (i, j)) in enumerate(terms):
            f, g = (_ordered(sigma, *v, pairs.variances) for v in ((p, i), (q, j)))
            for m in range(min(len(f), len(g)) - 1, -1, -1):
                out[t] = f[m][pairs.first] * g[m][pairs.second] + (m + 1) * xy * out[t]
    return Moments(values, steps * _EPS * errors)


def _ordered(sigma: Array, power: int, order: int, variances: Array) -> Array:
    """Normal-ordered coefficients of ``(sigma^p)^(r)``: (degree + 1, N)."""
    powered = np.polynomial.polynomial.polypow(sigma, power)
    if order:
        powered = np.polynomial.polynomial.polyder(powered, order)
    return normal_ordered(powered.tolist(), variances)


def _erf(activation: Activation, pairs: Pairs, terms: Terms) -> Moments:
    """Arcsines for single powers, series for the others."""
    covered = [t for t, term in enumerate(terms) if erf.covers(term)]
    others = [t for t in range(len(terms)) if t not in covered]
    closed_form = erf.moments(pairs.kernels, [terms[t] for t in covered])
    values, errors = (np.zeros((len(terms), len(pairs.first))) for _ in range(2))
    values[covered], errors[covered] = closed_form.values.T, closed_form.errors.T
    if others:
        values[others], errors[others] = _series(activation, pairs, [terms[t] for t in others])
    return Moments(values, errors)


def _series(activation: Activation, pairs: Pairs, terms: Terms) -> Moments:
    try:
        found = mehler(activation, pairs, terms)
    except (ValueError, NumericsError):
        # Exponentials have closed forms where the series' sums diverge.
        if activation.polyexp is None:
            raise
        found = Sums.none(len(terms), len(pairs.first))
    if activation.polyexp is not None:
        _exponential(activation, pairs, terms, found)
    for p in np.flatnonzero(~found.done):
        one = expectations.moments(activation, pairs.part(np.array([p])).kernels[0], terms)
        found.values[:, p], found.errors[:, p] = one
    return Moments(found.values, found.errors)


def _exponential(activation: Activation, pairs: Pairs, terms: Terms, found: Sums) -> None:
    """Closed forms for the pairs left, where they do not cancel."""
    assert activation.polyexp is not None
    left = np.flatnonzero(~found.done)
    if not len(left):
        return
    values, errors = (
        v.T for v in closed.moments(activation.polyexp, pairs.part(left).kernels, terms)
    )
    good = np.all(errors <= CLOSED_ACCURACY * np.abs(values), axis=0)
    found.fill(left[good], values[:, good], errors[:, good])
