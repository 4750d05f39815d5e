"""The action as a density: normalised, and equal to what scipy and mpmath make of the formula."""

import itertools

import mpmath as mp
import numpy as np
import pytest
from scipy.integrate import quad
from scipy.stats import multivariate_normal

from nneft import Network, NumericsError
from nneft.actions import action

PAPER = np.array([[1.0, 1.0], [-1.4, 2.0], [-2.0, -3.0], [0.6, -0.5]])


def network(widths, activation="tanh", C_W=0.8, C_b=0.7):
    return Network(widths, activation, C_W, C_b)


def drawn(net, kernel, seed, batch=()):
    """Preactivations with the weights drawn, from inputs that have this kernel."""
    rng = np.random.default_rng(seed)
    values, axes = np.linalg.eigh(kernel)
    root = axes * np.sqrt(np.maximum(values, 0.0))
    phi = [rng.normal(size=(*batch, net.widths[1], len(kernel))) @ root.T]
    for l in range(1, net.depth):
        n, m = net.widths[l : l + 2]
        W = rng.normal(size=(*batch, m, n)) * np.sqrt(net.C_W[l] / n)
        b = rng.normal(size=(*batch, m, 1)) * np.sqrt(net.C_b[l])
        phi.append(W @ net.activation(phi[-1]) + b)
    return phi


def grid(reach, step, dimensions):
    """Points of a cubic lattice, (B, dimensions), and the volume of its cell."""
    line = np.arange(-reach, reach + step / 2, step)
    return np.array(list(itertools.product(line, repeat=dimensions))), step**dimensions


@pytest.mark.parametrize("batch", [(), (3,)])
@pytest.mark.parametrize(
    ("activation", "inputs", "C_b"),
    [("tanh", PAPER, 0.2), ("gelu", PAPER[:3], 0.0), ("relu", PAPER[[0, 0, 1]], 0.5)],
)
def test_it_is_the_log_density_that_scipy_finds(activation, inputs, C_b, batch):
    net = Network((2, 9, 8, 7), activation, [1.0, 1.7, 2.0], C_b)
    phi = drawn(net, net.first_kernel(inputs), 1, batch)
    found = action(net, inputs, phi)
    assert np.shape(found.total) == batch
    for index in np.ndindex(batch):
        kernel = net.first_kernel(inputs)
        for l, fields in enumerate(phi, start=1):
            law = multivariate_normal(cov=kernel, allow_singular=True)
            wanted = -np.sum(law.logpdf(fields[index]))
            assert found.by_layer[(*index, l - 1)] == pytest.approx(wanted, rel=1e-9)
            assert found.ranks[(*index, l - 1)] == np.linalg.matrix_rank(kernel, rtol=1e-9)
            if l < net.depth:
                s = net.activation(fields[index])
                kernel = net.C_b[l] + net.C_W[l] * s.T @ s / net.widths[l]
    total = np.asarray(found.gaussian) + np.asarray(found.determinant)
    np.testing.assert_allclose(total, found.total, rtol=1e-14)
    np.testing.assert_array_equal(found.log_density, -np.asarray(found.total))


@pytest.mark.parametrize(
    "widths",
    [(1, 1, 1), (1, 2, 1), (1, 1, 2), (1, 1, 1, 1)],
)
def test_the_density_of_everything_integrates_to_one(widths):
    # The trapezoidal rule of a smooth function on the whole space converges exponentially.
    net = network(widths)
    points, cell = grid(9.0, 0.3, sum(widths[1:]))
    phi = [part[:, :, None] for part in np.split(points, np.cumsum(widths[1:-1]), axis=1)]
    density = np.exp(action(net, kernel=1.3, preactivations=phi).log_density)
    assert cell * density.sum() == pytest.approx(1.0, abs=2e-7)


def test_the_density_of_two_inputs_integrates_to_one():
    net = network((2, 1, 1))
    kernel = np.array([[1.3, 0.4], [0.4, 0.9]])
    points, cell = grid(7.2, 0.6, 4)
    # Equal fields make G^(2) singular: the lattice goes past them, and with phi^(2) = A t, where
    # A has the columns sqrt(C_b) and sqrt(C_W) tanh(phi^(1)), the integrand keeps its width.
    first, t = points[:, :2] + [0.0, 0.1], points[:, 2:]
    columns = np.stack([np.full(first.shape, np.sqrt(0.7)), np.sqrt(0.8) * np.tanh(first)], axis=-1)
    second = np.einsum("bak,bk->ba", columns, t)
    found = action(net, kernel=kernel, preactivations=[first[:, None], second[:, None]])
    density = np.exp(found.log_density) * np.abs(np.linalg.det(columns))
    assert cell * density.sum() == pytest.approx(1.0, abs=2e-7)


