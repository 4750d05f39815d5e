"""The flow against known numbers: the paper's inputs, one input, deep limits, exact widths."""

import numpy as np
import pytest

import nneft

#: BCCZ's inputs (Figs 1-5), n_0 = 2.
INPUTS = np.array([[1.0, 1.0], [-1.4, 2.0], [-2.0, -3.0], [0.6, -0.5]])
CRITICAL = {"tanh": 1.0, "relu": 2.0}
COMPONENTS = ["0000", "0101", "0022", "0103", "0023", "0123"]
#: Leading order by layer: K_0(12), then V_4 at the components above.
PAPER = {
    "tanh": {
        2: "0.0749866329 0.0975237381 0.228188074 0.0840877142 -0.123371972 -0.0264764365 "
        "0.149096615",
        5: "0.0199742644 0.0393984430 0.0700394321 0.0372506386 -0.0524120358 -0.00656752 "
        "0.0518257501",
        10: "0.00857456957 0.0185887276 0.0303350987 0.0169528225 -0.0251056924 -0.00273414 "
        "0.023690743",
        30: "0.00253994105 0.00583656094 0.00895701957 0.00518013307 -0.0078925209 -0.000797944 "
        "0.00725554663",
    },
    "relu": {
        2: "1.4156135457 20 15.93771646 -25.99868694 -0.510804995 -2.099318914 -1.488461284",
        5: "2.4454827211 80 111.66684992 47.53948282",
        10: "2.9791803356 180 351.43428847 445.29352253",
        30: "3.3531123152 580 1494.23555381 2748.29028825",
    },
}


def digits(text: str) -> float:
    """Half a unit in the last digit printed."""
    number = text.lstrip("-")
    return 0.5 * 10.0 ** -len(number.partition(".")[2])


@pytest.fixture(scope="module", params=sorted(PAPER))
def paper(request):
    C_W = CRITICAL[request.param]
    net = nneft.Network((2, *[300] * 30), request.param, C_W, 0.0)
    return request.param, nneft.flow(net, INPUTS)


def test_paper_experiment(paper):
    name, flow = paper
    V = flow.V(4)
    for layer, row in PAPER[name].items():
        first, *others = row.split()
        assert abs(flow.K(0)[layer - 1, 0, 1] - float(first)) <= 1.01 * digits(first)
        for place, text in zip(COMPONENTS, others, strict=False):
            index = tuple(int(i) for i in place)
            assert abs(V[(layer - 1, *index)] - float(text)) <= 1.01 * digits(text), (layer, place)
            component = flow.V(4, at=index)[layer - 1]
            np.testing.assert_allclose(component, V[(layer - 1, *index)], rtol=1e-14)


def test_paper_experiment_first_input(paper):
    name, flow = paper
    expected = {"tanh": 0.3942944904, "relu": 2.0}[name]
    np.testing.assert_allclose(flow.K(0)[1, 0, 0], expected, atol=1e-10)


def test_correlators_have_their_symmetries(paper):
    _, flow = paper
    V, K = flow.V(4), flow.K(1)
    for order in ((0, 2, 1, 3, 4), (0, 1, 2, 4, 3), (0, 3, 4, 1, 2)):
        np.testing.assert_allclose(V, V.transpose(order), rtol=1e-14)
    np.testing.assert_allclose(K, K.transpose(0, 2, 1), rtol=1e-14)
    # a covariance of the pairs: positive semi-definite, to rounding
    pairs = [*zip(*np.triu_indices(4), strict=True)]
    for layer in (2, 5, 30):
        matrix = np.array([[V[(layer - 1, *A, *B)] for B in pairs] for A in pairs])
        assert np.linalg.eigvalsh(matrix)[0] >= -1e-11 * np.max(matrix)


def test_one_tanh_input():
    net = nneft.Network((1, *[100] * 30), "tanh", 1.0)
    flow = nneft.flow(net, kernel=1.0)
    for layer, K_0, V_4, K_1 in (
        (5, 0.1279047353, 0.0393984430, -0.0682253714),
        (30, 0.01776080341, 0.005836560938, -0.1426909222),
    ):
        np.testing.assert_allclose(flow.K(0)[layer - 1, 0, 0], K_0, rtol=4e-10)
        np.testing.assert_allclose(flow.V(4)[layer - 1, 0, 0, 0, 0], V_4, rtol=1.3e-9)
        np.testing.assert_allclose(flow.K(1)[layer - 1, 0, 0], K_1, rtol=1e-9)


def limit(layers: np.ndarray, values: np.ndarray) -> float:
    """Extrapolate ``c_0 + (c_1 + c_2 log l + c_3 log^2 l / l + ...)/l`` to infinite depth."""
    x, log = 1.0 / layers, np.log(layers)
    terms = [x**0, x, x * log, x**2, x**2 * log, x**2 * log**2]
    return float(np.linalg.lstsq(np.array(terms).T, values, rcond=None)[0][0])


