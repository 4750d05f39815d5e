"""Every expectation by a second method, at kernels drawn at random, singular ones included."""

import numpy as np
import pytest
from gaussian.laws import PLAIN, TWO, random_kernel
from hypothesis import given, settings
from hypothesis import strategies as st

from nneft.activations import resolve
from nneft.gaussian import closed, erf, homogeneous, lattice, nested, series
from nneft.gaussian.base import Moments

SMOOTH = ["tanh", "sigmoid", "silu", "softplus", "mish", "gelu", "gelu_tanh", "erf"]
EXPONENTIAL = ["sin", "cos", "exp", "exp(-x**2/2)", "x*exp(-x**2/2)", "x + x**2/3", "quadratic"]
SLOPES = ["relu", "leaky_relu(0.2)", "abs(x)", "leaky_relu(0.7, -0.4)"]
#: Below this fraction of the norms no estimate is asked for at three inputs and more.
FLOOR = 2e-11
VARIANCES = st.sampled_from([1e-20, 1e-6, 0.05, 0.8, 2.0, 6.5])


@st.composite
def kernels(draw, inputs: int, least: int = 1) -> np.ndarray:
    """``L L^T`` with a random factor of a random rank, its inputs of one scale or of many."""
    rng = np.random.default_rng(draw(st.integers(0, 2**32)))
    K = random_kernel(rng, inputs, draw(st.integers(least, inputs)), draw(VARIANCES))
    lengths = draw(st.lists(st.sampled_from([1.0, 0.5, 0.03]), min_size=inputs, max_size=inputs))
    return K * np.outer(lengths, lengths)


def norms(activation, K: np.ndarray, terms) -> np.ndarray:
    """``sqrt(<f^2><g^2>)`` and its like by sums over one input each, with the code's own values."""
    z, weights = np.polynomial.hermite_e.hermegauss(100)
    weights = weights / weights.sum()
    sizes = []
    for powers, orders in terms:
        size, total = 1.0, sum(powers)
        for variance, p, r in zip(np.diag(K), powers, orders, strict=True):
            x = np.sqrt(variance) * z
            if r == 0:
                size *= (np.abs(activation(x)) ** total @ weights) ** (p / total)
            else:
                size *= np.sqrt(activation.derivatives(x, r)[r] ** 2 @ weights)
        sizes.append(size)
    return np.array(sizes)


def same(activation, K, terms, first: Moments, second: Moments, accuracy: float) -> None:
    scale = norms(activation, K, terms)
    apart = np.abs(first.values - second.values)
    assert np.all(apart <= accuracy * scale + 1e-300), (apart / scale).max()
    floor = 5e-15 if len(K) <= 2 else FLOOR
    slack = 10.0 * (first.errors + second.errors) + floor * scale
    assert np.all(apart <= slack), (apart / scale, first.errors / scale, second.errors / scale)


@pytest.mark.parametrize("name", SMOOTH)
@settings(max_examples=6)
@given(K=kernels(2))
def test_lattice_and_series(name, K):
    activation = resolve(name)
    found, done = series.pairs(activation, K, TWO)
    if done[0, 1]:
        here = Moments(found.values[:, 0, 1], found.errors[:, 0, 1])
        same(activation, K, TWO, here, lattice.moments(activation, K, TWO), 1e-10)


@pytest.mark.parametrize("name", SMOOTH)
@settings(max_examples=4)
@given(K=kernels(2))
def test_lattice_and_panels_at_two_inputs(name, K):
    activation = resolve(name)
    first, second = (m.moments(activation, K, TWO) for m in (lattice, nested))
    same(activation, K, TWO, first, second, 2e-10)


@pytest.mark.parametrize("name", ["tanh", "gelu", "silu"])
@pytest.mark.parametrize("inputs", [3, 4])
@settings(max_examples=4)
@given(data=st.data())
def test_lattice_and_panels_at_more_inputs(name, inputs, data):
    activation, terms = resolve(name), PLAIN[inputs]
    K = data.draw(kernels(inputs))
    first, second = (m.moments(activation, K, terms) for m in (lattice, nested))
    same(activation, K, terms, first, second, 2e-5)


@pytest.mark.parametrize("name", EXPONENTIAL)
@pytest.mark.parametrize("inputs", [1, 2, 3, 4])
@settings(max_examples=5)
@given(data=st.data())
def test_closed_forms_and_panels(name, inputs, data):
    activation = resolve(name)
    terms = TWO if inputs == 2 else PLAIN[inputs]
    K = data.draw(kernels(inputs))
    first = closed.moments(activation.polyexp, K, terms)
    second = nested.moments(activation, K, terms)
    scale = norms(activation, K, terms)
    # Closed forms that cancel say so, and the dispatch then takes the lattice.
    apart = np.abs(first.values - second.values)
    floor = (3e-15 if inputs <= 2 else FLOOR) * scale
    assert np.all(apart <= 10.0 * (first.errors + second.errors) + floor), apart / scale
    kept = first.errors <= 1e-13 * np.abs(first.values)
    accuracy = 1e-10 if inputs <= 2 else 2e-5
    assert np.all(apart[kept] <= accuracy * scale[kept])


@pytest.mark.parametrize("name", SLOPES)
@pytest.mark.parametrize("inputs", [1, 2, 3, 4])
@settings(max_examples=6)
@given(data=st.data())
def test_homogeneous_forms_and_panels(name, inputs, data):
    activation, terms = resolve(name), PLAIN[inputs]
    K = data.draw(kernels(inputs))
    first = homogeneous.moments(activation.slopes, K, terms)
    second = nested.moments(activation, K, terms)
    same(activation, K, terms, first, second, 1e-10 if inputs <= 2 else 1e-5)


@pytest.mark.parametrize("name", SLOPES)
@settings(max_examples=10)
@given(K=kernels(2, least=2))
def test_derivatives_of_homogeneous_forms_and_panels(name, K):
    """Kernels of full rank, where delta functions of two inputs have finite means."""
    activation = resolve(name)
    first = homogeneous.moments(activation.slopes, K, TWO)
    second = nested.moments(activation, K, TWO)
    s = np.sqrt(np.diag(K))
    size = np.array([s[0] ** (p[0] - r[0]) * s[1] ** (p[1] - r[1]) for p, r in TWO])
    scale = np.maximum(size, np.abs(first.values))
    sharp = 1e-10 if np.linalg.det(K / np.outer(s, s)) > 1e-4 else 1e-6
    assert np.all(np.abs(first.values - second.values) <= sharp * scale)


@settings(max_examples=30)
@given(K=kernels(2))
def test_erf_pairs_and_lattice(K):
    activation = resolve("erf")
    terms = [term for term in TWO if erf.covers(term)]
    same(activation, K, terms, erf.moments(K, terms), lattice.moments(activation, K, terms), 1e-10)
