"""The depth that a width allows: closed forms, deep flows, ensembles, and the entropy behind r*."""

import numpy as np
import pytest
from scipy.integrate import quad
from scipy.special import gammaln

import nneft
from nneft.tuning import budget, critical_network
from nneft.tuning.growth import optimal_ratio


@pytest.mark.parametrize(("activation", "rate"), [("relu", 5.0), ("linear", 2.0)])
def test_scale_invariant_networks_in_closed_form(activation, rate):
    """Var G/G^2 = (1 + nu/n)^t - 1 at any width; nu t/n to leading order."""
    net, kernel = critical_network(activation, 40, 500)
    found, t = budget(net, kernel=kernel, bound=0.3), np.arange(40)
    np.testing.assert_allclose(found.spread**2, rate * t / 500, rtol=1e-12, atol=1e-15)
    assert found.rate == pytest.approx(rate, rel=1e-15)
    assert found.depth == min(40, 1 + int(0.09 * 500 / rate))
    assert found.reach == pytest.approx(0.09 * 500 / rate)
    exact = np.sqrt((1.0 + rate / 500) ** t - 1.0)
    second = budget(net, kernel=kernel, bound=0.3, order=2)
    gaps = [np.max(np.abs(b.spread - exact)) for b in (found, second)]
    assert gaps[1] < 0.15 * gaps[0]


@pytest.mark.parametrize("activation", ["tanh", "sin", "elu", "selu", "gelu", "mish"])
def test_the_rate_of_deep_networks(activation):
    """From the flow: K* = 0 has a third of the local noise however slowly it is reached."""
    net, kernel = critical_network(activation, 400, 400)
    found = budget(net, kernel=kernel, bound=9.0)
    squares = 400 * found.spread**2
    slopes = [(squares[2 * t] - squares[t]) / t for t in (99, 199)]
    off = [abs(slope - found.rate) for slope in slopes]
    # what is left of other powers falls about as 1/t
    assert off[1] < 0.6 * off[0] + 1e-9
    assert off[1] < 1e-2 * found.rate


def test_known_rates():
    for activation, rate in (("tanh", 2 / 3), ("erf", 2 / 3), ("elu", 2 / 3), ("relu", 5.0)):
        net, kernel = critical_network(activation, 3, 50)
        assert budget(net, kernel=kernel).rate == pytest.approx(rate, rel=1e-12)
    # PDLT: GELU starts at a fixed point that is stable from one side
    net, kernel = critical_network("gelu", 3, 50)
    z, w = np.polynomial.hermite_e.hermegauss(120)
    s = np.asarray(net.activation(np.sqrt(kernel[0, 0]) * z)) ** 2
    w = w / w.sum()
    noise = net.C_W[1] ** 2 * (w @ s**2 - (w @ s) ** 2) / kernel[0, 0] ** 2
    assert budget(net, kernel=kernel).rate == pytest.approx(noise, rel=1e-6)


def test_the_width_that_is_said_to_do_does():
    net, kernel = critical_network("tanh", 30, 64, correlation=0.3)
    found = budget(net, kernel=kernel, bound=0.25)
    assert found.depth < 30
    wider = int(np.ceil(64 * found.width_factor))
    for width, enough in ((wider, True), (wider - 2, False)):
        again = nneft.Network((64, *[width] * 29, 64), "tanh", 1.0)
        assert (budget(again, kernel=kernel, bound=0.25).depth == 30) == enough


def test_off_criticality_there_is_no_law():
    found = budget(nneft.Network((5, *[100] * 20), "tanh", 2.0, 0.1), kernel=1.0, bound=0.5)
    assert found.rate is None
    assert found.optimal_depth is None
    assert found.depth == 20
    assert "20 layers of width 100 are within budget" in str(found)
    assert "not at a critical point" in str(found)


def test_an_ensemble_spreads_so():
    net, kernel = critical_network("tanh", 10, 300)
    found = budget(net, kernel=kernel, bound=0.13, order=2)
    drawn = nneft.sample(net, kernel=kernel, networks=20000, seed=8)
    mean = drawn.kernel.mean[-1, 0, 0]
    variance = drawn.V(4)[-1, 0, 0, 0, 0] * (1.0 / 300 / mean**2)
    assert abs(variance.pull(found.spread[-1] ** 2)) < 4.0
    assert abs(variance.pull(found.spread[-2] ** 2)) > 4.0
    assert found.depth == 10 - int(np.sum(found.spread > 0.13))
    assert "10 layers are too many for width 300; take" in str(found).splitlines()[0]


