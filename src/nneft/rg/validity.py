"""How wide a network must be for the orders held in 1/n to be good at each of its depths.

At hidden widths ``s n_1, s n_2, ..`` term q of a series is ``t_q s^-q`` of what it is at the
network's own. With ``x = 1/s`` the order held is good to a tolerance tau as long as

    E x^(Q+1) <= tau |t_0 + t_1 x + .. + t_Q x^Q| ,   and terms fall,

where E is the most that the term not held can be by the growth of those that are
(`nneft.rg.remainder`, which scales as that power). Both ends are roots of polynomials: nothing is
searched for.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from math import ceil, inf
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from nneft.gaussian.base import Array
from nneft.rg.one_component import component, narrowest_width
from nneft.rg.remainder import remainder

if TYPE_CHECKING:
    from nneft.rg.flow import Flow

#: Nothing is promised of narrower networks: what is of all orders in 1/n small, as ``exp(-n)`` is,
#: no estimate from the terms of a series can see.
LEAST_WIDTH = 6.0


@dataclass(frozen=True, eq=False, repr=False)
class Validity:
    """Where the orders held in 1/n are good to a tolerance. Index 0 is layer 1.

    Names are ``"mean"`` and ``"V_4"``, ``"V_6"`` ..; each the worst of the inputs, taken alone.

    Attributes
    ----------
    tolerance
        Largest part of the sum that the neglected term may be.
    order
        Order in 1/n of the flow.
    width
        The network's narrowest hidden width.
    eps : name to (L,)
        The largest ``1/n``, n the narrowest hidden width and the others in their ratios, at which
        the layer is good; inf where nothing is neglected.

    Notes
    -----
    The neglected term is taken as the most that the growth of those held allows. That is no proof;
    nothing is promised below a width of 6 unless nothing is neglected. Held against the exact law
    of one input's kernel, from the least width on up to 80, the mean to ``V_6`` at all layers: 14
    networks of 8 to 20 equally wide layers (tanh, erf, sin, ReLU, GELU, SiLU, SELU, linear;
    critical and not), orders 1 to 5, some 1500 promises at each tolerance
    (``tests/rg/test_validity.py``). Widths are those over the least that would do, where that is
    10 or more:

    ========= ===== ================== ============= =========================
    tolerance kept  within three times width, median width, nine of ten below
    ========= ===== ================== ============= =========================
    0.1       99.9% all                1.7           3.5
    0.05      99.3% all                1.7           3.5
    0.02      97.9% 99.9%              1.7           3.1
    0.01      97.4% 99.2%              1.7           2.7
    ========= ===== ================== ============= =========================

    Where a leading term changes sign between two layers the widths of the few layers around are
    large: a small part of nearly nothing is asked for. The last layer's do not depend on them.
    """

    tolerance: float
    order: int
    width: int
    eps: Mapping[str, Array]

    @property
    def ratio(self) -> dict[str, Array]:
        """Name to (L,): the largest ``l/n`` at which layer l is good."""
        return {name: np.arange(1, len(e) + 1) * e for name, e in self.eps.items()}

    @property
    def largest_ratio(self) -> dict[str, float]:
        """Name to the largest ``L/n`` at which the last layer, L, is good."""
        return {name: float(r[-1]) for name, r in self.ratio.items()}

    @property
    def smallest_width(self) -> dict[str, Array]:
        """Name to (L,): the least narrowest hidden width at which the layer is good, a float.

        A whole number, 1 or more; inf where the order held is good at no width.
        """
        return {name: np.array([_width(x) for x in e]) for name, e in self.eps.items()}

    @property
    def depth(self) -> dict[str, int]:
        """Name to the last layer up to which all are good at the network's own widths."""
        good = {name: w <= self.width for name, w in self.smallest_width.items()}
        return {n: len(g) if np.all(g) else int(np.argmin(g)) for n, g in good.items()}

    def __repr__(self) -> str:
        to = ", ".join(f"{name} to L/n = {r:.3g}" for name, r in self.largest_ratio.items())
        return f"Validity(order {self.order}, tolerance {self.tolerance:g}: {to})"

    def __str__(self) -> str:
        lines = [f"{self._verdict()}", "", "quantity  good to layer  up to L/n  least width at L"]
        for name in self.eps:
            ratio, width = self.largest_ratio[name], self.smallest_width[name][-1]
            cells = f"{self.depth[name]:>13}  {ratio:>9.3g}  {width:>16.0f}"
            lines.append(f"{name:<8}  {cells}")
        return "\n".join(lines)

    def _verdict(self) -> str:
        last = len(next(iter(self.eps.values())))
        what = f"at width {self.width}, order {self.order} in 1/n is good to {self._percent}"
        good = [name for name, to in self.depth.items() if to == last]
        rest = [f"{name} to layer {to}" for name, to in self.depth.items() if to < last]
        if not rest:
            return f"{what} in all {last} layers"
        where = [f"in all {last} layers for {', '.join(good)}"] if good else []
        needed = max(float(np.max(w)) for w in self.smallest_width.values())
        cure = "no width is enough" if needed == inf else f"width {needed:.0f} is needed"
        return f"{what} {'; '.join([*where, ', '.join(rest)])}; for all of them {cure}"

    @property
    def _percent(self) -> str:
        return f"{100 * self.tolerance:g}%"


