"""Single components of a flow's kernels and vertices: which to show, under what name."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, NamedTuple

from nneft.cli import options

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    from nneft.rg.flow import Flow

#: What is shown of two inputs and more unless other components are asked for.
FIRST_KERNELS = ((0, 0), (0, 1), (1, 1))
FIRST_VERTICES = ((0, 0, 0, 0), (0, 1, 0, 1), (0, 0, 1, 1))


class Component(NamedTuple):
    """One component, layer by layer: its quantity (``"K_0"``), its name, its values (L,)."""

    quantity: str
    name: str
    values: NDArray[np.float64]


def places(asked: Sequence[str], count: int, order: int) -> list[tuple[int, ...]]:
    """Places of the components asked for (``"0,1"``, ``"0,1;0,1"``), or of a few of each quantity.

    Raises
    ------
    ValueError
        An input's number out of range, or a vertex that the order does not hold.
    """
    if not asked:
        return _first(count, order)
    found = [options.component(text) for text in asked]
    for place in found:
        if not all(0 <= i < count for i in place):
            raise ValueError(f"--at: inputs are numbered from 0 to {count - 1}, got {name(place)}")
        if len(place) == 4 and order < 1:
            raise ValueError(
                f"--at: V_4{name(place)} is not held at --order {order}; use --order 1"
            )
    return found


def components_at(flow: Flow, places: Sequence[tuple[int, ...]]) -> list[Component]:
    """The components at the places, kernels of every order held first."""
    kernels = [
        Component(f"K_{p}", f"K_{p}{name(pair)}", flow.K(p)[:, *pair])
        for p in range(flow.order + 1)
        for pair in places
        if len(pair) == 2
    ]
    vertices = [
        Component("V_4", f"V_4{name(place)}", flow.V(4, at=place))
        for place in places
        if len(place) == 4
    ]
    return kernels + vertices


def name(place: Sequence[int]) -> str:
    """``[0,1]`` or ``[0,1;2,3]``, as indices of the arrays that the library returns."""
    return "[" + ";".join(f"{a},{b}" for a, b in zip(place[::2], place[1::2], strict=True)) + "]"


def _first(count: int, order: int) -> list[tuple[int, ...]]:
    places: list[tuple[int, ...]] = list(FIRST_KERNELS)
    if order >= 1:
        places += FIRST_VERTICES
    return [place for place in places if max(place) < count]
