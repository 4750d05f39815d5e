"""Which components are shown, what they are called, and that they are those of the arrays."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

import nneft
from nneft.cli.components import MOST_SHOWN, brief, every_order, first, place, places, read
from nneft.rg.holding import names

index = st.integers(0, 12)
pairs = st.lists(st.tuples(index, index), min_size=1, max_size=9)


def test_places_are_read() -> None:
    assert place("0,1") == (0, 1)
    assert place("0,1;2,3") == (0, 1, 2, 3)
    assert place(" (0, 1) * 3 ; 1,1") == (0, 1, 0, 1, 0, 1, 1, 1)


@given(pairs)
def test_what_is_written_is_read_back(some: list[tuple[int, int]]) -> None:
    at = tuple(i for pair in some for i in pair)
    assert place(brief(at).strip("[]")) == at


@pytest.mark.parametrize(
    "text", ["", "0", "0,1;", "0,1,2", "a,b", "0.5,1", "(0,1)*0", "(0,1)*", "0,1*3", "(0,1)*1000"]
)
def test_other_texts_are_refused_in_one_line(text: str) -> None:
    with pytest.raises(ValueError, match="--at: wanted pairs of inputs") as caught:
        place(text)
    assert repr(text) in str(caught.value) and "\n" not in str(caught.value)


def test_a_place_asked_for_twice_is_shown_once() -> None:
    assert places(["0,1", "0,1", "(0,1)*1"], 2, 1) == [(0, 1)]


@pytest.mark.parametrize("count", [1, 2, 4])
@pytest.mark.parametrize("order", range(9))
def test_what_is_shown_unasked(count: int, order: int) -> None:
    shown = first(count, order)
    held = [name for name, _, _ in names(order)]
    ranks = [held.index(s.quantity) for s in shown]
    assert ranks == sorted(ranks) and len(set(shown)) == len(shown)
    assert all(len(s.place) == 2 * s.k and max(s.place) < count for s in shown)
    leading = {name for name, k, q in names(order) if k == 1 or q == 0}
    assert leading <= {s.quantity for s in shown if set(s.place) == {0}}
    assert len(shown) <= max(MOST_SHOWN, len(leading))


def test_orders_0_and_1_show_what_they_always_did() -> None:
    kernels, vertices = [(0, 0), (0, 1), (1, 1)], [(0, 0, 0, 0), (0, 1, 0, 1), (0, 0, 1, 1)]
    assert [s.place for s in first(3, 0)] == kernels
    assert [s.place for s in first(3, 1)] == kernels + kernels + vertices
    assert [(s.quantity, s.place) for s in first(1, 1)] == [
        *(("K_0", (0, 0)), ("K_1", (0, 0)), ("V_4", (0, 0, 0, 0)))
    ]


def test_values_are_those_of_the_dense_arrays() -> None:
    network = nneft.Network((2, 9, 11, 7), "sin(x)", 1.2, 0.1)
    flow = nneft.flow(network, [[1.0, 0.5], [-0.3, 0.8]], order=3)
    asked = places(["1,0", "0,1;1,1", "(1,0)*3", "0,0;0,1;1,1;0,1"], 2, 3)
    found = read(flow, every_order(asked, 3))
    assert [c.quantity for c in found] == [name for name, _, _ in names(3)]
    for component, (_, k, q) in zip(found, names(3), strict=True):
        dense = flow.K(q) if k == 1 else flow.V(2 * k, q)
        np.testing.assert_array_equal(component.values, dense[(slice(None), *component.place)])
    assert (found[-3].name, found[-3].brief) == ("V_6[1,0;1,0;1,0]", "V_6[(1,0)*3]")
