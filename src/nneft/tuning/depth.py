"""How deep a network may be for its width before random seeds no longer agree."""

from dataclasses import dataclass
from math import ceil, inf

import numpy as np
from numpy.typing import ArrayLike

from nneft.conventions import pairs
from nneft.criticality import critical_point
from nneft.errors import NumericsError
from nneft.gaussian.base import Array
from nneft.network import Network
from nneft.rg.driver import flow
from nneft.rg.flow import Flow
from nneft.tuning.growth import growth_rate, optimal_ratio
from nneft.tuning.profile import leading_spread

#: How near to its activation's critical point a network counts as critical.
CLOSE = 1e-6
#: Relative differences between orders in 1/n that are worth a word, and that leave neither sure.
SEEN, UNSURE = 0.02, 0.25


@dataclass(frozen=True, eq=False)
class Budget:
    """Spread of the kernel between random seeds, and the depth it allows; index 0 is layer 1.

    Attributes
    ----------
    network
        The network.
    bound
        Largest relative spread that is allowed.
    spread : (L,)
        ``sqrt(Var G_ab / (<G_aa><G_bb>))`` of the worst pair of inputs: for a single one the
        relative standard deviation of its kernel.
    depth
        Last layer up to which it stays within the bound.
    width_factor
        By how much all hidden widths have to be multiplied for the whole network to stay within it,
        at leading order, where the spread falls as 1/sqrt(n).
    rate
        ``nu`` of ``spread^2 -> nu l/n`` at the critical point, one input; None elsewhere.
    reach
        The depth ``bound^2 n / nu`` that this allows in deep networks of the narrowest width; None
        without a rate.
    optimal_ratio, optimal_depth
        PDLT's depth / width, and the depth that is here; see `nneft.tuning.growth.optimal_ratio`.
    next_spread : (L,)
        The spread with the next order in 1/n, of one input where `spread` is the leading one: by
        how much the two differ is how far either can be trusted. None elsewhere.
    """

    network: Network
    bound: float
    spread: Array
    depth: int
    width_factor: float
    rate: float | None
    reach: float | None
    optimal_ratio: float | None
    optimal_depth: float | None
    next_spread: Array | None = None

    def __str__(self) -> str:
        return "\n".join([self.verdict, *self.reasons, "", *self._table()])

    @property
    def verdict(self) -> str:
        """Whether the network is within budget and what to do otherwise, in one line."""
        net, allowed = self.network, f"{100.0 * self.bound:g}%"
        name, depth = net.activation.name, net.depth
        last = f"{100.0 * self.spread[-1]:.3g}%"
        hidden = net.widths[1:-1] or net.widths[:1]
        widest, layers = max(hidden), _layers(depth)
        width = f"width {widest}" if widest == min(hidden) else f"widths up to {widest}"
        verb = "are" if depth > 1 else "is"
        if self.depth == depth:
            return (
                f"{name}: {layers} of {width} {verb} within budget; random seeds spread the "
                f"kernel by {last} at the last one, {allowed} are allowed"
            )
        return (
            f"{name}: {layers} {verb} too many for {width}; take {_layers(self.depth)} or width "
            f"{ceil(widest * self.width_factor)}. From layer {self.depth + 1} on random seeds "
            f"spread the kernel by more than the {allowed} allowed ({last} at the last one)"
        )

    @property
    def reasons(self) -> list[str]:
        """How sure the spread is, and the laws of deep networks: lines below the verdict."""
        return [*self._orders(), *self._rates()]

    def _orders(self) -> list[str]:
        """That the leading order is not all, where the next one is seen."""
        if self.next_spread is None:
            return []
        leading, better = float(self.spread[-1]), float(self.next_spread[-1])
        if abs(better - leading) <= SEEN * leading:
            return []
        said = (
            f"these are spreads to leading order in 1/n; the next order makes {100 * leading:.3g}% "
            f"at the last layer {100 * better:.3g}%"
        )
        if abs(better - leading) > UNSURE * leading:
            said += ": too deep for its width for either to be trusted; nneft.sample measures it"
        return [said]

    def _rates(self) -> list[str]:
        if self.rate is None or self.reach is None or self.optimal_ratio is None:
            return ["the network is not at a critical point of one input: no law for deep networks"]
        return [
            f"deep networks: spread^2 = {self.rate:.6g} depth/width, so about "
            f"{self.reach:.4g} layers at this width",
            f"PDLT's best depth/width for {self.network.widths[-1]} outputs: "
            f"{self.optimal_ratio:.3g}, that is {self.optimal_depth:.3g} layers",
        ]

    def _table(self) -> list[str]:
        depth = self.network.depth
        some = sorted(
            {1, 2, 3, *range(1, depth + 1, max(1, depth // 10)), depth} & {*range(depth + 1)}
        )
        return ["layer  spread", *(f"{l:>5}  {100.0 * self.spread[l - 1]:.3g}%" for l in some)]


def budget(
    network: Network,
    inputs: ArrayLike | None = None,
    *,
    kernel: ArrayLike | None = None,
    bound: float = 0.5,
    order: int = 1,
) -> Budget:
    """The depth that a width allows: predicted spread of the kernel between random seeds.

    Parameters
    ----------
    network
        Widths, activation and initialization.
    inputs, kernel
        Inputs, or the first layer's kernel; a number for one input.
    bound
        Largest relative spread allowed, above 0.
    order
        1: ``V_4 / n`` over ``K_0^2``, the leading order, which is too small by a relative
        ``O(depth/width)``. P >= 2: with the corrections that a flow of that order holds.

    Returns
    -------
    Budget
        Whose ``str()`` is a verdict in words with a table.

    Raises
    ------
    ValueError
        A bound that is not positive, order 0, inputs without a positive kernel.
    nneft.NumericsError
        As of `nneft.flow`.
    """
    if not 0.0 < bound < inf:
        raise ValueError(f"bound must be positive, a relative spread such as 0.5, got {bound!r}")
    if order < 1:
        raise ValueError(f"order must be 1 or more: order 0 holds no fluctuations, got {order}")
    found = _flow(network, inputs, kernel, order)
    if np.any(np.diagonal(found.K()[0]) <= 0.0):
        raise ValueError("each input must have a positive first kernel; leave out zero inputs")
    every = pairs(found.K().shape[1])
    leading = np.max([leading_spread(found, a, b) for a, b in every], axis=0)
    spread = leading if order == 1 else _spread(found)
    following = _spread(found) if found.order > order else None
    inside = spread <= bound
    depth = network.depth if np.all(inside) else int(np.argmin(inside))
    factor = float(np.max(leading) / bound) ** 2
    rate = _rate(network)
    width = min(network.widths[1:-1], default=network.widths[0])
    if rate is None:
        return Budget(network, bound, spread, depth, factor, None, None, None, None, following)
    ratio = optimal_ratio(rate, network.widths[-1])
    reach = bound**2 * width / rate
    best = ratio * width
    return Budget(network, bound, spread, depth, factor, rate, reach, ratio, best, following)


def _layers(count: int) -> str:
    return f"{count} layer{'s' * (count > 1)}"


def _flow(network: Network, inputs: ArrayLike | None, kernel: ArrayLike | None, order: int) -> Flow:
    """Of the order asked for; of one input to order 1, of order 2, which costs no more."""
    if order == 1 and len(network.first_kernel(inputs, kernel)) == 1:
        try:
            return flow(network, inputs, kernel=kernel, order=2)
        except NumericsError:  # moments that the first order does without
            pass
    return flow(network, inputs, kernel=kernel, order=order)


def _spread(found: Flow) -> Array:
    """(L,) of the worst pair, all orders held."""
    mean = found.mean()
    worst = np.zeros(len(mean))
    for a, b in pairs(mean.shape[1]):
        variance = np.maximum(found.cumulant(4, at=(a, b, a, b)), 0.0)
        worst = np.maximum(worst, np.sqrt(variance / (mean[:, a, a] * mean[:, b, b])))
    return worst


def _rate(network: Network) -> float | None:
    """``nu``, if all layers from the second on are at a critical point."""
    best = critical_point(network.activation)
    for point in (best, *best.alternatives):
        if point.C_W is None or point.C_b is None:
            continue
        near = np.abs(network.C_W[1:] - point.C_W) <= CLOSE * point.C_W
        near &= np.abs(network.C_b[1:] - point.C_b) <= CLOSE * max(point.C_b, 1.0)
        if np.all(near):
            return growth_rate(network.activation, point)
    return None
