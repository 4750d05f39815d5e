"""Single components of what a flow holds: which to show, under what name."""

from __future__ import annotations

import re
from collections.abc import Sequence
from itertools import groupby
from typing import TYPE_CHECKING, NamedTuple

from nneft.rg.holding import names

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    from nneft.rg.flow import Flow

#: Most components shown of all that a flow holds, unless some are asked for.
MOST_SHOWN = 24
#: Further places shown of the kernels and of V_4 where there are two inputs or more.
FURTHER = {1: (1, 1), 2: (0, 0, 1, 1)}
#: Fewest equal pairs that are written ``(0,1)*3``.
FEWEST_REPEATED = 3

_INDEX = r"\s*([+-]?\d+)\s*"
_PAIR = re.compile(rf"{_INDEX},{_INDEX}")
_REPEATED = re.compile(rf"\s*\({_INDEX},{_INDEX}\)\s*\*\s*(\d{{1,3}})\s*")

Place = tuple[int, ...]


class Shown(NamedTuple):
    """One component to show: of ``k`` pairs at one order in 1/n, called ``quantity``."""

    quantity: str
    k: int
    order: int
    place: Place


class Component(NamedTuple):
    """One component, layer by layer: its quantity (``"K_0"``), its place, its values (L,)."""

    quantity: str
    place: Place
    values: NDArray[np.float64]

    @property
    def name(self) -> str:
        """``V_6[0,1;0,1;0,1]``."""
        return f"{self.quantity}[{_pairs(self.place)}]"

    @property
    def brief(self) -> str:
        """``V_6[(0,1)*3]``."""
        return f"{self.quantity}{brief(self.place)}"


def place(text: str) -> Place:
    """``"0,1"``, a pair of inputs, to (0, 1); ``"0,1;2,3"`` and ``"(0,1)*3"``, several of them.

    Raises
    ------
    ValueError
        Anything else.
    """
    found: list[int] = []
    for entry in text.split(";"):
        once, repeated = _PAIR.fullmatch(entry), _REPEATED.fullmatch(entry)
        if once:
            found += [int(once[1]), int(once[2])]
        elif repeated and int(repeated[3]):
            found += [int(repeated[1]), int(repeated[2])] * int(repeated[3])
        else:
            raise ValueError(
                "--at: wanted pairs of inputs: 0,1 for the kernel, 0,1;2,3 for V_4, "
                f"0,1;0,1;1,1 or (0,1)*3 for V_6, got {text!r}"
            )
    return tuple(found)


def places(asked: Sequence[str], count: int, order: int) -> list[Place]:
    """Places of the components asked for, each once.

    Raises
    ------
    ValueError
        An input's number out of range, or a correlator that the order does not hold.
    """
    found = list(dict.fromkeys(place(text) for text in asked))
    for at in found:
        if not all(0 <= i < count for i in at):
            raise ValueError(f"--at: inputs are numbered from 0 to {count - 1}, got {brief(at)}")
        needed = len(at) // 2 - 1
        if needed > order:
            raise ValueError(
                f"--at: V_{len(at)}{brief(at)} is not held at --order {order}; use --order {needed}"
            )
    return found


def every_order(places: Sequence[Place], order: int) -> list[Shown]:
    """What is held at the places, at every order in 1/n; kernels first."""
    return [
        Shown(quantity, k, q, at)
        for quantity, k, q in names(order)
        for at in places
        if len(at) == 2 * k
    ]


def first(count: int, order: int) -> list[Shown]:
    """A few of each quantity, at most `MOST_SHOWN` if more than the first input's are to be shown.

    All ``K_p`` and the leading ``V_2k`` come before the corrections to these, the first input
    before the second.
    """
    held = names(order)
    leading = [(name, k, q) for name, k, q in held if k == 1 or q == 0]
    others = [entry for entry in held if entry not in leading]
    rounds = [
        [Shown(*entry, (0, 0) * entry[1]) for entry in leading],
        [Shown(*entry, (0, 1) * entry[1]) for entry in leading],
        [Shown(*entry, FURTHER[entry[1]]) for entry in leading if entry[1] in FURTHER],
        [Shown(*entry, (0, 0) * entry[1]) for entry in others],
        [Shown(*entry, (0, 1) * entry[1]) for entry in others],
    ]
    chosen: list[Shown] = []
    for more in rounds:
        inside = [shown for shown in more if max(shown.place) < count]
        if not chosen or len(chosen) + len(inside) <= MOST_SHOWN:
            chosen += inside
    rank = {name: i for i, (name, _, _) in enumerate(held)}
    return sorted(chosen, key=lambda shown: rank[shown.quantity])


def read(flow: Flow, shown: Sequence[Shown]) -> list[Component]:
    """The components' values, one at a time: no dense correlator is built."""
    return [
        Component(
            quantity,
            at,
            flow.K(order)[:, at[0], at[1]] if k == 1 else flow.V(2 * k, order, at=at),
        )
        for quantity, k, order, at in shown
    ]


def brief(place: Place) -> str:
    """``[0,1;2,3]``, indices of the arrays that the library returns; ``[(0,1)*3;1,1]``."""
    runs = [
        (pair, len(list(run))) for pair, run in groupby(zip(place[::2], place[1::2], strict=True))
    ]
    return "[" + ";".join(_run(_pairs(pair), times) for pair, times in runs) + "]"


def _run(pair: str, times: int) -> str:
    return f"({pair})*{times}" if times >= FEWEST_REPEATED else ";".join([pair] * times)


def _pairs(place: Sequence[int]) -> str:
    return ";".join(f"{a},{b}" for a, b in zip(place[::2], place[1::2], strict=True))