@pytest.mark.parametrize("n_1", [1, 2])
@pytest.mark.parametrize("activation", ["tanh", "relu"])
def test_the_density_of_a_layer_given_the_one_before_integrates_to_one(activation, n_1):
    net = network((1, n_1, 1), activation, C_W=2.0, C_b=0.3)
    for seed in range(3):
        first = drawn(net, np.array([[1.3]]), seed)[0]

        def density(phi, first=first):
            found = action(net, kernel=1.3, preactivations=[first, np.array([[phi]])])
            return np.exp(-found.by_layer[1])

        assert quad(density, -15.0, 15.0)[0] == pytest.approx(1.0, abs=1e-8)


def along(density, direction, reach):
    """Integral along a line, by its length."""
    unit = np.asarray(direction) / np.linalg.norm(direction)
    return quad(lambda t: density(t * unit), -reach, reach, epsabs=1e-10)[0]


def test_a_singular_kernel_has_a_density_on_its_support():
    # One neuron, no bias: G^(2) has rank 1 whatever the inputs.
    net = network((2, 1, 1), C_W=1.0, C_b=0.0)
    first = np.array([[0.8, -0.3]])

    def density(phi):
        found = action(net, kernel=np.eye(2), preactivations=[first, phi[None]])
        assert list(found.ranks) == [2, 1]
        return np.exp(-found.by_layer[1])

    assert along(density, np.tanh(first[0]), 8.0) == pytest.approx(1.0, abs=1e-8)


def test_parallel_inputs_of_a_relu_and_its_silence():
    # phi^(1) = (a, 2a). For a < 0 the neuron is silent: G^(2) = 0, phi^(2) = 0 with certainty.
    net = network((1, 1, 1), "relu", C_W=2.0, C_b=0.0)
    inputs = np.array([[1.0], [2.0]])

    def density(first, second):
        return np.exp(action(net, inputs, [first[None], second[None]]).log_density)

    def outer(a):
        first = np.array([a, 2.0 * a])
        return along(lambda second: density(first, second), first, 20.0 * a)

    heard = np.sqrt(5.0) * quad(outer, 0.0, 9.0, epsabs=1e-7)[0]
    silent = np.sqrt(5.0) * quad(
        lambda a: density(np.array([-a, -2.0 * a]), np.zeros(2)), 0.0, 12.0
    )[0]  # fmt: skip
    assert heard == pytest.approx(0.5, abs=1e-6)
    assert silent == pytest.approx(0.5, abs=1e-8)


def test_four_inputs_in_the_plane_have_a_density_on_a_plane():
    net = Network((2, 1), "tanh", 1.0)
    plane = np.linalg.qr(PAPER)[0]  # (4, 2): orthonormal
    points, cell = grid(15.0, 0.5, 2)
    found = action(net, PAPER, [(points @ plane.T)[:, None, :]])
    assert np.all(found.ranks == 2)
    assert cell * np.exp(found.log_density).sum() == pytest.approx(1.0, abs=1e-9)


@pytest.mark.parametrize("sizes", [(1.0, 1.0, 1.0), (1e-9, 1.0, 1e7), (1e-60, 1e40, 1.0)])
@pytest.mark.parametrize("gap", [0.3, 1e-4])
def test_inputs_of_any_size_and_close_ones_keep_their_digits(sizes, gap):
    # G^(2) of a linear network, in multiple precision; two of the inputs nearly parallel.
    x = np.array([[1.0, 0.2, 0.1], [1.0, 0.2 + gap, 0.1], [-0.3, 1.0, 0.4]])
    x = x * np.array(sizes)[:, None]
    net = Network((3, 5, 4), "linear", [1.0, 1.3])
    rng = np.random.default_rng(2)
    W = rng.normal(size=(5, 3)) / np.sqrt(3), rng.normal(size=(4, 5)) * np.sqrt(1.3 / 5)
    first = W[0] @ x.T
    second = W[1] @ first
    found = action(net, x, [first, second])
    with mp.workdps(300):
        h = mp.matrix(first.tolist())
        G = mp.mpf(net.C_W[1]) / 5 * (h.T * h)
        phi = mp.matrix(second.tolist())
        gaussian = sum((phi * mp.inverse(G) * phi.T)[i, i] for i in range(4)) / 2
        determinant = 2 * mp.log(mp.det(2 * mp.pi * G))
    # rounding of `second` itself is felt as 1e-16 / gap of a standard deviation
    assert found.gaussian_by_layer[1] == pytest.approx(float(gaussian), rel=1e-14 / gap)
    assert found.determinant_by_layer[1] == pytest.approx(float(determinant), rel=1e-14 / gap)


