"""Deltas of homogeneous activations: against panels, and against differences of closed forms."""

from itertools import product

import numpy as np
import pytest

import nneft
from nneft import blobs
from nneft.activations import resolve
from nneft.blobs import Blob
from nneft.gaussian import deltas, nested

KERNEL = np.array(
    [[1.0, 0.3, 0.2, -0.1], [0.3, 0.8, 0.1, 0.4], [0.2, 0.1, 1.2, 0.3], [-0.1, 0.4, 0.3, 0.9]]
)
RELU, LEAKY = resolve("relu"), resolve("leaky_relu")


@pytest.mark.parametrize("activation", [RELU, LEAKY], ids=["relu", "leaky"])
@pytest.mark.parametrize("powers", [(1, 1), (2, 2), (3, 1), (2, 1)])
def test_pairs_agree_with_panels_across_the_kinks(activation, powers):
    terms = [(powers, orders) for orders in product(range(6), repeat=2)]
    found = deltas.moments(activation, KERNEL[:2, :2], terms)
    wanted = nested.moments(activation, KERNEL[:2, :2], terms)
    wrong = np.abs(found.values - wanted.values)
    assert np.all(wrong <= 10.0 * (found.errors + wanted.errors))
    assert np.all(found.errors <= 1e-13 * (1.0 + np.abs(found.values)))


def test_one_input_alone():
    # <delta> = 1/sqrt(2 pi K), <delta''> = -1/K of it; (relu^2)''' = 2 delta
    density = 1.0 / np.sqrt(2.0 * np.pi * 0.5)
    terms = [((1,), (2,)), ((1,), (3,)), ((1,), (4,)), ((2,), (3,))]
    found = deltas.moments(RELU, np.array([[0.5]]), terms)
    np.testing.assert_allclose(found.values, [density, 0.0, -2.0 * density, 2.0 * density])


@pytest.mark.parametrize(
    ("block", "entries", "by"),
    [
        (((0, 1), (1, 2)), (), (0, 0)),
        (((0, 1), (2, 3)), (), (0, 0)),
        (((0, 1), (1, 2)), ((0, 0),), (1, 1)),
        (((0, 1), (1, 2)), ((1, 1),), (1, 1)),
        (((1, 1), (0, 2)), ((1, 1), (2, 2)), (1, 1)),
        (((0, 1), (2, 3)), ((0, 0),), (2, 2)),
        (((0, 1), (2, 3)), ((0, 2), (3, 3)), (0, 1)),
    ],
)
def test_derivatives_of_blobs_by_differences(block, entries, by):
    """Each derivative is that of the one before, down to closed forms without any."""

    def value(shift):
        moved = KERNEL.copy()
        moved[by] += shift
        moved[by[::-1]] = moved[by]
        return blobs.cumulants(RELU, moved, [Blob.of(block, entries)], C_W=1.0).values[0]

    h = 3e-3
    near, far = (value(s) - value(-s) for s in (h, 2.0 * h))
    found = blobs.cumulants(RELU, KERNEL, [Blob.of(block, (*entries, by))], C_W=1.0)
    assert found.values[0] == pytest.approx((8.0 * near - far) / (12.0 * h), abs=1e-10)
    assert found.errors[0] < 1e-12


def test_an_input_that_is_fixed_as_well():
    """``y = -x``, and an input of variance zero: what diverges counts as 0."""
    opposite = np.array([[1.0, -1.0, 0.3], [-1.0, 1.0, -0.3], [0.3, -0.3, 1.0]])
    found = deltas.moments(RELU, opposite, [((1, 1, 2), (2, 0, 0)), ((1, 1, 2), (2, 2, 0))])
    # relu(-x) is 0 where x is
    np.testing.assert_array_equal(found.values, [0.0, 0.0])
    none = np.zeros((2, 2))
    assert deltas.moments(RELU, none, [((2, 1), (3, 1))]).values[0] == 0.0


def test_the_step_of_a_relu_network_at_many_inputs():
    """V_6 of any inputs of a ReLU network has all its blobs."""
    inputs = [[1.0, 1.0, 0.0], [-1.4, 2.0, 1.0], [0.6, -0.5, 2.0]]
    flow = nneft.flow(nneft.Network((3, 20, 30, 40), "relu", 2.0), inputs)
    at = (0, 1, 1, 2, 2, 0)
    mixed = nneft.diagrams(6)[1].value(flow, 3, at)
    assert mixed == pytest.approx(nneft.diagrams(6)[1].value(flow, 3, at[2:] + at[:2]), rel=1e-10)
    assert abs(mixed) > 1e-3
