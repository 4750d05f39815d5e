"""Every activation's expectations against an independent truth, by `gaussian.laws`."""

from itertools import product

import numpy as np
import pytest
from gaussian.laws import FOUR, ONE, PLAIN, THREE, TWO, holds, kernel, random_kernel
from gaussian.reference import SIGMAS, Truth, group, pair, single

from nneft.activations import Activation, names, resolve
from nneft.gaussian import expectations
from nneft.gaussian.base import Moments

NAMES = sorted(SIGMAS)
VARIANCES = (1e-20, 1e-8, 1e-3, 0.4, 1.0, 6.5, 10.0, 50.0)
CLOSE = 1 - 1e-12
RHOS = (0.0, 0.3, -0.7, 0.99, 1 - 1e-6, CLOSE, -CLOSE, 1.0, -1.0)
#: Second inputs of other sizes: powers of two keep kernels of correlation 1 singular to the bit.
RATIOS = (2.0**-30, 0.125, 2.0, 2.0**11)


def growing(name: str, variance: float) -> bool:
    """exp(phi) at large kernels: moments beyond any use, up to overflow."""
    return name == "exp" and variance > 10.0


def terms_for(name: str, rho: float):
    """Delta functions of two inputs at one place have no mean."""
    if SIGMAS[name].kinks and abs(rho) == 1.0:
        return [term for term in TWO if max(term[1]) <= 1]
    return TWO


def check_pair(name: str, K: np.ndarray, rho: float) -> None:
    terms = terms_for(name, rho)
    truth = pair(SIGMAS[name], K, terms)
    activation = resolve(name)
    holds(expectations.moments(activation, K, terms), truth, terms, 1e-10)
    both = expectations.pairs(activation, K, terms)
    holds(Moments(both.values[:, 0, 1], both.errors[:, 0, 1]), truth, terms, 1e-10)
    products = expectations.pair_products(activation, K)
    first = Truth(truth.values[:1], truth.norms[:1])
    holds(Moments(products.values[1, :1], products.errors[1, :1]), first, terms[:1], 1e-10)


def check_group(name: str, K: np.ndarray) -> None:
    terms = THREE if len(K) == 3 else FOUR
    truth, doubt = group(SIGMAS[name], K, terms)
    activation = resolve(name)
    found = expectations.moments(activation, K, terms)
    holds(found, truth, terms, expectations.promised(activation, len(K)), doubt)


# A sample of the grid: each activation at three places, all places visited.

GRID = [*product(VARIANCES[:-1], RHOS)]
PLACES = [
    (name, *GRID[(17 * i + 29 * j) % len(GRID)]) for i, name in enumerate(NAMES) for j in (0, 1)
]


def test_every_builtin_activation_is_in_the_table():
    assert set(names()) <= set(NAMES)


@pytest.mark.parametrize("name", NAMES)
def test_one_input(name):
    at = np.array([1e-20, 1e-3, 1.0, 6.5])
    found = expectations.singles(resolve(name), at, ONE)
    for i in (NAMES.index(name) % 4, 2):
        truth = single(SIGMAS[name], at[i], [(p[0], r[0]) for p, r in ONE])
        holds(Moments(found.values[:, i], found.errors[:, i]), truth, ONE, 1e-10)


@pytest.mark.parametrize(("name", "variance", "rho"), PLACES)
def test_two_inputs(name, variance, rho):
    if not growing(name, variance):
        check_pair(name, kernel(variance, rho), rho)


@pytest.mark.parametrize("name", NAMES)
@pytest.mark.parametrize("inputs", [3, 4])
def test_three_and_four_inputs(name, inputs):
    rng = np.random.default_rng(NAMES.index(name))
    rank = 1 + NAMES.index(name) % inputs
    check_group(name, random_kernel(rng, inputs, rank, 1.0 if name == "exp" else 2.0))


# The whole grid


@pytest.mark.slow
@pytest.mark.parametrize(("name", "variance"), [*product(NAMES, (*VARIANCES, 0.03, 25.0))])
def test_one_input_everywhere(name, variance):
    if not growing(name, variance):
        found = expectations.singles(resolve(name), np.array([variance]), ONE)
        truth = single(SIGMAS[name], variance, [(p[0], r[0]) for p, r in ONE])
        holds(found, truth, ONE, 1e-10)


@pytest.mark.slow
@pytest.mark.parametrize(("name", "variance", "rho"), [*product(NAMES, VARIANCES, RHOS)])
def test_two_inputs_everywhere(name, variance, rho):
    if not growing(name, variance):
        check_pair(name, kernel(variance, rho), rho)


@pytest.mark.slow
@pytest.mark.parametrize(("name", "ratio", "rho"), [*product(NAMES, RATIOS, RHOS)])
def test_two_inputs_of_different_sizes(name, ratio, rho):
    variance = {2.0**11: 2.0**-20, 2.0: 8.0 if name != "exp" else 1.0}.get(ratio, 1.0)
    check_pair(name, kernel(variance, rho, ratio), rho)