@pytest.mark.parametrize(
    ("name", "C_W", "a_1"),
    [("tanh", 1.0, -2.0), ("sin", 1.0, -1.0), ("x - x**2/4 - x**3/3", 1.0, -2.0 + 0.75 / 4)],
)
def test_deep_limits_of_the_vanishing_kernel(name, C_W, a_1):
    net = nneft.Network((1, *[50] * 1000), name, C_W)
    flow = nneft.flow(net, kernel=0.4)
    layers = np.arange(1.0, 1001.0)
    deep = layers > 150
    K, V, K_1 = (a.reshape(1000)[deep] for a in (flow.K(0), flow.V(4), flow.K(1)))
    # K_0 -> 1/(-a_1 l), V_4/K_0^2 -> 2l/3, K_1 -> 1/(3 a_1)
    np.testing.assert_allclose(limit(layers[deep], layers[deep] * K), -1.0 / a_1, rtol=1e-4)
    np.testing.assert_allclose(limit(layers[deep], V / K**2 / layers[deep]), 2.0 / 3.0, rtol=1e-4)
    np.testing.assert_allclose(limit(layers[deep], K_1), 1.0 / (3.0 * a_1), rtol=1e-3)


@pytest.mark.parametrize(("name", "C_W", "per_layer"), [("linear", 1.0, 2.0), ("relu", 2.0, 5.0)])
def test_closed_forms_of_one_input(name, C_W, per_layer):
    """Critical, C_b = 0: the mean stays, and ``Var G/G^2 = prod (1 + c/n_l) - 1``."""
    widths = (3, 40, 15, 60, 25, 33, 80)
    net = nneft.Network(widths, name, C_W)
    K = 1.7
    flow = nneft.flow(net, kernel=K)
    np.testing.assert_allclose(flow.K(0).ravel(), K, rtol=1e-14)
    np.testing.assert_allclose(flow.K(1).ravel(), 0.0, atol=1e-13)
    # to first order in 1/n: sum over the layers below of c/n_l, times n_{l-1}
    below = np.array(widths[1:-1], dtype=float)
    first = np.concatenate([[0.0], np.cumsum(per_layer / below)]) * K**2
    np.testing.assert_allclose(flow.V(4).ravel(), np.array(widths[:-1]) * first, rtol=1e-13)
    np.testing.assert_allclose(flow.cumulant(4).ravel(), first, rtol=1e-13)


@pytest.mark.parametrize(("name", "per_layer"), [("linear", 2.0), ("relu", 5.0)])
def test_equal_widths_grow_by_a_constant(name, per_layer):
    net = nneft.Network((1, *[64] * 12), name, {"linear": 1.0, "relu": 2.0}[name])
    flow = nneft.flow(net, kernel=1.0)
    np.testing.assert_allclose(flow.V(4).ravel(), per_layer * np.arange(12), rtol=1e-13)


def test_one_layer_alone_is_not_random():
    flow = nneft.flow(nneft.Network((2, 7), "tanh", 1.3, 0.2), INPUTS)
    expected = 0.2 + 1.3 * INPUTS @ INPUTS.T / 2
    np.testing.assert_allclose(flow.K(0)[0], expected, rtol=1e-15)
    assert not flow.V(4).any() and not flow.K(1).any()
    np.testing.assert_array_equal(flow.mean(), flow.K(0))


def test_order_zero_gives_the_same_kernels(paper):
    _, flow = paper
    alone = nneft.flow(flow.network, INPUTS, order=0)
    np.testing.assert_allclose(alone.K(0), flow.K(0), rtol=1e-13, atol=1e-15)


def test_tanh_edge_of_chaos_and_chaotic_fixed_points():
    net = nneft.Network((1, *[10] * 200), "tanh", 4.0)
    np.testing.assert_allclose(
        nneft.flow(net, kernel=1.0, order=0).K(0)[-1], 2.121473568, rtol=3e-10
    )
    net = nneft.Network((1, *[10] * 300), "tanh", 1.76095464, 0.05)
    np.testing.assert_allclose(nneft.flow(net, kernel=1.0, order=0).K(0)[-1], 0.57004788, rtol=2e-8)


@pytest.mark.parametrize(
    ("name", "C_W", "C_b", "kernel"),
    [
        ("gelu", 1.98305826, 0.17292239, 3.56155281),
        ("silu", 1.98800468, 0.55514317, 14.32017362),
        ("mish", 2.01352407, 0.09452179, 1.67016913),
    ],
)
def test_half_stable_points_stay(name, C_W, C_b, kernel):
    flow = nneft.flow(nneft.Network((1, 10, 10, 10), name, C_W, C_b), kernel=kernel)
    np.testing.assert_allclose(flow.K(0).ravel(), kernel, rtol=2e-8)
    # chi = 1 in both directions: what fluctuates at layer 2 is passed on as it is
    V = flow.V(4).ravel()
    np.testing.assert_allclose(V[2], 2.0 * V[1], rtol=1e-6)