# --- the optimal aspect ratio ---


def divergence(m, shape):
    """From a Gaussian of the same variance, for m neurons under a Gamma-distributed kernel."""
    # K = x/shape with x ~ Gamma(shape), by Gauss-Hermite in log x about the mean
    z, w = np.polynomial.hermite_e.hermegauss(60)
    grid = np.log(shape) - 0.5 / shape + z / np.sqrt(shape)
    log = shape * grid - np.exp(grid) - gammaln(shape) + 0.5 * z**2
    weights = w * np.exp(log) / np.sqrt(shape)
    kernels = np.exp(grid) / shape
    assert weights.sum() == pytest.approx(1.0, rel=1e-10)

    def integrand(s):
        # s = |phi|^2 is chi^2 of m degrees under the Gaussian
        base = np.exp(
            (0.5 * m - 1.0) * np.log(s) - 0.5 * s - 0.5 * m * np.log(2) - gammaln(0.5 * m)
        )
        ratio = weights @ np.exp(-0.5 * m * np.log(kernels) - 0.5 * s * (1.0 / kernels - 1.0))
        return base * ratio * np.log(ratio)

    return quad(
        integrand, 1e-9, m + 60.0 + 14.0 * np.sqrt(m), epsabs=1e-14, epsrel=1e-10, limit=400
    )[0]


@pytest.mark.parametrize(("first", "second"), [(1, 1), (2, 4)])
def test_mutual_information_is_the_cubic_that_r_star_maximises(first, second):
    """(m m'/4) (v^2/2 - v^3 (20 + 3 n_L)/12), by integrals over densities."""
    total = first + second
    found = []
    for v in (0.01, 0.005):
        parts = [divergence(m, 1.0 / v) for m in (total, first, second)]
        information = (parts[0] - parts[1] - parts[2]) / (0.25 * first * second)
        found.append((0.5 * v**2 - information) / v**3)
    # a third kind of error, of order v, goes with extrapolation
    cubic = 2.0 * found[1] - found[0]
    assert cubic == pytest.approx((20 + 3 * total) / 12.0, rel=0.05)
    # v^2/2 - c v^3 is largest at v = 1/(3c)
    assert optimal_ratio(0.5, total) * 0.5 == pytest.approx(4.0 / (20 + 3 * total), rel=1e-14)


def test_wrong_calls():
    net, kernel = critical_network("tanh", 3, 60)
    with pytest.raises(ValueError, match="bound must be positive"):
        budget(net, kernel=kernel, bound=0.0)
    with pytest.raises(ValueError, match="order 0 holds no fluctuations"):
        budget(net, kernel=kernel, order=0)
    with pytest.raises(ValueError, match="positive first kernel"):
        budget(net, kernel=0.0)


def test_the_next_order_is_said_where_it_is_another():
    """ReLU: Var G/G^2 = (1 + 5/n)^t - 1 at any width; wide networks need no word."""
    net, kernel = critical_network("relu", 20, 100)
    found, t = budget(net, kernel=kernel), np.arange(20)
    assert found.next_spread is not None
    exact = np.sqrt((1.0 + 5.0 / 100) ** t - 1.0)
    off = [np.abs(spread - exact)[-1] for spread in (found.spread, found.next_spread)]
    assert off[1] < 0.3 * off[0]
    said = (
        f"makes {100 * found.spread[-1]:.3g}% at the last layer {100 * found.next_spread[-1]:.3g}%"
    )
    assert said in str(found)
    deep = budget(critical_network("relu", 60, 100)[0], kernel=kernel)
    assert "for either to be trusted" in str(deep)
    assert "leading order" not in str(budget(critical_network("relu", 5, 9000)[0], kernel=kernel))
    several = critical_network("relu", 20, 100, correlation=0.5)
    assert budget(several[0], kernel=several[1]).next_spread is None
    assert budget(net, kernel=kernel, order=2).next_spread is None
