"""Estimates: how they print, and that their errors are the errors."""

import itertools
from fractions import Fraction

import numpy as np
import pytest

from nneft.ensemble.accumulate import CoMoments, Moments
from nneft.ensemble.estimate import Estimate, covariance_estimate, mean_estimate, written


@pytest.mark.parametrize(
    ("mean", "error", "text"),
    [
        (1.2341, 0.0052, "1.234(5)"),
        (-1.2341, 0.0052, "-1.234(5)"),
        (0.01776, 0.00012, "0.0178(1)"),
        (1.0, 0.00996, "1.00(1)"),
        (743.2, 1.3, "743(1)"),
        (743.2, 23.0, "7.4(2)e+02"),
        (1.5e-18, 2.4e-20, "1.50(2)e-18"),
        (1.5e300, 2.4e299, "1.5(2)e+300"),
        (1.5e-310, 2.4e-311, "1.5(2)e-310"),
        (0.001, 2.0, "0(2)"),
        (0.0, 0.3, "0.0(3)"),
        (2.0, 0.0, "2"),
    ],
)
def test_written(mean, error, text):
    assert written(mean, error) == text


def test_arrays_print_and_index():
    estimate = Estimate(np.array([1.2341, 2.0]), np.array([0.0052, 0.0]), 10)
    assert str(estimate) == "[1.234(5) 2]"
    assert repr(estimate[0]) == "Estimate(1.234(5), count=10)"
    doubled = -2.0 * estimate
    np.testing.assert_allclose(doubled.mean, [-2.4682, -4.0])
    np.testing.assert_allclose(doubled.error, [0.0104, 0.0])
    np.testing.assert_allclose(estimate.pull([1.2289, 2.0]), [1.0, 0.0])


#: A skewed law of two correlated numbers: values (x, y) with their probabilities.
LAW = {(0, 1): Fraction(1, 2), (1, 3): Fraction(1, 3), (4, 0): Fraction(1, 6)}


def expectation(f):
    return sum(p * f(x, y) for (x, y), p in LAW.items())


@pytest.mark.parametrize("count", [2, 3, 5])
def test_error_of_the_covariance_against_enumeration(count):
    """With the true moments put in, the formula is the exact variance over all possible samples."""
    first = second = Fraction(0)
    for draw in itertools.product(LAW, repeat=count):
        probability = np.prod([LAW[v] for v in draw])
        mx, my = (Fraction(sum(v[i] for v in draw), count) for i in (0, 1))
        s = sum((x - mx) * (y - my) for x, y in draw) / (count - 1)
        first += probability * s
        second += probability * s * s
    mx, my = expectation(lambda x, y: x), expectation(lambda x, y: y)

    def true(p, q):
        return float(count * expectation(lambda x, y: (x - mx) ** p * (y - my) ** q))

    def matrix(p, q):
        return np.array([[[true(p + q, 0), true(p, q)], [true(q, p), true(0, p + q)]]])

    co = CoMoments(matrix(1, 1), matrix(2, 1), matrix(2, 2))
    square = np.diagonal(co.m11, axis1=1, axis2=2)
    unit = np.zeros(1, dtype=np.int64)
    estimate = covariance_estimate(Moments(count, unit, np.zeros((1, 2)), square, co))
    variance = float(second - first**2)
    assert estimate.error[0, 0, 1] ** 2 == pytest.approx(variance, rel=1e-12)
    assert estimate.mean[0, 0, 1] * (count - 1) / count == pytest.approx(float(first), rel=1e-12)


def test_mean_and_covariance_against_numpy():
    x = np.random.default_rng(3).standard_normal((50, 2, 3)) + 7.0
    moments = Moments.of(x)
    mean, covariance = mean_estimate(moments), covariance_estimate(moments)
    for layer in range(2):
        np.testing.assert_allclose(mean.mean[layer], x[:, layer].mean(axis=0))
        spread = x[:, layer].std(axis=0, ddof=1)
        np.testing.assert_allclose(mean.error[layer], spread / np.sqrt(50))
        np.testing.assert_allclose(covariance.mean[layer], np.cov(x[:, layer].T))


def test_pulls_are_standard_normal():
    """200 repeats of a known law: x exponential, y = x + another; means, variances, covariance."""
    generator = np.random.default_rng(11)
    truth = {"mean": np.array([1.0, 2.0]), "covariance": np.array([[1.0, 1.0], [1.0, 2.0]])}
    pulls = []
    for _ in range(200):
        x = generator.standard_exponential((4000, 1, 2))
        x[..., 1] += x[..., 0]
        moments = Moments.of(x)
        mean, covariance = mean_estimate(moments), covariance_estimate(moments)
        upper = np.triu_indices(2)
        pulls.append(
            [
                *mean.pull(truth["mean"])[0],
                *covariance.pull(truth["covariance"])[0][upper],
            ]
        )
    pulls = np.array(pulls)
    # Of 200 numbers the mean is known to 0.07 and the spread to 0.05; skewness of s_xy moves the
    # mean of its pull by a few hundredths at 4000 samples.
    assert np.all(np.abs(pulls.mean(axis=0)) < 4 * 0.07)
    assert np.all(np.abs(pulls.std(axis=0) - 1.0) < 4 * 0.05)
    wrong = pulls / 1.3  # errors 30 % too large must not pass for right
    assert np.any(np.abs(wrong.std(axis=0) - 1.0) > 4 * 0.05)
