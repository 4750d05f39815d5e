"""Correlators of preactivations, with neuron indices, from the cumulants of the kernel operator.

Given ``G^(l)`` the neurons of layer l are independent Gaussians, so by Wick's theorem::

    <phi_i1(x1) .. phi_i2k(x2k)>   = sum over pairings of the legs, each pair with one neuron index,
                                     of <G_A1 .. G_Ak>
    <phi_i1(x1) .. phi_i2k(x2k)>_c = the same sum of kappa_k(G_A1, .., G_Ak)        (BCCZ 12, 28)
"""

from collections.abc import Iterator, Sequence
from math import prod
from operator import index

from nneft.rg.flow import Flow
from nneft.rg.holding import check_layer

Leg = tuple[int, int]


def correlator(flow: Flow, legs: Sequence[Leg], layer: int, *, connected: bool = True) -> float:
    """``<prod phi_i(x_a)>`` at one layer, all orders held summed at the network's widths.

    Parameters
    ----------
    legs
        ``(neuron, input)`` for each field; neurons are counted from 0.
    layer
        From 1 to the depth.
    connected
        Whether to leave out what factorises.

    Raises
    ------
    ValueError, TypeError
        Legs that are no pairs of integers; more legs than the flow holds, a layer, neuron or
        input that does not exist.
    """
    fields = _checked(flow, legs, layer)
    if len(fields) % 2:
        return 0.0  # phi -> -phi at fixed G
    total = 0.0
    for pairing in _pairings(fields):
        if connected:
            total += _cumulant(flow, layer, pairing)
        else:
            total += sum(
                prod(_cumulant(flow, layer, block) for block in partition)
                for partition in _set_partitions(pairing)
            )
    return total


def _cumulant(flow: Flow, layer: int, pairs: list[tuple[int, int]]) -> float:
    """``kappa_k`` of the entries of G that these pairs of inputs name."""
    at = tuple(a for pair in pairs for a in pair)
    return float(flow.cumulant(len(at), at=at)[layer - 1])


def _pairings(fields: list[Leg]) -> Iterator[list[tuple[int, int]]]:
    """Pairings in which both legs of each pair belong to the same neuron, as pairs of inputs."""
    if not fields:
        yield []
        return
    (neuron, a), *rest = fields
    for i, (other, b) in enumerate(rest):
        if other == neuron:
            for pairing in _pairings(rest[:i] + rest[i + 1 :]):
                yield [(a, b), *pairing]


def _set_partitions(
    items: list[tuple[int, int]],
) -> Iterator[list[list[tuple[int, int]]]]:
    if not items:
        yield []
        return
    first, *rest = items
    for partition in _set_partitions(rest):
        yield [[first], *partition]
        for i, block in enumerate(partition):
            yield [*partition[:i], [first, *block], *partition[i + 1 :]]


def _checked(flow: Flow, legs: Sequence[Leg], layer: int) -> list[Leg]:
    depth, inputs = flow.network.depth, len(flow.reduction.of)
    layer = check_layer(depth, layer)
    width = flow.network.widths[layer]
    try:
        fields = [(index(neuron), index(a)) for neuron, a in legs]
    except (TypeError, ValueError):
        raise TypeError(
            f"legs must be pairs (neuron, input), both counted from 0, for example "
            f"[(0, 0), (0, 0)]; got {legs!r}"
        ) from None
    for neuron, a in fields:
        if not 0 <= neuron < width:
            raise ValueError(f"layer {layer} has neurons 0 to {width - 1}, got {neuron}")
        if not 0 <= a < inputs:
            raise ValueError(f"there are inputs 0 to {inputs - 1}, got {a}")
    most = 2 * (flow.order + 1)
    if len(fields) > most:
        raise ValueError(
            f"a flow of order {flow.order} holds correlators of up to {most} fields, "
            f"got {len(fields)} legs"
        )
    return fields
