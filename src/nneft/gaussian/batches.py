"""``<sigma_a sigma_b>_K`` for very many small kernels: what a sampler asks of every network.

Closed forms where there are; else for smooth activations Mehler's formula, with the Hermite
coefficients of every input from one set of nodes:

    f_n(K) = sum_q w_q he_n(z_q) sigma(sqrt(K) z_q)
    <sigma_a sigma_b> = sum_n rho^n f_n(K_aa) f_n(K_bb),   <sigma_a^2> = sum_q w_q sigma(..)^2

A set of nodes serves all variances up to a level, its number of terms all correlations, singular
kernels included: both follow from the level alone, so that no kernel's result depends on which
others are asked for with it, to the last bit. What a level neglects is measured against a finer one
when it is built. One input alone may have kinks: panels are broken at them.
"""

from collections.abc import Callable
from dataclasses import dataclass
from functools import lru_cache
from itertools import pairwise
from math import ceil, inf, log2, pi, sqrt

import numpy as np

from nneft.activations.base import Activation
from nneft.errors import NumericsError
from nneft.gaussian import erf, expectations, homogeneous
from nneft.gaussian.base import Array
from nneft.gaussian.expectations import Method, method_for
from nneft.gaussian.hermite import Rule, hermite_functions
from nneft.gaussian.lattice import spacing
from nneft.gaussian.roots import reach
from nneft.gaussian.wick import normal_ordered

#: Kernels (B, N, N) to averages (B, N, N).
PairProducts = Callable[[Array], Array]

#: Methods whose closed forms are written for many kernels at once.
CLOSED = (Method.POLYNOMIAL, Method.HOMOGENEOUS, Method.ERF)
#: Largest error relative to ``sqrt(<sigma_a^2><sigma_b^2>)`` that a level may have.
ACCURACY = 1e-13
#: What the spacing of the nodes is chosen for, as a negative logarithm, and the share of
#: ``<sigma^2>`` beyond the last term.
DIGITS, TAIL = 36.0, 3e-14
#: Most nodes of a level, and nodes times terms; values of an activation held at once.
MOST_NODES, MOST_ENTRIES = 4096, 2_000_000
ENTRIES = 2**16


def pair_products(activation: Activation, inputs: int) -> PairProducts:
    """The function ``(B, N, N) -> (B, N, N)`` that averages ``sigma_a sigma_b`` over each kernel.

    Raises
    ------
    ValueError
        for several inputs of an activation with kinks that is not like ReLU: there are only slow
        ways to average that. The function itself raises where the moments diverge.
    NumericsError
        (the function itself) where no method reaches the accuracy promised.
    """
    match method_for(activation, min(inputs, 2)):
        case Method.POLYNOMIAL:
            assert activation.polynomial is not None
            return _polynomial(activation.polynomial)
        case Method.HOMOGENEOUS:
            slopes = activation.slopes
            assert slopes is not None
            return lambda kernel: homogeneous.pair_products(slopes, kernel).values
        case Method.ERF:
            return lambda kernel: erf.pair_products(kernel).values
        case Method.PANELS if inputs > 1:
            raise ValueError(
                f"averages of {activation.name} over two inputs are slow: it has kinks and is not "
                "made of two straight lines through zero"
            )
    return _Levels(activation, inputs)


def _polynomial(coefficients: tuple[float, ...]) -> PairProducts:
    def products(kernel: Array) -> Array:
        f = normal_ordered(coefficients, np.diagonal(kernel, axis1=-2, axis2=-1))
        total = np.zeros_like(kernel)
        # <f_a f_b> = sum_m m! f_m(K_aa) f_m(K_bb) K_ab^m, by Horner's rule
        for m in range(len(f) - 1, -1, -1):
            total = f[m][..., :, None] * f[m][..., None, :] + (m + 1) * kernel * total
        return total

    return products


