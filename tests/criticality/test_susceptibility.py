"""Susceptibilities against difference quotients, closed forms and the flow's own responses."""

import numpy as np
import pytest

from nneft.activations import resolve
from nneft.conventions import pairs
from nneft.criticality import critical_point, susceptibility
from nneft.gaussian import expectations
from nneft.network import Network

KERNEL = np.array([[1.0, 0.3, -0.2], [0.3, 0.8, 0.5], [-0.2, 0.5, 1.4]])
ACTIVATIONS = ["tanh", "gelu", "relu", "elu", "selu", "erf", "sigmoid", "min(max(x, -1), 1)"]


@pytest.mark.parametrize("name", ACTIVATIONS)
def test_the_matrix_is_the_derivative_of_the_kernel(name: str) -> None:
    C_W, C_b, h = 1.7, 0.2, 1e-5
    found = susceptibility(name, C_W=C_W, C_b=C_b, kernel=KERNEL)
    sigma = resolve(name)

    def image(K: np.ndarray) -> np.ndarray:
        return C_b + C_W * expectations.pair_products(sigma, K).values

    assert found.image == pytest.approx(image(KERNEL), rel=1e-12)
    for q, (c, d) in enumerate(pairs(3)):
        shift = np.zeros((3, 3))
        shift[c, d] = shift[d, c] = h
        quotient = (image(KERNEL + shift) - image(KERNEL - shift)) / (2.0 * h)
        column = [quotient[a, b] for a, b in found.pairs]
        assert found.matrix[:, q] == pytest.approx(column, abs=3e-9)


def test_relu_is_right_where_automatic_differentiation_is_not() -> None:
    found = susceptibility("relu", C_W=2.0, C_b=0.0, kernel=[[1.0, 0.3], [0.3, 0.8]])
    assert found.pairs == ((0, 0), (0, 1), (1, 1))
    assert found.matrix[1, 0] == pytest.approx(0.134106, abs=5e-7)
    # C_W/2 <delta(x) relu(y)> = sqrt(det K) / (2 pi K_11)
    assert found.matrix[1, 0] == pytest.approx(np.sqrt(0.8 - 0.09) / (2 * np.pi), rel=1e-13)


@pytest.mark.parametrize("name", ["tanh", "relu", "elu"])
def test_bilocal_is_over_ordered_arguments(name: str) -> None:
    found = susceptibility(name, C_W=1.3, C_b=0.1, kernel=KERNEL)
    chi = found.bilocal
    assert chi.shape == (3, 3, 3, 3)
    for axes in ((1, 0, 2, 3), (0, 1, 3, 2)):
        assert np.array_equal(chi, chi.transpose(axes))
    # what an arbitrary symmetric change of the kernel does, either way
    change = np.array([[0.3, -0.1, 0.4], [-0.1, 0.2, 0.5], [0.4, 0.5, -0.7]])
    by_pairs = found.matrix @ [change[a, b] for a, b in found.pairs]
    ordered = np.einsum("abcd,cd->ab", chi, change)
    assert [ordered[a, b] for a, b in found.pairs] == pytest.approx(by_pairs, rel=1e-14)
    assert chi[0, 1, 0, 1] == pytest.approx(0.5 * found.matrix[1, 1], rel=1e-15)
    assert chi[0, 0, 0, 0] == found.matrix[0, 0]


@pytest.mark.parametrize("name", ["tanh", "relu", "selu"])
def test_the_spectrum_is_the_diagonal(name: str) -> None:
    found = susceptibility(name, C_W=1.3, C_b=0.1, kernel=KERNEL)
    numerical = np.sort(np.linalg.eigvals(found.matrix).real)[::-1]
    assert found.spectrum == pytest.approx(numerical, rel=1e-9)
    assert found.depth_scales == pytest.approx(-1.0 / np.log(found.spectrum), rel=1e-12)


