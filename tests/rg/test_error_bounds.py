"""The error that a flow states against the true one, from recursions in multiple precision."""

import numpy as np
import pytest
from gaussian.forms import SIGMAS
from gaussian.reference import regular_means, singular_mean
from mpmath import mp

import nneft

#: The statement may be this much too small, and this much too large beyond rounding.
UNDER, OVER, ROUNDING = 10.0, 1e4, 2e-16
FACTORS = [(2, 0), (4, 0), (2, 2), (2, 4)]


def averages(name: str, variance):
    """``<s>, <s^2>, <s''>, <s''''>`` of ``s = sigma^2``."""
    sigma = SIGMAS[name]
    smooth = regular_means(sigma, mp.zero, variance, FACTORS)
    singular = [singular_mean(sigma, mp.zero, variance, f) for f in FACTORS]
    return [a + b for a, b in zip(smooth, singular, strict=True)]


def recursion(name: str, kernel: float, C_W: float, C_b: float, widths):
    """K_0, V_4, K_1 of one input layer by layer (BCCZ (11), (25), (A.22))."""
    K_0, V_4, K_1 = mp.mpf(kernel), mp.zero, mp.zero
    C_W, C_b = mp.mpf(C_W), mp.mpf(C_b)
    yield K_0, V_4, K_1
    for below, lower in zip(widths[1:-1], (1, *widths[1:-2]), strict=True):
        s, s_2, second, fourth = averages(name, K_0)
        ratio, chi = mp.mpf(below) / lower, C_W * second / 2
        K_1 = ratio * (chi * K_1 + C_W * V_4 * fourth / 8)
        V_4 = C_W**2 * (s_2 - s**2) + ratio * chi**2 * V_4
        K_0 = C_b + C_W * s
        yield K_0, V_4, K_1


def check(name, kernel, C_W, C_b, widths):
    flow = nneft.flow(nneft.Network(widths, name, C_W, C_b), kernel=kernel)
    found = [(flow.K(0), "K_0"), (flow.V(4), "V_4"), (flow.K(1), "K_1")]
    worst = np.zeros(flow.network.depth)
    for i, truths in enumerate(recursion(name, kernel, C_W, C_b, widths)):
        for (values, quantity), truth in zip(found, truths, strict=True):
            value = float(values[i].ravel()[0])
            error = float(flow.errors(quantity)[i].ravel()[0])
            true = abs(float(mp.mpf(value) - truth))
            assert true <= UNDER * error + ROUNDING * abs(value), (i + 1, quantity, true, error)
            floor = ROUNDING * (abs(value) + (float(truths[0]) if quantity == "K_1" else 0.0))
            assert error <= OVER * max(true, floor), (i + 1, quantity, true, error)
            scale = float(truths[0]) if quantity == "K_1" else abs(float(truth))
            worst[i] = max(worst[i], true / scale if scale else 0.0)
    assert np.all(worst <= UNDER * flow.error + ROUNDING)


@pytest.mark.parametrize(
    ("name", "kernel", "C_W", "C_b", "depth"),
    [
        ("tanh", 1.0, 1.0, 0.0, 30),
        ("tanh", 6.5, 4.0, 0.1, 8),
        ("selu", 1.3, 0.476771, 0.0, 30),
        ("gelu", 3.56155281, 1.98305826, 0.17292239, 8),
        ("sin", 0.7, 1.0, 0.0, 12),
        ("x - x**3/6", 0.4, 1.1, 0.0, 12),
        ("relu", 2.0, 2.0, 0.3, 15),
    ],
)
def test_one_input(name, kernel, C_W, C_b, depth):
    check(name, kernel, C_W, C_b, (1, *[(40, 25, 60)[i % 3] for i in range(depth)]))


@pytest.mark.slow
@pytest.mark.parametrize(
    ("name", "kernel", "C_W", "C_b"),
    [
        ("gelu", 3.56155281, 1.98305826, 0.17292239),
        ("mish", 1.67016913, 2.01352407, 0.09452179),
        ("elu", 1.0, 1.0, 0.0),
        ("sigmoid", 1.0, 3.0, 0.5),
        ("max(x, 0.1*x+0.3)", 1.0, 1.2, 0.1),
        ("tanh", 1e-20, 1.0, 0.0),
        ("tanh", 40.0, 8.0, 0.0),
    ],
)
def test_one_input_thirty_layers(name, kernel, C_W, C_b):
    check(name, kernel, C_W, C_b, (1, *[50] * 30))


def test_paper_inputs_state_small_errors():
    """Bounds stay useful with depth: carried for thirty layers they are still below 1e-8."""
    x = np.array([[1.0, 1.0], [-1.4, 2.0], [-2.0, -3.0], [0.6, -0.5]])
    for name, C_W in (("tanh", 1.0), ("relu", 2.0), ("gelu", 1.9)):
        flow = nneft.flow(nneft.Network((2, *[300] * 30), name, C_W), x)
        assert flow.error.shape == (30,)
        assert np.all(flow.error < 1e-8), flow.error
        assert np.all(flow.error >= 0.0)