@dataclass(frozen=True, eq=False)
class _Level:
    """Nodes for all variances up to one.

    `z` (Q,), `weights` (Q,) of the unit Gaussian; `table` (Q, M) the weights times those ``he_n``
    that do not vanish by parity, ``n = first, first + step, ..``. With `kinks`, `z` is on
    ``[0, 1]``, for each piece between them, and `reach` is where the outer pieces end.
    """

    z: Array
    weights: Array
    table: Array
    first: int
    step: int
    kinks: tuple[float, ...] = ()
    reach: float = 0.0

    def averages(self, activation: Activation, kernel: Array) -> Array:
        """(B, N, N) for kernels of this level."""
        if self.kinks:
            return self._broken(activation, kernel)
        variance = np.diagonal(kernel, axis1=-2, axis2=-1)
        deviation = np.sqrt(variance)
        sigma = np.asarray(activation(deviation[..., None] * self.z), dtype=np.float64)
        own: Array = np.matmul(sigma * sigma, self.weights)
        if kernel.shape[-1] == 1:
            return own[..., None]
        a, b = np.triu_indices(kernel.shape[-1], 1)
        scale = deviation[:, a] * deviation[:, b]
        scale[scale == 0.0] = np.inf
        rho = np.clip(kernel[:, a, b] / scale, -1.0, 1.0)
        f = np.matmul(sigma, self.table)
        products = np.ascontiguousarray(np.moveaxis(f[:, a] * f[:, b], -1, 0))
        ratio, total = rho**self.step, np.zeros_like(rho)
        for term in products[::-1]:
            total *= ratio
            total += term
        found = np.empty_like(kernel)
        found[:, a, b] = found[:, b, a] = total * rho if self.first else total
        diagonal = np.arange(kernel.shape[-1])
        found[:, diagonal, diagonal] = own
        return found

    def _broken(self, activation: Activation, kernel: Array) -> Array:
        """One input, panels between the kinks."""
        deviation = np.sqrt(kernel[:, 0, 0])
        safe = np.where(deviation > 0.0, deviation, 1.0)
        edges = [np.full_like(safe, -self.reach)]
        edges += [np.clip(k / safe, -self.reach, self.reach) for k in self.kinks]
        edges += [np.full_like(safe, self.reach)]
        total = np.zeros_like(safe)
        for low, high in pairwise(edges):
            z = low[:, None] + (high - low)[:, None] * self.z
            sigma = np.asarray(activation(deviation[:, None] * z), dtype=np.float64)
            squares = sigma * sigma * np.exp(-0.5 * z * z) / sqrt(2.0 * pi)
            total += (high - low) * np.matmul(squares[:, None], self.weights)[:, 0]
        return total[:, None, None]


