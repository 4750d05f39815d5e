"""Correlations at many fixed points: erf in closed form, steps by one integral, other methods."""

import numpy as np
import pytest
from scipy.integrate import quad
from scipy.special import ndtr

from nneft.activations import resolve
from nneft.criticality import overlap
from nneft.criticality.correlation import correlations
from nneft.criticality.smoothing import Smoothed
from nneft.gaussian import nested


def _erf(K: np.ndarray, theta: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """D and G: ``<erf erf> = (2/pi) asin(2 K c/(1 + 2K))`` and its derivative by K c."""
    # asin a - asin b = asin(a sqrt(1-b^2) - b sqrt(1-a^2)),  b = a (1 - gap)
    gap = 2.0 * np.sin(0.5 * theta) ** 2
    a = 2 * K / (1 + 2 * K)
    root_a = np.sqrt(1 + 4 * K) / (1 + 2 * K)
    root_b = np.sqrt(1 + 4 * K + 4 * K**2 * gap * (2 - gap)) / (1 + 2 * K)
    # a root_b - b root_a = a (root_b - root_a) + gap a root_a
    difference = a**2 * gap * (2 - gap) / (root_b + root_a)
    sine = a * difference + gap * a * root_a
    return 2 / np.pi * np.arcsin(sine) / (K * gap), 4 / np.pi / ((1 + 2 * K) * root_b)


@pytest.mark.parametrize("kernel", [1e-4, 0.03, 1.0, 20.0, 1e3])
def test_erf_has_closed_forms(kernel: float) -> None:
    rng = np.random.default_rng(2)
    K = kernel * rng.uniform(1.0, 3.0, 300)
    theta = 0.5 * np.pi * rng.uniform(0.0, 1.0, 300) ** 3
    D, G = _erf(K, theta)
    found, chi = overlap.angles(resolve("erf"), K, 1.0 / D)
    assert _erf(K, found)[0] == pytest.approx(D, rel=1e-11)
    # c is as well determined as D depends on it, and hardly does at small K
    if kernel > 0.5:
        assert np.sin(0.5 * found) ** 2 == pytest.approx(np.sin(0.5 * theta) ** 2, abs=1e-11)
        assert chi == pytest.approx(G / D, rel=1e-9)


def test_a_forgotten_correlation_is_exactly_zero() -> None:
    K = np.array([0.5, 1.0, 1.7])
    D, _ = _erf(K, np.full(3, 0.5 * np.pi))
    theta, _ = overlap.angles(resolve("erf"), K, 1.0 / D)
    assert np.all(theta == 0.5 * np.pi)


@pytest.mark.parametrize("kernel", [0.2, 1.0, 30.0])
def test_steps_by_one_integral(kernel: float) -> None:
    # sigma' = 1 on (-1, 1): the probability that both inputs are there
    kernels = kernel * np.array([1.0, 1.7, 4.0])
    smoothed = Smoothed(resolve("min(max(x, -1), 1)"), kernels)
    for i, K in enumerate(kernels):
        for v in smoothed.widest * np.array([1e-3, 0.05, 0.4, 0.99]):
            c = 1.0 - v * v / K
            s = np.sqrt(K * (1 - c) * (1 + c))

            def inner(x: float, c: float = c, s: float = s, K: float = K) -> float:
                both = ndtr((1 - c * x) / s) - ndtr((-1 - c * x) / s)
                return both * np.exp(-0.5 * x * x / K) / np.sqrt(2 * np.pi * K)

            edge = np.linspace(max(-1.0, 1.0 - 20 * s), 1.0, 12)
            exact, _ = quad(inner, -1, 1, points=[*edge, *-edge], epsabs=1e-14, limit=300)
            assert smoothed(i, np.array([v]))[0] == pytest.approx(exact, abs=3e-12)


@pytest.mark.parametrize("name", ["elu", "selu", "gelu", "tanh", "where(x > 0.5, 2*x - 0.5, x)"])
def test_close_inputs_against_nested_panels(name: str) -> None:
    sigma = resolve(name)
    for kernel in (0.01, 1.0, 40.0):
        kernels = kernel * np.array([1.0, 2.5])
        smoothed = Smoothed(sigma, kernels)
        for v in smoothed.widest * np.array([3e-3, 0.3, 0.9]):
            K = kernels[1]
            c = 1.0 - v * v / K
            matrix = np.array([[K, K * c], [K * c, K]])
            exact = nested.moments(sigma, matrix, [((1, 1), (1, 1))]).values[0]
            assert smoothed(1, np.array([v]))[0] == pytest.approx(exact, rel=1e-11)


@pytest.mark.parametrize("name", ["tanh", "gelu", "elu", "selu"])
def test_many_at_once_are_those_found_one_by_one(name: str) -> None:
    from nneft.criticality.averages import averages

    sigma = resolve(name)
    rng = np.random.default_rng(4)
    K = np.exp(rng.uniform(np.log(0.1), np.log(20.0), 12))
    at = averages(sigma, K)
    C_W = rng.uniform(1.0, 1.2, 12) / at.gradient
    C_b = K - C_W * at.square
    theta, chi = overlap.angles(sigma, K, C_W)
    for i in np.flatnonzero(C_b > 0.0):
        one = correlations(sigma, K[i], C_W[i], C_b[i], C_W[i] * at.gradient[i])[0]
        assert np.cos(theta[i]) == pytest.approx(one.c, abs=1e-10)
        assert chi[i] == pytest.approx(one.chi, abs=1e-9)
