"""Derivatives by every layer's constants, against finite differences and scaling laws."""

import numpy as np
import pytest

import nneft

X = np.array([(1.0, 0.3), (-0.4, 0.9)])
C_W, C_B = np.array([1.2, 0.9, 1.1, 1.3]), np.array([0.1, 0.05, 0.2, 0.01])
WIDTHS = (2, 10, 20, 15, 10)


def differences(activation, inputs, order, by, layer, read, *, step=2e-4):
    """Central differences at two steps, extrapolated."""
    found = []
    for h in (step, 0.5 * step):
        ends = []
        for sign in (1.0, -1.0):
            constants = {"C_W": C_W.copy(), "C_b": C_B.copy()}
            constants[by][layer] += sign * h
            network = nneft.Network(WIDTHS, activation, constants["C_W"], constants["C_b"])
            ends.append(read(nneft.flow(network, inputs, order=order)))
        found.append((ends[0] - ends[1]) / (2.0 * h))
    return (4.0 * found[1] - found[0]) / 3.0


@pytest.mark.parametrize(
    ("activation", "inputs", "order"),
    [("tanh", X, 2), ("gelu", X[:1], 3), ("relu", X, 2), ("x+x**2/3", X, 1), ("sin", X, 0)],
)
@pytest.mark.parametrize("by", ["C_W", "C_b"])
def test_every_quantity_at_the_last_layer(activation, inputs, order, by):
    network = nneft.Network(WIDTHS, activation, C_W, C_B)
    found = nneft.flow(network, inputs, order=order).sensitivity()
    held = [("K", p) for p in range(order + 1)]
    held += [("V", 2 * k, q) for k in range(2, order + 2) for q in range(order + 2 - k)]
    for layer in range(4):
        every = differences(
            activation, inputs, order, by, layer, lambda f: concatenated(f, held, lambda v: v[-1])
        )
        exact = concatenated(found, held, lambda v, layer=layer: v[layer], by=by)
        for wanted, value in zip(every, exact, strict=True):
            assert np.max(np.abs(value - wanted)) < 2e-8 * (np.max(np.abs(wanted)) + 1e-3)


def concatenated(source, held, row, **options):
    """Each quantity at one row, in one object array."""
    values = [row(getattr(source, name)(*which, **options)) for name, *which in held]
    found = np.empty(len(values), dtype=object)
    found[:] = values
    return found


def test_sums_at_the_networks_own_widths():
    network = nneft.Network(WIDTHS, "tanh", C_W, C_B)
    found = nneft.flow(network, X, order=2).sensitivity()
    wanted = differences("tanh", X, 2, "C_W", 1, lambda f: f.mean()[-1])
    np.testing.assert_allclose(found.mean()[1], wanted, rtol=1e-7)
    wanted = differences("tanh", X, 2, "C_b", 0, lambda f: f.cumulant(4)[-1])
    np.testing.assert_allclose(found.cumulant(4, by="C_b")[0], wanted, rtol=1e-6, atol=1e-12)
    at = (0, 1, 1, 1)
    assert found.cumulant(4, at=at)[2] == pytest.approx(found.cumulant(4)[2][at])
    assert found.V(4, 1, at=at)[2] == pytest.approx(found.V(4, 1)[2][at])


def test_a_homogeneous_network_scales_with_each_C_W():
    """ReLU without biases: kappa_k goes as the product of all C_W to the k."""
    network = nneft.Network(WIDTHS, "relu", C_W, 0.0)
    inputs = np.array([(1.0, 0.3), (2.0, -0.9), (-0.4, 0.9)])
    flow = nneft.flow(network, inputs, order=2)
    found = flow.sensitivity()
    for layer in range(4):
        np.testing.assert_allclose(found.K(2)[layer], flow.K(2)[-1] / C_W[layer], atol=1e-10)
        V_6 = flow.V(6)[-1]
        np.testing.assert_allclose(
            found.V(6)[layer], 3.0 * V_6 / C_W[layer], atol=1e-9 * np.max(np.abs(V_6))
        )


@pytest.mark.parametrize("theta", [1e-6, 1e-3, 0.1])
def test_close_inputs_of_a_homogeneous_network(theta):
    """K_1(12) vanishes with the angle, by powers: difference coordinates keep its digits."""
    kernel = [[1.0, np.cos(theta)], [np.cos(theta), 1.0]]
    layer, h = 3, 1e-3
    biases = np.array([0.1, 0.0, 0.2, 0.05, 0.0, 0.1])

    def at(shift):
        C_W = np.full(6, 2.0)
        C_W[layer] += shift
        network = nneft.Network((2, *[30] * 6), "relu", C_W, biases)
        return nneft.flow(network, kernel=kernel, order=2)

    found = at(0.0).sensitivity()
    up, down = at(h), at(-h)
    for read, value in (
        (lambda f: f.K(1)[-1, 0, 1], found.K(1)[layer, 0, 1]),
        (lambda f: f.V(6, at=(0, 1, 0, 1, 1, 1))[-1], found.V(6, at=(0, 1, 0, 1, 1, 1))[layer]),
    ):
        assert value == pytest.approx((read(up) - read(down)) / (2.0 * h), rel=1e-5)