class _Levels:
    """All levels of one activation, each built when a kernel first needs it."""

    def __init__(self, activation: Activation, inputs: int) -> None:
        self.activation, self.inputs = activation, inputs
        # Below this variance the Gaussian alone sets the nodes.
        self.base = (activation.scale / 8.0) ** 2
        self.built: dict[int, _Level | None] = {}

    def __call__(self, kernel: Array) -> Array:
        largest = np.diagonal(kernel, axis1=-2, axis2=-1).max(axis=-1)
        with np.errstate(divide="ignore"):
            numbers = np.maximum(np.ceil(np.log2(largest / self.base)), 0.0)
        found = np.empty_like(kernel)
        for number in np.unique(numbers):
            here = np.flatnonzero(numbers == number)
            level = self.level(int(number))
            if level is None:
                for i in here:
                    found[i] = expectations.pair_products(self.activation, kernel[i]).values
                continue
            rows = max(1, ENTRIES // (len(level.z) * self.inputs))
            for start in range(0, len(here), rows):
                some = here[start : start + rows]
                found[some] = level.averages(self.activation, kernel[some])
        return found

    def level(self, number: int) -> _Level | None:
        """The level that serves variances up to ``base * 2^number``; None where there is none."""
        if number not in self.built:
            try:
                made = level_of(self.activation, self.inputs, self.base * 2.0**number)
            except NumericsError:
                made = None
            self.built[number] = made
        return self.built[number]


def work(activation: Activation, inputs: int, variance: float) -> float:
    """What one kernel of this largest variance costs, in normal random numbers, roughly.

    Infinite where there is nothing fast.
    """
    if method_for(activation, min(inputs, 2)) in CLOSED:
        return 0.3 * inputs**2
    levels = _Levels(activation, inputs)
    number = max(0, ceil(log2(max(variance, 1e-300) / levels.base)))
    level = levels.level(number)
    if level is None:
        return inf
    # a value of sigma, squared and added up, and the products with the table
    pieces = len(level.kinks) + 1
    terms = level.table.shape[1] if inputs > 1 else 0
    return float(inputs * len(level.z) * (0.4 * pieces + 0.01 * terms))


@lru_cache(maxsize=64)
def level_of(activation: Activation, inputs: int, variance: float) -> _Level:
    """The level that serves variances up to this one.

    Raises
    ------
    ValueError
        The moments diverge.
    NumericsError
        It would have too many nodes or terms, or is not accurate.
    """
    if activation.kinks:
        level, finer = (_panels(activation, variance, 1.0 * f) for f in (1, 2))
    else:
        level = _trapezoidal(activation, inputs, variance, DIGITS)
        finer = _trapezoidal(activation, inputs, variance, 1.3 * DIGITS)
    kernels = _probes(variance, inputs)
    found, better = (x.averages(activation, kernels) for x in (level, finer))
    deviation = np.sqrt(np.diagonal(better, axis1=-2, axis2=-1))
    size = deviation[:, :, None] * deviation[:, None, :]
    error = float((np.abs(found - better) / np.where(size > 0.0, size, 1.0)).max())
    if not error <= ACCURACY:
        raise NumericsError(
            f"averages of {activation.name} at variances up to {variance:.3g} come out with errors "
            f"of {error:.1g} on {len(level.z)} nodes"
        )
    return level


def _probes(variance: float, inputs: int) -> Array:
    """Kernels at which a level is tried."""
    below = variance * np.array([1.0, 0.5, 0.03, 1e-6])
    if inputs == 1:
        return below[:, None, None]
    found = [
        [[x, r * sqrt(x * y)], [r * sqrt(x * y), y]]
        for x in below
        for y in below
        for r in (1.0, -1.0, 0.6, 0.0)
    ]
    return np.array(found)


def _trapezoidal(activation: Activation, inputs: int, variance: float, digits: float) -> _Level:
    deviation = sqrt(variance)
    far = reach(activation, deviation, 2, 37.0)
    length = 16
    while True:
        terms = length if inputs > 1 else 2
        # |he_n(z)| exp(-z^2/4) is bounded and oscillates with wave numbers up to sqrt(n + 1/2).
        wave = 2.0 * pi / spacing(activation.scale / deviation, digits, 2) + sqrt(terms + 0.5)
        count = ceil(far * (sqrt(2.0) if inputs > 1 else 1.0) * wave / (2.0 * pi))
        _check_size(activation, variance, 2 * count + 1, terms)
        rule = Rule(2.0 * pi / wave, count)
        f = np.asarray(activation(deviation * rule.z), dtype=np.float64)
        table = hermite_functions(rule, terms)
        if inputs == 1:
            break
        # share[n]: of <sigma^2> what lies from the n-th coefficient on
        square = (f @ table) ** 2
        share: Array = np.cumsum(square[::-1])[::-1] / max(float(f**2 @ rule.weights), 1e-300)
        if share[length // 2] <= TAIL:
            terms = max(2, int(np.argmax(share <= TAIL)))
            break
        length *= 2
    return _folded(activation, rule, table[:, :terms])


def _folded(activation: Activation, rule: Rule, table: Array) -> _Level:
    """Half of the nodes where parity gives the rest."""
    if activation.parity is None:
        return _Level(rule.z, rule.weights, np.ascontiguousarray(table), 0, 1)
    half = rule.z >= 0.0
    twice = np.where(rule.z[half] > 0.0, 2.0, 1.0)
    first = 1 if activation.parity == "odd" else 0
    table = np.ascontiguousarray(twice[:, None] * table[half, first::2])
    return _Level(rule.z[half], twice * rule.weights[half], table, first, 2)


def _panels(activation: Activation, variance: float, finer: float) -> _Level:
    deviation = sqrt(variance)
    far = reach(activation, deviation, 2, 37.0)
    # 16 nodes resolve a Gaussian over two deviations, or a pole at two thirds of the length.
    panels = ceil(finer * 2.0 * far * max(0.5, deviation / activation.scale / 1.5))
    _check_size(activation, variance, 16 * panels, 1)
    points, weights = np.polynomial.legendre.leggauss(16)
    z = (np.arange(panels)[:, None] + 0.5 + 0.5 * points) / panels
    weights = np.tile(0.5 * weights / panels, panels)
    return _Level(z.ravel(), weights, np.zeros((0, 0)), 0, 1, tuple(activation.kinks), far)


def _check_size(activation: Activation, variance: float, nodes: int, terms: int) -> None:
    if nodes > MOST_NODES or nodes * terms > MOST_ENTRIES:
        raise NumericsError(
            f"the variance {variance:.3g} is too large for fast averages of {activation.name}, "
            f"which varies over a length of {activation.scale:.3g}: {nodes} nodes and {terms} terms"
        )