def validity(flow: Flow, tolerance: float = 0.1) -> Validity:
    """Where the orders held in 1/n are good to a tolerance, for the mean kernel and each V_2k.

    Each quantity is judged at the orders held of it: the mean to order P, ``V_2k`` to relative
    order ``P + 1 - k``; ``V_{2P+2}``, of which one term is held, is not judged. How far to trust
    the judgement is told by `Validity`.

    Parameters
    ----------
    flow
        Of order 1 or more.
    tolerance
        Between 0 and 1: largest estimate of the neglected term, as a part of the sum.

    Raises
    ------
    ValueError, TypeError
        A tolerance out of range, a flow of order 0.
    """
    wanted = f"tolerance must be between 0 and 1, got {tolerance!r}"
    if isinstance(tolerance, bool) or not isinstance(tolerance, int | float | np.number):
        raise TypeError(wanted)
    if not 0.0 < tolerance < 1.0:
        raise ValueError(wanted)
    if flow.order == 0:
        raise ValueError(
            "a flow of order 0 holds no correction in 1/n to judge it by; "
            "call nneft.flow(network, inputs, order=1)"
        )
    width, inputs = narrowest_width(flow), range(len(flow.reduction.of))
    found: dict[str, Array] = {}
    for k in range(1, flow.order + 1):
        each = [component(flow, 2 * k, (a,) * (2 * k)) for a in inputs]
        largest = [_largest(*c.at(flow, 1.0, c.order), tolerance) for c in each]
        eps = np.min(largest, axis=0) / width
        # Nothing to neglect is exact at any width.
        eps = np.where(np.isinf(eps), eps, np.minimum(eps, 1.0 / LEAST_WIDTH))
        found["mean" if k == 1 else f"V_{2 * k}"] = eps
    return Validity(tolerance=tolerance, order=flow.order, width=width, eps=found)


def _largest(terms: Array, errors: Array, tolerance: float) -> Array:
    """(L,): the largest ``x = 1/s`` at which each layer is good, from its terms at s = 1."""
    left = remainder(terms, errors)
    return np.array(
        [
            _end(terms[:, i], float(left.most[i]), left.last[:, i], tolerance)
            for i in range(terms.shape[1])
        ]
    )


def _end(terms: Array, following: float, last: Array, tolerance: float) -> float:
    if following == 0.0 or not np.any(terms):
        return inf
    if following == inf or terms[0] == 0.0:
        return 0.0
    # Terms fall: E x^(Q+1) < s_{Q-j} x^(Q-j) for one of the last ones
    falling = max((s / following) ** (1.0 / j) for j, s in enumerate(last[::-1], start=1))
    # tau (1 + (t_1/t_0) x + ..) = E x^(Q+1), relative to the leading term
    gap = np.append(tolerance * terms / terms[0], -following)
    return min(float(falling), _first_root(gap))


def _first_root(polynomial: Array) -> float:
    """The smallest positive root; inf if there is none."""
    roots: NDArray[np.complex128] = np.polynomial.polynomial.polyroots(polynomial).astype(complex)
    # Two that nearly meet have rounded imaginary parts.
    real = roots.real[(np.abs(roots.imag) < 1e-3 * np.abs(roots)) & (roots.real > 0.0)]
    return float(np.min(real, initial=inf))


def _width(eps: float) -> float:
    if eps == 0.0:
        return inf
    # Not one more for the rounding of a quotient.
    return max(1.0, float(ceil(1.0 / eps - 1e-9)))
