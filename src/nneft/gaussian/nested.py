"""Expectations by nested panels, for any activation.

The method for activations with kinks, and a second one for all the others.
"""

import numpy as np
from numpy.typing import NDArray

from nneft.activations.base import Activation
from nneft.gaussian.base import Array, Moments, Term, Terms
from nneft.gaussian.distribution import at_points
from nneft.gaussian.many import many
from nneft.gaussian.pair import pair
from nneft.gaussian.single import rounding, single


def moments(activation: Activation, kernel: Array, terms: Terms) -> Moments:
    """Expectations ``< prod_a (sigma^{p_a})^{(r_a)}(phi_a) >`` for phi ~ N(0, kernel).

    Parameters
    ----------
    activation
        Any; with or without kinks, continuous or not.
    kernel
        (d, d) symmetric positive semi-definite; may be singular, or zero.
    terms
        Powers and numbers of derivatives. Derivatives are those of distributions, so that kinks
        and steps give delta functions.

    Returns
    -------
    Moments
        At a singular kernel without the products that would diverge, see :func:`pair`.

    Raises
    ------
    ValueError
        if the moments diverge.
    nneft.NumericsError
        if derivatives give delta functions for three inputs or more, or cannot be had at all.
    """
    kernel = np.asarray(kernel, dtype=np.float64)
    fixed = np.diagonal(kernel) <= 0.0
    if fixed.any():
        return _without_fixed(activation, kernel, terms, fixed)
    if kernel.shape[0] == 1:
        return single(activation, float(kernel[0, 0]), terms)
    if kernel.shape[0] == 2:
        return pair(activation, kernel, terms)
    return many(activation, kernel, terms)


def _without_fixed(
    activation: Activation, kernel: Array, terms: Terms, fixed: NDArray[np.bool_]
) -> Moments:
    """Inputs of variance zero are numbers; a jump there counts with the mean of its sides."""
    stays = np.flatnonzero(~fixed)
    numbers, relative = np.ones(len(terms)), np.zeros(len(terms))
    for a in np.flatnonzero(fixed):
        factors = [(powers[a], orders[a]) for powers, orders in terms]
        numbers *= at_points(activation, np.zeros(1), factors)[:, 0]
        relative += rounding(activation, factors)
    if not stays.size:
        return Moments(numbers, relative * np.abs(numbers))
    rest = [_select(term, stays) for term in terms]
    values, errors = moments(activation, kernel[np.ix_(stays, stays)], rest)
    return Moments(numbers * values, np.abs(numbers) * (errors + relative * np.abs(values)))


def _select(term: Term, inputs: NDArray[np.intp]) -> Term:
    powers, orders = term
    return tuple(powers[a] for a in inputs), tuple(orders[a] for a in inputs)
