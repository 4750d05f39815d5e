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
from nneft.gaussian import closed, erf, homogeneous, lattice, mehler, nested, series, stein
from nneft.gaussian.base import Array, Moments, Terms

#: A closed form is kept while its estimated error is below this fraction of its value's scale.
CLOSED_ACCURACY = 1e-13
#: Derivatives of two smooth inputs from which on a series is tried before the lattice; terms whose
#: errors it leaves above this fraction of their values are given to the lattice too.
HIGH, POOR = 5, 1e-11


class Method(Enum):
    """How a Gaussian expectation is found; the value says it in words."""

    POLYNOMIAL = "Wick's theorem"
    EXPONENTIAL = "closed form of polynomials times exponentials; Hermite series or the lattice"
    ERF = "closed form of erf pairs; Hermite series"
    HOMOGENEOUS = "closed forms of ReLU-like activations"
    SERIES = "Hermite series, else the lattice"
    LATTICE = "trapezoidal rule on a lattice"
    PANELS = "Hermite series where short, else nested panels broken at the kinks"


#: Methods for which pairs are summed as Hermite series, all of them at once, where those converge.
SERIES = (Method.SERIES, Method.ERF, Method.EXPONENTIAL)


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
    match method_for(activation, np.shape(kernel)[-1]):
        case Method.POLYNOMIAL:
            assert activation.polyexp is not None
            return closed.moments(activation.polyexp, kernel, terms)
        case Method.HOMOGENEOUS:
            assert activation.slopes is not None
            return homogeneous.moments(activation.slopes, kernel, terms)
        case Method.PANELS:
            return nested.moments(activation, kernel, terms)
        case Method.EXPONENTIAL:
            return _exponential(activation, kernel, terms)
        case Method.ERF if all(erf.covers(term) for term in terms):
            return erf.moments(kernel, terms)
    return _smooth(activation, kernel, terms)


def _smooth(activation: Activation, kernel: Array, terms: Terms) -> Moments:
    """The lattice; of two inputs' high derivatives a series first, which loses fewer digits."""
    high = len(kernel) == 2 and max((max(r) for _, r in terms), default=0) >= HIGH
    if not high or not mehler.suits(kernel):
        return lattice.moments(activation, kernel, terms)
    try:
        found = mehler.moments(activation, kernel, terms)
    except NumericsError:
        return lattice.moments(activation, kernel, terms)
    poor = np.flatnonzero(~(found.errors <= POOR * np.abs(found.values)))
    if poor.size:
        other = lattice.moments(activation, kernel, [terms[t] for t in poor.tolist()])
        better = ~(found.errors[poor] <= other.errors)
        for mine, theirs in zip(found, other, strict=True):
            mine[poor[better]] = theirs[better]
    return found


def _exponential(activation: Activation, kernel: Array, terms: Terms) -> Moments:
    """The lattice where it converges, the closed form where the activation grows too fast for it.

    Either is exact to rounding where it applies; the closed form has as many terms as the products
    of exponentials multiply out to, and cancels in some.
    """
    assert activation.polyexp is not None
    try:
        return _smooth(activation, kernel, terms)
    except (ValueError, NumericsError):
        return closed.moments(activation.polyexp, kernel, terms)


def singles(activation: Activation, variances: Array, terms: Terms) -> Moments:
    """``<(sigma^p)^(r)>`` of one input at many variances: values, errors (terms, inputs)."""
    if method_for(activation, 1) in SERIES:
        try:
            return stein.singles(activation, variances, terms)
        except (ValueError, NumericsError):
            if activation.polyexp is None:
                raise
    method = method_for(activation, 1)
    if method in (Method.POLYNOMIAL, Method.HOMOGENEOUS):
        many = moments(activation, np.reshape(variances, (-1, 1, 1)), terms)
        return Moments(many.values.T, many.errors.T)
    found = [moments(activation, np.array([[v]]), terms) for v in variances]
    return Moments(*(np.reshape(part, (-1, len(terms))).T for part in zip(*found, strict=True)))


def pairs(activation: Activation, kernel: Array, terms: Terms) -> Moments:
    """``<f_1(phi_a) f_2(phi_b)>_K`` for all ``a != b``: values, errors (terms, N, N).

    Entry ``[t, a, b]`` puts the first factor of term t on input a; the diagonals are zero.
    """
    size = len(kernel)
    method = method_for(activation, 2)
    plain = all(r == (0, 0) for _, r in terms)
    found = Moments(*(np.zeros((len(terms), size, size)) for _ in range(2)))
    done = np.zeros((size, size), dtype=bool)
    if method in SERIES or (method is Method.PANELS and plain):
        try:
            found, done = series.pairs(activation, kernel, terms)
        except (
            ValueError,
            NumericsError,
        ):  # exponentials have closed forms where the series' sums diverge
            if activation.polyexp is None:
                raise
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
