"""One smooth input at many variances, any derivatives: part of them taken, part of them weighed.

Stein's identity, ``<f'> = <f z>/s`` for ``phi = s z``, repeated ``b`` times::

    <f^(a+b)> = < f^(a)(s z) he_b(z) > sqrt(b!) / s^b,    he_b = He_b / sqrt(b!),

holds for any division of ``r = a + b``. The divisions lose digits at opposite ends: derivatives
grow like ``a!`` over the width of the strip of analyticity to the power of ``a``, weights like
``sqrt(b!) / s^b``. The sum that is smallest by Cauchy-Schwarz, ``|f^(a)| sqrt(b!) / s^b`` with the
noise of derivatives that are numerical, is taken: at order 50 and K = 1 it keeps twenty digits more
than the derivatives alone.
"""

from math import factorial, log
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray
from scipy.special import gammaln

from nneft.activations.base import Activation
from nneft.gaussian.base import Array, Moments, Terms
from nneft.gaussian.factors import factor_values, highest_orders, is_odd, pilots, refuse_unknown
from nneft.gaussian.hermite import ENOUGH, FINEST, Rule, blocks, hermite_functions, rule_for
from nneft.gaussian.lattice import ROUNDING

#: Variances that share a rule differ by no more than this factor, unless all are small.
_OCTAVES = 4.0


class _Rows(NamedTuple):
    """What is asked of one power: the derivatives of terms, and how many to take at most."""

    power: int
    terms: NDArray[np.intp]
    orders: NDArray[np.intp]
    #: relative errors of the derivatives 0, 1, .. that may be taken
    noise: Array


def singles(activation: Activation, variances: Array, terms: Terms) -> Moments:
    """``<(sigma^p)^(r)>`` for many variances: values and errors of shape (terms, inputs).

    Parameters
    ----------
    activation
        Smooth.
    variances : (N,)
        Not negative.
    terms
        Of one input each.

    Raises
    ------
    ValueError
        The moments diverge.
    nneft.NumericsError
        A variance is too large for the length over which the activation varies.
    """
    variances = np.asarray(variances, dtype=np.float64)
    values, errors = (np.zeros((len(terms), len(variances))) for _ in range(2))
    live = [t for t, term in enumerate(terms) if not is_odd(activation, *term)]
    if live:
        for group in _groups(activation, variances):
            found = _group(activation, variances[group], [terms[t] for t in live])
            for whole, part in zip((values, errors), found, strict=True):
                whole[np.ix_(np.array(live), group)] = part
    return Moments(values, errors)


def _groups(activation: Activation, variances: Array) -> list[NDArray[np.intp]]:
    """Variances of similar size; those for which the Gaussian alone sets the rule are one group."""
    least = (activation.scale / 8.0) ** 2
    octave = np.ceil(np.log(np.maximum(variances, least) / least) / log(_OCTAVES))
    return [np.flatnonzero(octave == o) for o in np.unique(octave)]


def _group(activation: Activation, variances: Array, terms: Terms) -> Moments:
    rows = _rows(activation, variances, terms)
    factors = [(row.power, a) for row in rows for a in range(len(row.noise))]
    length = 1 + max(int(np.max(row.orders)) for row in rows)
    length = max(length, 2) if any(np.any(row.orders > 0) for row in rows) else 0
    for finer in range(FINEST):
        rule = rule_for(activation, variances, factors, length=length, finer=finer)
        found, relative = _on_rule(activation, variances, rows, rule, length)
        if relative <= ENOUGH:
            break
    return found


def _rows(activation: Activation, variances: Array, terms: Terms) -> list[_Rows]:
    """The terms by powers; derivatives are not taken where a pilot finds weights far better."""
    highest = highest_orders([(p, r) for (p,), (r,) in terms])
    ends = np.sqrt([np.min(variances), np.max(variances)])
    found = []
    for power, pilot in sorted(pilots(activation, ends, highest).items()):
        which = np.array([t for t, (p, _) in enumerate(terms) if p[0] == power])
        orders = np.array([terms[t][1][0] for t in which])
        noise = np.max(pilot.noise, axis=1)
        taken = int(np.max(_best(pilot.logs, noise, ends, orders)))
        found.append(_Rows(power, which, orders, noise[: min(highest[power], taken + 1) + 1]))
    return found


def _log_norms(values: Array, weights: Array) -> Array:
    """``log <f^2>^(1/2)``: (factors, inputs)."""
    with np.errstate(over="ignore", invalid="ignore", divide="ignore"):
        logs = 0.5 * np.log(np.square(values) @ weights)
    return np.asarray(np.where(np.isnan(logs), np.inf, logs), dtype=np.float64)


