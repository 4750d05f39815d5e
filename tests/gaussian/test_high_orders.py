"""Powers up to 26, derivatives up to 50: against Hermite weights in multiple precision."""

from itertools import product

import numpy as np
import pytest
from gaussian import weights
from gaussian.laws import holds, kernel, random_kernel

from nneft.activations import Activation, resolve
from nneft.errors import NumericsError
from nneft.gaussian import closed, expectations, lattice, mehler
from nneft.gaussian.base import Moments, Terms

TABLE: Terms = [((p,), (r,)) for p in (1, 2, 3, 6, 10) for r in (0, 1, 2, 3, 8, 13, 20)]


def recursion(order: int) -> Terms:
    """What one input needs at this order: ``p = 2m``, even r up to ``4 (order + 2 - m)``."""
    return [
        ((2 * m,), (r,)) for m in range(1, order + 2) for r in range(0, 4 * (order + 1 - m) + 5, 2)
    ]


def check_single(name: str, variances: list[float], terms: Terms, accuracy: float = 1e-10) -> None:
    found = expectations.singles(resolve(name), np.array(variances), terms)
    for i, variance in enumerate(variances):
        here = Moments(found.values[:, i], found.errors[:, i])
        holds(here, weights.single(name, variance, terms), terms, accuracy)


@pytest.mark.parametrize("name", ["tanh", "gelu", "sin", "x + x**2/3", "relu", "selu"])
def test_one_input(name):
    check_single(name, [0.01, 1.0], TABLE)


def test_a_kink_beside_the_origin():
    check_single("max(x, 0.1*x+0.3)", [0.3], TABLE)


def test_numerical_derivatives_are_not_needed_where_weights_do():
    own = Activation(np.tanh)
    terms: Terms = [((2,), (20,)), ((4,), (12,))]
    found, exact = (expectations.singles(a, np.ones(1), terms) for a in (own, resolve("tanh")))
    wrong = np.abs(found.values - exact.values)
    assert np.all(wrong <= 10.0 * (found.errors + exact.errors))
    assert np.all(found.errors <= 1e-6 * np.abs(exact.values))


@pytest.mark.parametrize("kinks", [(), (0.0,)])
def test_what_cannot_be_had_is_refused(kinks):
    own = Activation(
        lambda x: np.where(x > 0, np.tanh(x), np.tanh(x if not kinks else 2 * x)), kinks
    )
    with pytest.raises(NumericsError, match="take a lower order"):
        expectations.singles(own, np.array([1e-12]), [((2,), (30,))])


@pytest.mark.slow
@pytest.mark.parametrize("name", ["tanh", "gelu", "sin", "silu", "x*exp(-x**2/2)", "elu"])
@pytest.mark.parametrize("variance", [1e-6, 1e-3, 0.1, 0.6, 3.0, 20.0])
def test_one_input_at_order_twelve(name, variance):
    check_single(name, [variance], recursion(12))


def groups(inputs: int, order: int, every: int = 1) -> Terms:
    """What a recursion to this order asks of inputs that all occur, or every so many of it."""
    found: Terms = []
    for m in range(1, order + 2):
        for j in range(2 * (order + 1 - m) + 1):
            found += product(shared(2 * m, inputs, 1), shared(2 * j, inputs, 0))
    return found[::every]


def shared(total: int, parts: int, least: int) -> list[tuple[int, ...]]:
    """All ways to share a number among inputs."""
    found = product(range(least, total + 1), repeat=parts)
    return [share for share in found if sum(share) == total]


PAIRS: Terms = [
    (p, r) for p, r in groups(2, 3) if p in ((1, 1), (1, 3), (2, 2)) and sum(r) in (0, 4, 8, 12)
]


def check_pair(name: str, K: np.ndarray) -> None:
    found = expectations.moments(resolve(name), K, PAIRS)
    holds(found, weights.pair(name, K, PAIRS, 64), PAIRS, 1e-10)


@pytest.mark.parametrize(
    ("name", "variance", "rho", "ratio"), [("tanh", 1.0, 0.3, 1.2), ("gelu", 0.05, -0.5, 2.0)]
)
def test_two_inputs(name, variance, rho, ratio):
    check_pair(name, kernel(variance, rho, ratio))


@pytest.mark.slow
@pytest.mark.parametrize("name", ["tanh", "gelu", "silu", "erf", "sin"])
@pytest.mark.parametrize("variance", [1e-4, 0.2, 1.5, 6.0])
def test_two_inputs_of_many_sizes(name, variance):
    check_pair(name, kernel(variance, 0.4, 0.9))


@pytest.mark.parametrize(("inputs", "order"), [(2, 4), (3, 3), (4, 2), (4, 3)])
@pytest.mark.parametrize("rank", [2, 4])
def test_the_lattice_against_closed_forms(inputs, order, rank):
    activation = resolve("sin")
    K = random_kernel(np.random.default_rng(inputs), inputs, rank, 0.8)
    terms = groups(inputs, order, every=5)
    found, wanted = (
        lattice.moments(activation, K, terms),
        closed.moments(activation.polyexp, K, terms),
    )
    wrong = np.abs(found.values - wanted.values)
    assert np.all(wrong <= 10.0 * (found.errors + wanted.errors))
    assert np.all(found.errors <= 1e-11 * np.max(np.abs(found.values)))


@pytest.mark.parametrize("name", ["tanh", "silu", "sin"])
@pytest.mark.parametrize(("variance", "rho"), [(0.3, -0.8), (2.0, 0.88), (1e-6, 0.5)])
def test_series_and_lattice(name, variance, rho):
    terms = groups(2, 3, every=4)
    K = kernel(variance, rho, 1.3)
    found, wanted = (m.moments(resolve(name), K, terms) for m in (mehler, lattice))
    wrong = np.abs(found.values - wanted.values)
    assert np.all(wrong <= 10.0 * (found.errors + wanted.errors))


def test_two_inputs_refuse_derivatives_that_nothing_tells():
    with pytest.raises(NumericsError, match="take a lower order"):
        expectations.moments(Activation(np.tanh), kernel(1e-12, 0.3), [((1, 1), (24, 0))])


def test_hundreds_of_terms_are_those_found_one_by_one():
    K = random_kernel(np.random.default_rng(3), 3, 3, 1.3)
    terms = groups(3, 2)
    together = expectations.moments(resolve("tanh"), K, terms)
    for t in (0, 17, len(terms) - 1):
        alone = expectations.moments(resolve("tanh"), K, [terms[t]])
        allowed = 10.0 * (together.errors[t] + alone.errors[0])
        assert abs(together.values[t] - alone.values[0]) <= allowed