def test_singular_kernels_of_inputs_of_any_size():
    # Parallel inputs (a, s a): R R^T with R = (1, s), so pdet = G_11 (1 + s^2).
    for s in (1e-12, 3.0, 1e9):
        net = Network((2, 2), "tanh", 1.0)
        x = np.array([[1.0, 0.5], [s, 0.5 * s]])
        phi = np.array([[0.3, 0.3 * s], [-1.0, -s]])
        found = action(net, x, [phi])
        G = 1.25 / 2
        assert found.gaussian == pytest.approx(0.5 * (0.3**2 + 1.0) / G, rel=1e-12)
        assert found.determinant == pytest.approx(np.log(2 * np.pi * G * (1 + s * s)), rel=1e-12)
        by_kernel = action(net, kernel=net.first_kernel(x), preactivations=[phi])
        assert by_kernel.total == pytest.approx(found.total, rel=1e-6)


NET = network((2, 3, 2))
GOOD = [np.full((3, 2), 0.5), np.full((2, 2), 0.1)]


@pytest.mark.parametrize(
    ("given", "message"),
    [
        (None, "one array .n_l, N. or .B, n_l, N. for each of the layers 1 to 2, got 0"),
        (GOOD[:1], "got 1 arrays"),
        ([GOOD[0].T, GOOD[1]], r"layer 1 must have shape \(3, 2\) or \(B, 3, 2\), .*transpose"),
        ([GOOD[0], GOOD[1][:, 0]], r"layer 2 must have shape \(2, 2\), got \(2,\); for one"),
        ([np.zeros((4, 3, 2)), GOOD[1]], r"layer 2 .* \(4, 2, 2\), as many configurations"),
        ([GOOD[0], np.full((2, 2), np.nan)], r"layer 2 entry \(0, 0\) is nan"),
    ],
)
def test_wrong_preactivations_are_refused(given, message):
    with pytest.raises(ValueError, match=message):
        action(NET, np.eye(2), given)


def test_wrong_types_are_refused():
    with pytest.raises(TypeError, match="must be a nneft.Network, got str"):
        action("tanh", np.eye(2), GOOD)
    with pytest.raises(TypeError, match="preactivations must be a sequence, .* got int"):
        action(NET, np.eye(2), 3)
    with pytest.raises(TypeError, match="layer 2 must be an array of real numbers"):
        action(NET, np.eye(2), [GOOD[0], [["a", "b"]]])
    with pytest.raises(ValueError, match="give either inputs= or kernel="):
        action(NET, None, GOOD)


def test_outside_the_support_is_refused_by_layer_and_distance():
    net = network((2, 3, 2), C_b=0.0)
    x = np.array([[1.0, 2.0], [1.0, 2.0]])  # equal inputs
    inside, outside = np.array([[0.3, 0.3]] * 3), np.array([[0.2, 0.2], [0.4, -0.4]])
    assert np.isfinite(action(net, x, [inside, inside[:2]]).total)
    with pytest.raises(ValueError, match=r"G\^\(2\), .* rank 1 for 2 inputs, but neuron 1 leaves"):
        action(net, x, [inside, outside])
    with pytest.raises(ValueError, match=r"neuron 1 of configuration 1 leaves it by 0\.\d+ "):
        action(net, x, [np.stack([inside] * 2), np.stack([inside[:2], outside])])
    with pytest.raises(ValueError, match="layer 1 .* neuron 0 leaves it where an input's variance"):
        action(net, np.array([[1.0, 0.0], [0.0, 0.0]]), [inside, inside[:2]])
    with pytest.raises(ValueError, match="such a configuration has zero density"):
        action(net, x, [inside * [1.0, 1.0 + 1e-5], inside[:2]])


def test_overflow_is_named():
    net = Network((1, 1, 1), "exp(x)", 1.0, 0.1)
    with pytest.raises(NumericsError, match=r"preactivations of layer 1 in configuration 1 is not"):
        action(net, [[1.0]], [np.array([[[1.0]], [[800.0]]]), np.ones((2, 1, 1))])
    with pytest.raises(NumericsError, match="Gaussian part .* overflows .* at layer 2"):
        action(net, [[1.0]], [[[1.0]], [[1e200]]])
    # A kernel beyond double precision is no obstacle where only its logarithm is wanted.
    large = action(net, [[1.0]], [[[700.0]], [[1.0]]])
    assert large.determinant_by_layer[1] == pytest.approx(0.5 * np.log(2 * np.pi) + 700.0)


def test_it_says_what_it_is():
    assert repr(action(NET, np.eye(2), GOOD)).startswith("Action(total=")
    stacked = [np.stack([one] * 4) for one in GOOD]
    assert repr(action(NET, np.eye(2), stacked)) == "Action(4 configurations, 2 layers)"