RANKS = [(inputs, rank) for inputs in (3, 4) for rank in range(1, inputs + 1)]


@pytest.mark.slow
@pytest.mark.parametrize(("name", "variance"), [*product(NAMES, (1e-20, 1e-3, 1.0, 10.0))])
@pytest.mark.parametrize(("inputs", "rank"), RANKS)
def test_three_and_four_inputs_everywhere(name, variance, inputs, rank):
    rng = np.random.default_rng([NAMES.index(name), inputs, rank])
    if name == "exp" and variance > 1.0:
        return
    check_group(name, random_kernel(rng, inputs, rank, variance))
    if rank > 1:
        # a parallel or an opposite input among them
        factor = rng.normal(size=(inputs, rank))
        factor[-1] = factor[0] * (-1.0 if rank == 2 else 2.0)
        K = factor @ factor.T
        check_group(name, K * (variance / np.max(np.diag(K))))


# Corners


@pytest.mark.parametrize("name", NAMES)
def test_zero_kernel_gives_values_at_zero(name):
    sigma = SIGMAS[name]
    at_zero = float(sigma.value(0, (1, 0)))
    for inputs, terms in PLAIN.items():
        found = expectations.moments(resolve(name), np.zeros((inputs, inputs)), terms)
        np.testing.assert_allclose(
            found.values, [at_zero ** sum(p) for p, _ in terms], rtol=1e-15, atol=1e-300
        )


@pytest.mark.parametrize("name", ["tanh", "relu", "selu", "gelu", "max(x, 0.1*x+0.3)", "quadratic"])
@pytest.mark.parametrize("apart", [1e-6, 1e-9, 1e-12])
def test_nearly_singular_groups_tend_to_singular_ones(name, apart):
    """Of powers of sigma the mean moves by no more than a constant times what the kernel moves."""
    rng = np.random.default_rng(5)
    for inputs in (3, 4):
        factor = np.hstack([rng.normal(size=(inputs, 2)), np.zeros((inputs, 1))])
        factor[-1] = -factor[0]
        factor[-1, 2] = np.sqrt(apart)
        near, at = factor @ factor.T, factor[:, :2] @ factor[:, :2].T
        found = [expectations.moments(resolve(name), K, PLAIN[inputs]) for K in (near, at)]
        scale = np.max(np.abs(found[1].values)) + 1.0
        assert (
            np.max(np.abs(found[0].values - found[1].values)) <= 20 * apart * scale + 1e-9 * scale
        )


@pytest.mark.parametrize("name", ["tanh", "relu", "selu", "gelu", "quadratic", "sin", "mish"])
def test_exchanging_inputs_exchanges_results(name):
    rng = np.random.default_rng(7)
    activation = resolve(name)
    for inputs in (2, 3, 4):
        K = random_kernel(rng, inputs, 3, 1.5)
        order = rng.permutation(inputs)
        terms = TWO if inputs == 2 else PLAIN[inputs]
        moved = [(tuple(p[a] for a in order), tuple(r[a] for a in order)) for p, r in terms]
        here = expectations.moments(activation, K, terms)
        there = expectations.moments(activation, K[np.ix_(order, order)], moved)
        tolerance = 10.0 * (here.errors + there.errors) + 1e-15
        assert np.all(np.abs(here.values - there.values) <= tolerance)


def bent(x):
    """SELU as a user would write it."""
    below = 1.6732632423543772848 * np.expm1(np.minimum(x, 0.0))
    return 1.0507009873554804934 * np.where(x > 0.0, x, below)


@pytest.mark.parametrize(
    ("name", "activation"),
    [
        ("tanh", Activation(np.tanh)),
        ("mish", Activation(lambda x: x * np.tanh(np.logaddexp(0.0, x)), name="own mish")),
        ("selu", Activation(bent, kinks=(0.0,))),
    ],
)
def test_callables_reach_what_their_derivatives_allow(name, activation):
    for variance, rho in ((1e-3, 0.3), (1.0, -0.7), (6.5, 0.99)):
        K = kernel(variance, rho)
        truth = pair(SIGMAS[name], K, TWO)
        found = expectations.moments(activation, K, TWO)
        for i, (_, orders) in enumerate(TWO):
            accuracy = max(1e-10, 10.0 * activation.derivative_error(max(orders)))
            wrong = abs(float(found.values[i] - truth.values[i]))
            assert wrong <= accuracy * truth.norms[i], (variance, rho, TWO[i])
            assert wrong <= 10.0 * found.errors[i] + 1.5e-15 * truth.norms[i], (variance, TWO[i])


def test_diverging_moments_are_a_wrong_call():
    with pytest.raises(ValueError, match="diverge"):
        expectations.singles(resolve("exp(x**2)"), np.array([0.3]), ONE)
    with pytest.raises(ValueError, match="diverge"):
        expectations.pair_products(resolve("exp(x**2)"), kernel(0.3, 0.5))
