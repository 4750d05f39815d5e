"""What flows cannot depend on: order, company, rotation and length of inputs; coincident ones."""

import numpy as np
import pytest
from rg.test_flow import INPUTS

import nneft

NAMES = ["tanh", "relu", "gelu", "selu", "sin", "leaky_relu", "abs(x)", "x + x**2/3"]
DEPTH = 5


def flow(name, x=None, C_W=1.2, C_b=0.1, depth=DEPTH, **given):
    widths = (2 if x is None else np.shape(x)[1], *[30] * depth)
    return nneft.flow(nneft.Network(widths, name, C_W, C_b), x, **given)


def close(first, second, accuracy):
    """All three quantities, relative to the largest component of each layer."""
    for left, right in zip(first, second, strict=True):
        for layer in range(len(left)):
            scale = np.max(np.abs(right[layer]))
            np.testing.assert_allclose(left[layer], right[layer], rtol=0, atol=accuracy * scale)


def held(found):
    return found.K(0), found.K(1), found.V(4)


@pytest.mark.parametrize("name", NAMES)
def test_exchanging_inputs_exchanges_results(name):
    order = np.array([2, 0, 3, 1])
    K_0, K_1, V_4 = held(flow(name, INPUTS[order]))
    K_00, K_10, V_40 = held(flow(name, INPUTS))
    moved = np.ix_(range(DEPTH), order, order, order, order)
    close(
        (K_0, K_1, V_4),
        (K_00[:, order][:, :, order], K_10[:, order][:, :, order], V_40[moved]),
        1e-6 if name == "selu" else 1e-10,
    )


@pytest.mark.parametrize("name", NAMES)
def test_company_changes_nothing(name):
    alone = held(flow(name, INPUTS[:2]))
    among = [a[(slice(None), *[slice(2)] * (a.ndim - 1))] for a in held(flow(name, INPUTS))]
    close(among, alone, 1e-12)
    single = held(flow(name, INPUTS[:1]))
    close([a[(slice(None), *[slice(1)] * (a.ndim - 1))] for a in alone], single, 1e-12)


@pytest.mark.parametrize("name", ["tanh", "relu", "gelu"])
def test_rotated_inputs_are_the_same(name):
    angle = 0.7
    turn = np.array([[np.cos(angle), np.sin(angle)], [-np.sin(angle), np.cos(angle)]])
    close(held(flow(name, INPUTS[:3] @ turn)), held(flow(name, INPUTS[:3])), 1e-11)
    wider = np.hstack([INPUTS[:3], np.zeros((3, 2))]) * np.sqrt(2.0)
    close(held(flow(name, wider)), held(flow(name, INPUTS[:3])), 1e-11)


@pytest.mark.parametrize("name", ["relu", "leaky_relu", "abs(x)", "linear"])
def test_homogeneous_activations_scale(name):
    lengths = np.array([3.0, 1e-40, 1e60])
    scaled = held(flow(name, INPUTS[:3] * lengths[:, None], C_b=0.0))
    plain = held(flow(name, INPUTS[:3], C_b=0.0))
    two = np.outer(lengths, lengths)
    close((scaled[0] / two, scaled[1] / two), plain[:2], 1e-12)
    V = flow(name, INPUTS[:3] * lengths[:, None], C_b=0.0).V(4, at=(0, 1, 1, 1))
    np.testing.assert_allclose(V / (3.0 * 1e-120), plain[2][:, 0, 1, 1, 1], rtol=1e-10, atol=1e-10)


@pytest.mark.parametrize("name", NAMES)
def test_equal_inputs_are_one(name):
    x = np.array([INPUTS[0], INPUTS[1], INPUTS[0]])
    found, pair = held(flow(name, x)), held(flow(name, INPUTS[:2]))
    of = np.array([0, 1, 0])
    for whole, part in zip(found, pair, strict=True):
        index = np.ix_(range(DEPTH), *[of] * (whole.ndim - 1))
        np.testing.assert_array_equal(whole, part[index])