def _best(
    logs: Array, noise: Array, deviations: Array, orders: NDArray[np.intp]
) -> NDArray[np.intp]:
    """How many of the derivatives to take: (orders, inputs)."""
    b = (orders[:, None] - np.arange(len(logs)))[..., None]
    with np.errstate(divide="ignore", invalid="ignore"):
        # log of |f^(a)| sqrt(b!) / s^b, with the noise; nothing is weighed at a variance of zero
        weighed = 0.5 * gammaln(np.maximum(b, 0) + 1.0) - b * np.log(deviations)
        size = logs + np.log(noise + ROUNDING)[:, None] + np.where(b > 0, weighed, 0.0)
    size = np.where((b < 0) | np.isnan(size), np.inf, size)
    return np.asarray(np.argmin(size, axis=1), dtype=np.intp)


class _Tables(NamedTuple):
    """Points of a rule, each pair ``z, -z`` once where integrands are even, and Hermite weights."""

    z: Array
    weights: Array
    #: weight times he_b on all points (n, B); on every second of them, of the coarser rule; and
    #: its absolute values there
    fine: Array
    coarse: Array
    size: Array

    @classmethod
    def of(cls, rule: Rule, length: int, *, even: bool) -> "_Tables":
        """`length` Hermite functions, or the weights alone."""
        middle = len(rule.z) // 2 if even else 0
        fold = np.full(len(rule.z) - middle, 2.0 if even else 1.0)
        if even:
            fold[0] = 1.0
        weights = rule.weights[middle:] * fold
        fine = weights[:, None]
        if length:
            fine = fold[:, None] * hermite_functions(rule, length)[middle:]
        coarse = 2.0 * fine[::2]
        return cls(rule.z[middle:], weights, fine, coarse, np.abs(coarse))


def _on_rule(
    activation: Activation, variances: Array, rows: list[_Rows], rule: Rule, length: int
) -> tuple[Moments, float]:
    """The sums on one rule, and their largest error relative to their absolute values."""
    tables = _Tables.of(rule, length, even=activation.parity is not None)
    terms = sum(len(row.terms) for row in rows)
    values, errors, wrongs, sizes = (np.zeros((terms, len(variances))) for _ in range(4))
    factors = {(row.power, a) for row in rows for a in range(len(row.noise))}
    for block in blocks(len(variances), len(tables.z) * len(factors)):
        deviations = np.sqrt(variances[block])
        found = factor_values(activation, deviations[:, None] * tables.z, factors)
        for row in rows:
            f = np.array([found[row.power, a] for a in range(len(row.noise))])
            logs = _log_norms(f, tables.weights)
            taken = _best(logs, row.noise, deviations, row.orders)
            place = np.ix_(row.terms, np.arange(len(variances))[block])
            sizes[place] = np.exp(logs[0])
            values[place], errors[place], wrongs[place] = _sums(f, tables, row, taken, deviations)
    orders = np.zeros(terms)
    for row in rows:
        orders[row.terms] = row.orders
    refuse_unknown(activation, variances, orders, Moments(values, errors), sizes)
    return Moments(values, errors), float(np.max(wrongs, initial=0.0))


def _sums(
    f: Array, tables: _Tables, row: _Rows, taken: NDArray[np.intp], deviations: Array
) -> tuple[Array, Array, Array]:
    """Values, errors and relative errors of the sums: (orders, inputs) each."""
    weighed = row.orders[:, None] - taken
    most = int(np.max(weighed)) + 1
    at = (taken, np.arange(len(deviations)), weighed)
    with np.errstate(over="ignore", invalid="ignore", divide="ignore"):
        mean = (f @ tables.fine[:, :most])[at]
        size = (np.abs(f[..., ::2]) @ tables.size[:, :most])[at]
        other = (f[..., ::2] @ tables.coarse[:, :most])[at]
        # aliasing: e(h) = e(2h)^2
        wrong = (np.abs(mean - other) / np.where(size > 0.0, size, 1.0)) ** 2 + 3.0 * ROUNDING
        noise = np.where(size > 0.0, row.noise[taken], 0.0)
        # sqrt(b!) / s^b
        roots = np.sqrt([float(factorial(b)) for b in range(most)])[weighed]
        scale = np.where(weighed > 0, roots / deviations**weighed, 1.0)
        return mean * scale, size * scale * (wrong + noise), wrong