def test_one_input_gives_numbers() -> None:
    point = susceptibility("tanh", C_W=4.0, C_b=0.0, kernel=2.1214735682)
    assert isinstance(point.parallel, float) and isinstance(point.perpendicular, float)
    assert point.parallel == pytest.approx(0.3309671, abs=5e-8)
    assert point.matrix == pytest.approx(np.array([[point.parallel]]))
    three = susceptibility("tanh", C_W=4.0, C_b=0.0, kernel=KERNEL)
    assert np.shape(three.parallel) == np.shape(three.perpendicular) == (3,)


@pytest.mark.parametrize("name", ["tanh", "gelu", "elu", "selu", "relu"])
def test_coincident_inputs_are_the_limit_of_close_ones(name: str) -> None:
    at = susceptibility(name, C_W=1.5, C_b=0.0, kernel=[[0.9, 0.9], [0.9, 0.9]])
    assert at.matrix[1, 1] == pytest.approx(at.perpendicular[0], rel=1e-12)
    close = susceptibility(name, C_W=1.5, C_b=0.0, kernel=[[0.9, 0.9 - 1e-10], [0.9 - 1e-10, 0.9]])
    assert at.matrix == pytest.approx(close.matrix, abs=1e-4)
    # moving all entries together moves the kernel as one input does
    assert at.matrix.sum(axis=1) == pytest.approx(at.parallel[0], rel=1e-12)


@pytest.mark.parametrize("name", ["linear", "tanh", "erf", "gelu", "silu", "mish"])
def test_at_a_critical_point_close_inputs_have_the_identity(name: str) -> None:
    point = critical_point(name)
    K = 1.0 if point.kernel is None else point.kernel
    kernel = np.full((2, 2), K) if K > 0.0 else 1e-9 * np.array([[1.0, 0.4], [0.4, 0.7]])
    found = susceptibility(name, C_W=point.C_W, C_b=point.C_b, kernel=kernel)
    assert found.distance < 1e-8
    # and nowhere else
    off = susceptibility(name, C_W=1.1 * point.C_W, C_b=point.C_b, kernel=kernel)
    assert off.distance == pytest.approx(0.1, rel=1e-3)


def test_relu_is_critical_for_one_input_but_not_the_identity_for_two() -> None:
    found = susceptibility("relu", C_W=2.0, C_b=0.0, kernel=[[1.0, 0.3], [0.3, 1.0]])
    assert found.parallel == pytest.approx(1.0) and found.perpendicular == pytest.approx(1.0)
    # C_W <sigma'_1 sigma'_2> = (pi - theta)/pi
    assert found.matrix[1, 1] == pytest.approx(1.0 - np.arccos(0.3) / np.pi, rel=1e-13)
    assert found.distance > 0.1


def test_wrong_calls() -> None:
    with pytest.raises(ValueError, match="C_W must be positive"):
        susceptibility("tanh", C_W=0.0, C_b=0.0, kernel=1.0)
    with pytest.raises(ValueError, match="kernel"):
        susceptibility("tanh", C_W=1.0, C_b=0.0, kernel=[[1.0, 2.0], [2.0, 1.0]])
    with pytest.raises(ValueError, match="discontinuous"):
        susceptibility("where(x > 0, 1, 0)", C_W=1.0, C_b=0.0, kernel=1.0)
    with pytest.raises(ValueError, match="GiB"):
        susceptibility("tanh", C_W=1.0, C_b=0.0, kernel=np.eye(300))


def test_a_flow_uses_the_same_derivatives() -> None:
    from nneft.rg.averages import averages

    network = Network((1, 1), "selu", 1.2, 0.1)
    found = susceptibility("selu", C_W=1.2, C_b=0.1, kernel=KERNEL)
    other = averages(network.activation, KERNEL, derivatives=True)
    for p, entries in enumerate(other.entries):
        kept = {int(e): 1.2 * v for e, v in zip(entries, other.first.values[p]) if v != 0.0}
        for q, value in kept.items():
            assert found.matrix[p, q] == pytest.approx(value, rel=1e-12)
