"""The law of one input's kernel, against closed forms, direct quadrature and its own scaling."""

import numpy as np
import pytest
from scipy.integrate import dblquad

import nneft
from nneft.finite_width.law import Law, gauss, mean_of
from nneft.finite_width.one_input import COARSE, FINE, _moments


@pytest.mark.parametrize(("slope", "fourth"), [("linear", 2), ("relu", 5)])
@pytest.mark.parametrize("width", [1, 7, 300])
def test_general_path_gives_the_homogeneous_closed_form(slope, fourth, width):
    C_W = 1.0 if slope == "linear" else 2.0
    net = nneft.Network((2, *[width] * 6), slope, C_W, 0.0)
    found = _moments(net, 1.0, 4, FINE)
    # Var G / G^2 = (1 + 5/n)^t - 1, (1 + 2/n)^t - 1
    truth = (1.0 + fourth / width) ** np.arange(6) - 1.0
    assert found[-1] == pytest.approx(truth, rel=1e-9)
    assert found[:4] == pytest.approx(nneft.exact(net, kernel=1.0).moments, rel=1e-9)


def test_two_neurons_by_direct_quadrature():
    net = nneft.Network((2, 2, 2), "tanh", 1.5, 0.1)

    def kernel(z, w):
        return 0.1 + 0.75 * (np.tanh(0.9 * z) ** 2 + np.tanh(0.9 * w) ** 2)

    def weight(z, w):
        return np.exp(-0.5 * (z**2 + w**2)) / (2.0 * np.pi)

    found = nneft.exact(net, kernel=0.81, moments=3)
    for p in (1, 2, 3):
        truth, error = dblquad(
            lambda z, w, p=p: weight(z, w) * kernel(z, w) ** p, -8, 8, -8, 8, epsabs=1e-11
        )
        assert abs(found.moments[p - 1, 1] - truth) < 10 * error + 1e-12


def test_leading_orders_are_its_limit():
    # What is left after K_0 + K_1/n falls as n^-2, after V_4 at leading order as n^-1.
    widths = np.array([100, 200, 400, 800])
    means, variances = [], []
    for n in widths:
        net = nneft.Network((2, *[int(n)] * 4), "tanh", 1.0, 0.0)
        exact, flow = nneft.exact(net, kernel=1.0), nneft.flow(net, kernel=[[1.0]])
        means.append(abs(exact.moments[0, -1] - flow.mean()[-1, 0, 0]))
        variances.append(abs(n * exact.variance[-1] - flow.V(4)[-1, 0, 0, 0, 0]))
    slopes = [np.diff(np.log(left)) / np.diff(np.log(widths)) for left in (means, variances)]
    assert slopes[0] == pytest.approx(-2.0, abs=0.05)
    assert slopes[1] == pytest.approx(-1.0, abs=0.05)


@pytest.mark.parametrize(("activation", "width"), [("tanh", 3), ("selu", 20), ("gelu", 50)])
def test_error_estimate_holds(activation, width):
    net = nneft.Network((2, *[width] * 4), activation, 1.2, 0.05)
    found = nneft.exact(net, kernel=0.7)
    better = _moments(net, 0.7, 4, FINE + 8)
    assert np.all(np.abs(found.moments - better[:4]) <= 10 * found.error)
    assert np.all(np.abs(found.variance - better[4]) <= 10 * found.variance_error)
    assert np.max(found.error / found.moments) < 1e-6


def test_quadrature_of_a_mean_keeps_cumulants():
    rng = np.random.default_rng(5)
    weights = rng.uniform(size=40)
    single = gauss(Law(rng.normal(size=40), weights / weights.sum()), COARSE)

    def cumulants(law):
        x = law.nodes - law.weights @ law.nodes
        second, third, fourth = (law.weights @ x**p for p in (2, 3, 4))
        return np.array([second, third, fourth - 3 * second**2])

    # kappa_m of a mean of n is kappa_m / n^(m-1)
    n = 37
    mean = cumulants(mean_of(single, n, COARSE))
    assert mean == pytest.approx(cumulants(single) / n ** np.arange(1, 4), rel=1e-9, abs=1e-14)


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda net: nneft.exact(net, [[1, 1], [1, 2]]), "known for one input, got 2"),
        (lambda net: nneft.exact(net, kernel=1.0, moments=0), "from 1 to 12, got 0"),
        (lambda net: nneft.exact(net), "either inputs= or kernel="),
    ],
)
def test_wrong_calls(call, message):
    with pytest.raises(ValueError, match=message):
        call(nneft.Network((2, 4, 4), "tanh", 1.0, 0.0))