def test_three_close_inputs_are_refused_by_name():
    angles = np.array([0.0, 1e-5, 2.5e-5])
    inputs = np.stack([np.cos(angles), np.sin(angles)], axis=1)
    flow = nneft.flow(nneft.Network((2, *[30] * 6), "relu", 2.0, 0.0), inputs, order=1)
    with pytest.raises(nneft.NumericsError, match="nearly parallel"):
        flow.sensitivity()


def test_a_kernel_that_was_given_does_not_depend_on_constants():
    network = nneft.Network(WIDTHS, "tanh", C_W, C_B)
    found = nneft.flow(network, kernel=[[1.0, 0.2], [0.2, 0.7]], order=1).sensitivity()
    assert not np.any(found.K(0)[0])
    assert not np.any(found.V(4, by="C_b")[0])
    assert np.all(found.K(0)[1:] != 0.0)


def test_parallel_inputs_without_biases_are_refused():
    flow = nneft.flow(nneft.Network(WIDTHS, "relu", 2.0, 0.0), [(1.0, 1.0), (2.0, 2.0)], order=1)
    with pytest.raises(ValueError, match="one input of each direction"):
        flow.sensitivity()


def test_wrong_calls():
    found = nneft.flow(nneft.Network(WIDTHS, "tanh", C_W, C_B), X, order=1).sensitivity()
    with pytest.raises(ValueError, match='"C_W" or "C_b"'):
        found.K(0, by="C_w")
    with pytest.raises(ValueError, match="not held"):
        found.V(6)
    with pytest.raises(ValueError, match="not held"):
        found.K(2)


# --- the response to the layer below ---


@pytest.mark.parametrize("points", [4, 6, 8])
@pytest.mark.parametrize("activation", ["tanh", "relu", "selu"])
def test_the_response_is_the_symmetrised_product_of_susceptibilities(points, activation):
    """BCCZ (30), with susceptibilities from finite differences of the kernel map."""
    network = nneft.Network(WIDTHS, activation, C_W, C_B)
    flow = nneft.flow(network, X, order=points // 2 - 1)
    k, layer = points // 2, 3
    chi = susceptibility(network, flow.K(0)[layer - 2], layer)
    found = flow.response(points, layer)
    wanted = symmetrised(chi, k)
    np.testing.assert_allclose(
        (10 / 20) ** (k - 1) * found.matrix, wanted, atol=1e-6 * np.max(np.abs(wanted))
    )
    assert found.at[0] == (0,) * points


def test_the_response_of_two_points_is_the_susceptibility():
    network = nneft.Network(WIDTHS, "tanh", C_W, C_B)
    flow = nneft.flow(network, X, order=2)
    for layer in (2, 4):
        chi = susceptibility(network, flow.K(0)[layer - 2], layer)
        np.testing.assert_allclose(flow.response(2, layer).matrix, chi, atol=1e-8)


def test_layers_without_one_below_have_no_response():
    flow = nneft.flow(nneft.Network(WIDTHS, "tanh", C_W, C_B), X, order=1)
    for layer in (1, 5):
        with pytest.raises(ValueError, match="layer must be from 2 to 4"):
            flow.response(4, layer)


def susceptibility(network, kernel, layer, step=1e-4):
    """``dK_0^(l)_A / dK_0^(l-1)_B`` by central differences, rows A."""
    pairs = [(0, 0), (0, 1), (1, 1)]
    C_W, C_b = network.C_W[layer - 1], network.C_b[layer - 1]
    one = nneft.Network((1, 1, 1), network.activation, [1.0, C_W], [0.0, C_b])
    columns = []
    for a, b in pairs:
        ends = []
        for h in (step, -step, 0.5 * step, -0.5 * step):
            moved = kernel.copy()
            moved[a, b] += h
            moved[b, a] = moved[a, b]
            found = nneft.flow(one, kernel=moved, order=0).K(0)[-1]
            ends.append(np.array([found[pair] for pair in pairs]))
        coarse, fine = (ends[0] - ends[1]) / (2 * step), (ends[2] - ends[3]) / step
        columns.append((4.0 * fine - coarse) / 3.0)
    return np.array(columns).T


def symmetrised(chi, k):
    """By each independent component: the sum over its distinct permutations."""
    from itertools import combinations_with_replacement, permutations

    listed = list(combinations_with_replacement(range(len(chi)), k))
    return np.array(
        [
            [
                sum(np.prod(chi[list(row), list(p)]) for p in set(permutations(col)))
                for col in listed
            ]
            for row in listed
        ]
    )