@pytest.mark.parametrize("name", NAMES)
@pytest.mark.parametrize("apart", [1e-3, 1e-5, 1e-7, 1e-9, 1e-11])
def test_close_inputs_tend_to_one(name, apart):
    """K_0 and V_4 move by the distance squared and the distance, up to a constant."""
    x = np.array([INPUTS[0], INPUTS[0] + apart * np.array([0.3, -0.8])])
    found, one = held(flow(name, x)), held(flow(name, INPUTS[:1]))
    for whole, part, constant in zip(found, one, (10.0, 200.0, 100.0), strict=True):
        same = np.broadcast_to(part.reshape(-1, *[1] * (whole.ndim - 1)), whole.shape)
        for layer in range(DEPTH):
            scale = np.max(np.abs(one[0][layer])) ** (2 if whole.ndim > 3 else 1)
            scale = max(scale, np.max(np.abs(part[layer])))
            worst = np.max(np.abs(whole[layer] - same[layer])) / scale
            assert worst <= constant * apart + 1e-10, (layer + 1, whole.ndim, worst)


@pytest.mark.parametrize("name", ["abs(x)", "cos", "quadratic"])
def test_opposite_inputs_of_even_activations_meet(name):
    x = np.array([INPUTS[0], -INPUTS[0]])
    found, one = held(flow(name, x, C_b=0.0, C_W=0.8)), held(flow(name, x[:1], C_b=0.0, C_W=0.8))
    for whole, part in zip(found, one, strict=True):
        for layer in range(1, DEPTH):
            value = part[layer].ravel()[0]
            np.testing.assert_allclose(whole[layer], value, rtol=1e-9, atol=1e-12)


@pytest.mark.parametrize("name", ["tanh", "sin", "linear", "x - x**3/6"])
def test_opposite_inputs_of_odd_activations_stay_opposite(name):
    x = np.array([INPUTS[1], -INPUTS[1]]) * 0.5
    found, one = held(flow(name, x, C_b=0.0)), held(flow(name, x[:1], C_b=0.0))
    signs = np.array([1.0, -1.0])
    for whole, part in zip(found, one, strict=True):
        for layer in range(DEPTH):
            outer = np.array(1.0)
            for _ in range(whole.ndim - 1):
                outer = np.multiply.outer(outer, signs)
            np.testing.assert_allclose(
                whole[layer], part[layer].ravel()[0] * outer, rtol=1e-10, atol=1e-15
            )


@pytest.mark.parametrize("name", ["relu", "leaky_relu", "selu", "elu"])
@pytest.mark.parametrize("C_b", [0.0, 0.3])
def test_opposite_inputs_of_kinked_activations(name, C_b):
    """Limits of nearly opposite ones: the correlators are continuous there."""
    x = np.array([INPUTS[0], -INPUTS[0], 0.7 * INPUTS[1]])
    near = x.copy()
    near[1] += 1e-7 * np.array([0.5, -0.9])
    first, second = held(flow(name, x, C_b=C_b)), held(flow(name, near, C_b=C_b))
    close(first, second, 1e-5)


@pytest.mark.parametrize("name", ["tanh", "relu", "selu", "gelu", "elu"])
def test_inputs_that_flow_together(name):
    """An ordered phase: deep down all inputs are one, and their correlators that of one."""
    depth = 60
    options = {"C_W": 0.5, "C_b": 0.4, "depth": depth}
    found, one = held(flow(name, INPUTS[:3], **options)), held(flow(name, INPUTS[:1], **options))
    for whole, part, atol in zip(found, one, (0.0, 1e-8, 0.0), strict=True):
        np.testing.assert_allclose(whole[-1], part[-1].ravel()[0], rtol=1e-6, atol=atol)


def test_a_vanishing_input_is_allowed():
    x = np.array([[0.0, 0.0], [1.0, -0.3]])
    for name in ("tanh", "relu", "sin", "selu"):
        K_0, K_1, V_4 = held(flow(name, x, C_b=0.0))
        assert not K_0[:, 0].any() and not K_1[:, 0].any() and not V_4[:, 0].any()
        single = held(flow(name, x[1:], C_b=0.0))
        close((K_0[:, 1:, 1:], K_1[:, 1:, 1:], V_4[:, 1:, 1:, 1:, 1:]), single, 1e-13)
    for name in ("sigmoid", "gelu", "cos", "relu"):
        found = flow(name, x, C_b=0.2)
        assert np.isfinite(found.V(4)).all() and np.isfinite(found.K(1)).all()
