"""The choice of method, and the three questions that the layers above ask.

`singles`, `pairs` and `moments` answer for one input, for all pairs of inputs and for one small
group of distinct inputs. Which method answers is a pure function of the activation's declared
structure and of the number of inputs (`method_for`), except that a method may decline: closed forms
in which everything cancels, and Hermite series that would be too long, hand over to the next.
"""

from enum import Enum

import numpy as np

from nneft.activations.base import Activation
from nneft.errors import NumericsError
from nneft.gaussian import closed, erf, homogeneous, lattice, nested, series
from nneft.gaussian.base import Array, Moments, Terms

#: A closed form is kept while its estimated error is below this fraction of its value's scale.
CLOSED_ACCURACY = 1e-13


class Method(Enum):
    """How a Gaussian expectation is found; the value says it in words."""

    POLYNOMIAL = "Wick's theorem"
    EXPONENTIAL = "closed form of polynomials times exponentials, else the lattice"
    ERF = "closed form of erf pairs"
    HOMOGENEOUS = "closed forms of ReLU-like activations"
    SERIES = "Hermite series, else the lattice"
    LATTICE = "trapezoidal rule on a lattice"
    PANELS = "Hermite series where short, else nested panels broken at the kinks"


def method_for(activation: Activation, inputs: int) -> Method:
    """The method for an expectation over this many distinct inputs."""
    if activation.polynomial is not None:
        return Method.POLYNOMIAL
    if activation.slopes is not None:
        return Method.HOMOGENEOUS
    if activation.kinks:
        return Method.PANELS
    if activation.polyexp is not None:
        return Method.EXPONENTIAL
    if activation.name == "erf" and inputs <= 2:
        return Method.ERF
    return Method.SERIES if inputs <= 2 else Method.LATTICE


def promised(activation: Activation, inputs: int) -> float:
    """Relative accuracy promised for this many distinct inputs."""
    if inputs <= 2:
        return 1e-10
    return 1e-5 if method_for(activation, inputs) is Method.PANELS else 1e-8


def moments(activation: Activation, kernel: Array, terms: Terms) -> Moments:
    """``< prod_a (sigma^{p_a})^{(r_a)}(phi_a) >_K`` for one group of distinct inputs.

    Parameters
    ----------
    kernel : (d, d)
        Positive semi-definite covariance, singular or not.
    terms
        For each expectation the powers and the numbers of derivatives, two tuples of length ``d``.

    Raises
    ------
    ValueError
        The moments diverge.
    nneft.NumericsError
        The method's accuracy or memory does not suffice.
    """
    match method_for(activation, len(kernel)):
        case Method.POLYNOMIAL:
            assert activation.polyexp is not None
            return closed.moments(activation.polyexp, kernel, terms)
        case Method.HOMOGENEOUS:
            assert activation.slopes is not None
            return homogeneous.moments(activation.slopes, kernel, terms)
        case Method.PANELS:
            return nested.moments(activation, kernel, terms)
        case Method.EXPONENTIAL:
            assert activation.polyexp is not None
            found = closed.moments(activation.polyexp, kernel, terms)
            if np.all(found.errors <= CLOSED_ACCURACY * np.abs(found.values)):
                return found
            try:
                other = lattice.moments(activation, kernel, terms)
            except (ValueError, NumericsError):  # grows too fast for the lattice: exponentials do
                return found
            better = other.errors < found.errors
            return Moments(*(np.where(better, o, f) for o, f in zip(other, found, strict=True)))
    return lattice.moments(activation, kernel, terms)


def singles(activation: Activation, variances: Array, terms: Terms) -> Moments:
    """``<(sigma^p)^(r)>`` of one input at many variances: values, errors (terms, inputs)."""
    if method_for(activation, 1) in (Method.SERIES, Method.ERF):
        return series.singles(activation, variances, terms)
    found = [moments(activation, np.array([[v]]), terms) for v in variances]
    return Moments(*(np.reshape(part, (-1, len(terms))).T for part in zip(*found, strict=True)))


def pairs(activation: Activation, kernel: Array, terms: Terms) -> Moments:
    """``<f_1(phi_a) f_2(phi_b)>_K`` for all ``a != b``: values, errors (terms, N, N).

    Entry ``[t, a, b]`` puts the first factor of term t on input a; the diagonals are zero.
    """
    size = len(kernel)
    method = method_for(activation, 2)
    plain = all(r == (0, 0) for _, r in terms)
    if method in (Method.SERIES, Method.ERF) or (method is Method.PANELS and plain):
        found, done = series.pairs(activation, kernel, terms)
    else:
        found = Moments(*(np.zeros((len(terms), size, size)) for _ in range(2)))
        done = np.zeros((size, size), dtype=bool)
    swapped = [_swap(terms, term) for term in terms]
    for a in range(size):
        for b in range(a + 1, size):
            if done[a, b] and done[b, a]:
                continue
            here = np.ix_([a, b], [a, b])
            one = moments(activation, kernel[here], terms)
            for whole, part in zip(found, one, strict=True):
                whole[:, a, b] = part
                whole[:, b, a] = part[swapped]
    return found


def pair_products(activation: Activation, kernel: Array) -> Moments:
    """``<sigma(phi_a) sigma(phi_b)>_K`` for all pairs, the diagonal included: (N, N) each."""
    method = method_for(activation, 2)
    if method is Method.POLYNOMIAL:
        assert activation.polynomial is not None
        return closed.pair_products(activation.polynomial, kernel)
    if method is Method.HOMOGENEOUS:
        assert activation.slopes is not None
        return homogeneous.pair_products(activation.slopes, kernel)
    if method is Method.ERF:
        return erf.pair_products(kernel)
    if method is Method.EXPONENTIAL:
        assert activation.polyexp is not None
        closed_form = closed.exponential_pair_products(activation.polyexp, kernel)
        deviations = np.sqrt(np.diag(closed_form.values))
        if np.all(closed_form.errors <= CLOSED_ACCURACY * np.outer(deviations, deviations)):
            return closed_form
    one = singles(activation, np.diag(kernel), [((2,), (0,))])
    two = pairs(activation, kernel, [((1, 1), (0, 0))])
    values, errors = two.values[0], two.errors[0]
    np.fill_diagonal(values, one.values[0])
    np.fill_diagonal(errors, one.errors[0])
    return Moments(values, errors)


def _swap(terms: Terms, term: tuple[tuple[int, ...], tuple[int, ...]]) -> int:
    """Index of the term with its two inputs exchanged."""
    (p1, p2), (r1, r2) = term
    return list(terms).index(((p2, p1), (r2, r1)))
