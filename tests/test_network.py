"""The network's own laws: the first kernel, and what is refused."""

import dataclasses
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

import nneft
from nneft.conventions import pairs
from nneft.network import Network

NET = Network(widths=(2, 300, 300), activation="tanh", C_W=1.0, C_b=0.0)


def test_attributes() -> None:
    net = nneft.Network(widths=(np.int64(3), 5, 7), activation="relu", C_W=[1, 2], C_b=0.25)
    assert net.widths == (3, 5, 7)
    assert all(type(n) is int for n in net.widths)
    assert net.depth == 2
    assert net.activation.name == "relu"
    assert net.C_W.tolist() == [1.0, 2.0]
    assert net.C_b.tolist() == [0.25, 0.25]
    assert net.C_W.dtype == net.C_b.dtype == np.float64
    with pytest.raises(ValueError, match="read-only"):
        net.C_W[0] = 3.0
    with pytest.raises(dataclasses.FrozenInstanceError):
        net.widths = (1, 2)  # type: ignore[misc]


def test_given_arrays_are_not_shared() -> None:
    c = np.array([1.0, 2.0])
    net = Network((2, 3, 4), "tanh", c)
    c[0] = 9.0
    assert net.C_W[0] == 1.0


def test_first_kernel_by_hand() -> None:
    # the paper's first two inputs: G = C_b + C_W x.x'/2
    net = Network((2, 300), "tanh", C_W=3.0, C_b=0.5)
    found = net.first_kernel([[1.0, 1.0], [-1.4, 2.0]])
    np.testing.assert_allclose(found, [[3.5, 1.4], [1.4, 9.44]], rtol=1e-15)
    assert net.first_kernel([1.0, 1.0]).tolist() == [[3.5]]
    assert net.first_kernel(kernel=2.0).tolist() == [[2.0]]


@given(arrays(np.float64, (5, 2), elements=st.floats(-1e3, 1e3)))
def test_first_kernel_is_symmetric_and_goes_in_again(x: Any) -> None:
    g = NET.first_kernel(x)
    np.testing.assert_array_equal(g, g.T)
    np.testing.assert_array_equal(NET.first_kernel(kernel=g), g)


def test_rounding_is_forgiven() -> None:
    g = np.array([[1.0, 1.0], [1.0 + 1e-15, 1.0 - 1e-14]])
    found = NET.first_kernel(kernel=g)
    np.testing.assert_array_equal(found, found.T)
    assert not np.any(NET.first_kernel(kernel=np.zeros((2, 2))))


@pytest.mark.parametrize(
    ("widths", "message"),
    [
        ((2, 0), "each width must be a positive integer, got 0"),
        ((2, -3), "got -3"),
        ((2, 2.5), "got 2.5"),
        ((2, 300.0), "got 300.0"),
        ((2, True), "got True"),
        ((2, "3"), "got '3'"),
        ((2,), "at least one layer"),
        ((), "at least one layer"),
    ],
)
def test_wrong_widths(widths: Any, message: str) -> None:
    with pytest.raises(ValueError, match=message):
        Network(widths, "tanh", 1.0)


def test_widths_must_be_a_sequence() -> None:
    with pytest.raises(TypeError, match="sequence of positive integers"):
        Network(3, "tanh", 1.0)  # type: ignore[arg-type]


@pytest.mark.parametrize("name", ["C_W", "C_b"])
@pytest.mark.parametrize(
    ("value", "message"),
    [
        (-1.0, "finite and not negative, got -1.0"),
        (np.nan, "finite and not negative, got nan"),
        ([1.0, np.inf], "finite and not negative"),
        ([1.0, 2.0, 3.0], r"one for each of the 2 layers, got an array of shape \(3,\)"),
        ([[1.0, 2.0]], "for each of the 2 layers"),
        ("a", "must be real numbers, got 'a'"),
        (1j, "must be real numbers"),
        (None, "must be real numbers, got None"),
        (True, "must be real numbers, got True"),
        ([[1], [2, 3]], "must be real numbers"),
    ],
)
def test_wrong_variances(name: str, value: Any, message: str) -> None:
    options = {"C_W": 1.0, "C_b": 0.0} | {name: value}
    with pytest.raises(ValueError, match=f"{name} .*{message}|{name} {message}"):
        Network((2, 3, 4), "tanh", **options)


def test_unknown_activation() -> None:
    with pytest.raises(ValueError, match="did you mean 'tanh'"):
        Network((2, 3), "tahn", 1.0)


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({}, "either inputs= or kernel= .* got neither"),
        ({"inputs": [1, 1], "kernel": [[1]]}, "got both"),
        ({"inputs": [[1, 2, 3]]}, r"shape \(N, 2\).*got shape \(1, 3\)"),
        ({"inputs": 1.0}, r"got shape \(\)"),
        ({"inputs": np.zeros((0, 2))}, "at least one input"),
        ({"inputs": [[1, 2], [np.nan, 0]]}, "input 1 has NaN or inf"),
        ({"inputs": [["a", "b"]]}, "real numbers"),
        ({"inputs": [[1e200, 1e200]]}, "overflows"),
        ({"kernel": [[1, 2]]}, r"square.*got shape \(1, 2\)"),
        ({"kernel": np.zeros((0, 0))}, "square"),
        ({"kernel": [[1, np.inf], [np.inf, 1]]}, r"entry \(0, 1\) is inf"),
        ({"kernel": [[1, 0.5], [0.4, 1]]}, r"symmetric.* \(0, 1\) and \(1, 0\) are 0.5 and 0.4"),
        ({"kernel": [[1, 2], [2, 1]]}, "most negative eigenvalue is -1;"),
        ({"kernel": -1.0}, "most negative eigenvalue is -1;"),
    ],
)
def test_wrong_inputs_and_kernels(options: dict[str, Any], message: str) -> None:
    with pytest.raises(ValueError, match=message) as caught:
        NET.first_kernel(**options)
    assert "\n" not in str(caught.value)


def test_pairs_follow_the_upper_triangle() -> None:
    assert pairs(3) == [(0, 0), (0, 1), (0, 2), (1, 1), (1, 2), (2, 2)]
    assert pairs(0) == []
    for n in range(6):
        assert pairs(n) == list(zip(*(i.tolist() for i in np.triu_indices(n)), strict=True))
    with pytest.raises(ValueError, match="0 or more, got -1"):
        pairs(-1)
    with pytest.raises(TypeError):
        pairs(2.0)  # type: ignore[arg-type]
