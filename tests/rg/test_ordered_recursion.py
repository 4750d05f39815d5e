"""The flow against BCCZ's formulas over ordered arguments, with averages of their own."""

import numpy as np
import pytest
from rg.ordered import first, step
from rg.test_flow import INPUTS

import nneft


def compare(name, widths, C_W, C_b, kernel, accuracy=1e-13) -> None:
    flow = nneft.flow(nneft.Network(widths, name, C_W, C_b), kernel=kernel)
    C_W, C_b = (np.broadcast_to(c, len(widths) - 1) for c in (C_W, C_b))
    layer = first(np.asarray(kernel, dtype=float))
    for i in range(1, len(widths) - 1):
        ratio = widths[i] / widths[i - 1]
        layer = step(name, layer, C_W[i], C_b[i], ratio)
        scale = np.max(np.abs(layer.V_4)), np.max(np.abs(layer.K_1)) + np.max(layer.K_0)
        np.testing.assert_allclose(flow.K(0)[i], layer.K_0, atol=accuracy * scale[1], rtol=0)
        np.testing.assert_allclose(flow.K(1)[i], layer.K_1, atol=10 * accuracy * scale[1], rtol=0)
        np.testing.assert_allclose(flow.V(4)[i], layer.V_4, atol=10 * accuracy * scale[0], rtol=0)


@pytest.mark.parametrize(
    ("name", "C_W", "C_b"),
    [
        ("tanh", 1.4, 0.1),
        ("relu", 2.0, 0.3),
        ("selu", 0.5, 0.2),
        ("gelu", (1.0, 1.9, 2.1, 1.8), (0.0, 0.1, 0.2, 0.3)),
        ("max(x, 0.1*x+0.3)", 1.0, 0.0),
        ("x - x**3/6", 0.9, 0.0),
    ],
)
def test_two_inputs_of_unequal_widths(name, C_W, C_b):
    compare(name, (2, 8, 20, 5, 11), C_W, C_b, [[0.9, -0.4], [-0.4, 1.7]])


@pytest.mark.parametrize("name", ["tanh", "leaky_relu", "sin"])
def test_three_inputs_of_rank_two(name):
    x = np.array([[1.0, 0.3], [-0.2, 0.8], [-0.7, -0.9]])
    compare(name, (2, 30, 10, 20), 1.1, 0.0, x @ x.T, accuracy=1e-11)


@pytest.mark.slow
@pytest.mark.parametrize(
    ("name", "C_W", "accuracy"),
    [("tanh", 1.0, 1e-11), ("relu", 2.0, 1e-10), ("gelu", 2.0, 1e-10), ("elu", 1.0, 1e-6)],
)
def test_the_papers_inputs(name, C_W, accuracy):
    compare(name, (2, *[300] * 4), C_W, 0.0, C_W * INPUTS @ INPUTS.T / 2, accuracy)
