"""The action of a whole network on one configuration of its preactivations."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from math import log, pi

import numpy as np
from numpy.typing import ArrayLike, NDArray

from nneft.actions.support import Support
from nneft.errors import NumericsError
from nneft.gaussian.base import Array
from nneft.network import Network
from nneft.rg.printing import table


@dataclass(frozen=True, eq=False)
class Action:
    """``S[phi]`` of one configuration, or of a batch of B of them, by layer.

    Attributes
    ----------
    gaussian_by_layer : (L,) or (B, L)
        ``1/2 sum_i phi_i^T (G^(l))^+ phi_i``; index 0 is layer 1.
    determinant_by_layer : (L,) or (B, L)
        ``(n_l/2) log pdet(2 pi G^(l))``: what the ghosts' Grassmann integral gives (BCCZ 5-6).
    ranks : (L,) or (B, L)
        Dimension of the support of ``G^(l)``, N where it is not singular.
    """

    gaussian_by_layer: Array
    determinant_by_layer: Array
    ranks: NDArray[np.intp]

    @property
    def by_layer(self) -> Array:
        """(L,) or (B, L): each layer's part, minus the log density given the layer before."""
        return self.gaussian_by_layer + self.determinant_by_layer

    @property
    def gaussian(self) -> float | Array:
        """The Gaussian part: a number, or (B,)."""
        return _summed(self.gaussian_by_layer)

    @property
    def determinant(self) -> float | Array:
        """The determinant's part, the ghosts': a number, or (B,)."""
        return _summed(self.determinant_by_layer)

    @property
    def total(self) -> float | Array:
        """``S[phi]``: a number, or (B,)."""
        return _summed(self.by_layer)

    @property
    def log_density(self) -> float | Array:
        """``log P(phi^(1), .., phi^(L)) = -S``, normalised: a number, or (B,)."""
        return -self.total

    def __str__(self) -> str:
        """Each layer's parts, of one configuration."""
        if self.gaussian_by_layer.ndim > 1:
            return repr(self)
        parts = zip(self.gaussian_by_layer, self.determinant_by_layer, self.ranks, strict=True)
        rows = [
            (str(layer), f"{g:.8g}", f"{d:.8g}", str(rank))
            for layer, (g, d, rank) in enumerate(parts, start=1)
        ]
        return "\n".join([repr(self), *table(("layer", "gaussian", "determinant", "rank"), rows)])

    def __repr__(self) -> str:
        if self.gaussian_by_layer.ndim > 1:
            configurations, layers = self.gaussian_by_layer.shape
            return f"Action({configurations} configurations, {layers} layers)"
        return (
            f"Action(total={self.total:.10g}, gaussian={self.gaussian:.10g}, "
            f"determinant={self.determinant:.10g})"
        )


def action(
    network: Network,
    inputs: ArrayLike | None = None,
    preactivations: Sequence[ArrayLike] | None = None,
    *,
    kernel: ArrayLike | None = None,
) -> Action:
    """The action of a network, its minus log density, on given preactivations.

    Evaluates (BCCZ 2-6)::

        S[phi] = sum_l { 1/2 sum_i phi_i^T (G^(l))^-1 phi_i + (n_l/2) log det(2 pi G^(l)) }

    with ``G^(1)`` of the inputs and ``G^(l)`` of ``phi^(l-1)``. ``exp(-S)`` is the density of all
    preactivations together, normalised, the weights and biases integrated out.

    Parameters
    ----------
    network
        Widths, activation and initialization.
    inputs : (N, n_0) or (n_0,)
        The inputs; or give `kernel`.
    preactivations
        For each of the layers ``1..L`` an array ``(n_l, N)``, or ``(B, n_l, N)`` for B
        configurations.
    kernel : (N, N)
        Kernel of the first layer, positive semi-definite.

    Returns
    -------
    Action
        With ``total``, ``gaussian``, ``determinant`` and their parts by layer.

    Raises
    ------
    ValueError, TypeError
        A wrong call: shapes that do not fit the network and the inputs, values that are not finite;
        and a configuration of zero density, outside the support of a singular ``G^(l)``.
    nneft.NumericsError
        Overflow, or an activation that is not finite, with the layer's number.

    Notes
    -----
    Where ``G^(l)`` is singular (equal or parallel inputs, more inputs than dimensions, fewer
    neurons than inputs, silent ones) its inverse is the pseudo-inverse, its determinant the product
    of the eigenvalues that are not zero, and the density is by the Lebesgue measure of its support.
    ``G^(l) = M M^T`` with rows ``sqrt(C_W/n) sigma(phi_a)``, ``sqrt(C_b)``; rows brought to unit
    length, singular values of M below 1e-7 of the largest count as zero. A preactivation may lie
    off the support by 1e-6, relative to 1 + its length, both in standard deviations. In the first
    layer with `kernel`, whose root is known less well, these are 1e-6 and 1e-4.
    """
    if not isinstance(network, Network):
        raise TypeError(
            f"the network must be a nneft.Network, got {type(network).__name__}; "
            "make one with nneft.Network(widths, activation, C_W, C_b)"
        )
    first = network.first_kernel(inputs=inputs, kernel=kernel)
    fields, batched = _checked(network, len(first), preactivations)
    support = _first_support(network, first, inputs)
    found = []
    for layer, phi in enumerate(fields, start=1):
        if layer > 1:
            support = _support(network, layer, fields[layer - 2])
        found.append(_layer(support, phi, layer))
    parts = [np.stack(part, axis=-1) for part in zip(*found)]
    gaussian, determinant, ranks = parts if batched else [part[0] for part in parts]
    return Action(gaussian, determinant, ranks.astype(np.intp))


def _layer(support: Support, phi: Array, layer: int) -> tuple[Array, Array, Array]:
    """Gaussian part, determinant's part and rank of one layer: (B,) each."""
    count, width = phi.shape[:2]
    with np.errstate(over="ignore", invalid="ignore"):
        z, off = support.coordinates(phi)
        # 1/2 sum_i phi_i^T G^+ phi_i
        gaussian = 0.5 * np.sum(z * z, axis=(-2, -1))
    overflows = ~np.isfinite(gaussian)
    if np.any(overflows):
        raise NumericsError(
            f"the Gaussian part of the action overflows double precision at layer {layer}"
            f"{_which(overflows)}: the preactivations are too large for the kernel, or not finite "
            "on its scale"
        )
    _check_support(support, off, layer)
    # n/2 log pdet(2 pi G) = n/2 [ r log 2 pi + log pdet G ]
    determinant = 0.5 * width * (support.rank * log(2.0 * pi) + support.log_determinant())
    if not np.all(np.isfinite(determinant)):
        raise NumericsError(
            f"the determinant of G underflows double precision at layer {layer}: inputs on a "
            "common line whose sizes differ by too much; scale them"
        )
    return gaussian, np.broadcast_to(determinant, count), np.broadcast_to(support.rank, count)


def _check_support(support: Support, off: Array, layer: int) -> None:
    if not np.any(off > support.allowed):
        return
    batch, neuron = np.unravel_index(int(np.argmax(off)), off.shape)
    ranks = np.broadcast_to(support.rank, len(off))
    worst = off[batch, neuron]
    by = "where an input's variance is zero" if np.isinf(worst) else f"by {worst:.3g}"
    raise ValueError(
        f"preactivations of layer {layer} must lie in the support of G^({layer}), which has rank "
        f"{ranks[batch]} for {support.scale.shape[-1]} inputs, but neuron {neuron}"
        f"{f' of configuration {batch}' if len(off) > 1 else ''} leaves it {by} "
        f"(relative to 1 + its length, in standard deviations; {support.allowed:.0e} is allowed): "
        "such a configuration has zero density; take preactivations that this network made, in "
        "double precision"
    )


def _first_support(network: Network, first: Array, inputs: ArrayLike | None) -> Support:
    """Of ``G^(1)``, with a leading axis of length 1."""
    if inputs is None:
        found = Support.of_covariance(first)
        return Support(found.scale[None], found.axes[None], found.sizes[None], found.tolerance)
    x = np.atleast_2d(np.asarray(inputs, dtype=np.float64))
    return Support.of_root(_root(x[None], float(network.C_W[0]), float(network.C_b[0])))


def _support(network: Network, layer: int, before: Array) -> Support:
    """Of ``G^(l)`` given the preactivations (B, n, N) of the layer before."""
    with np.errstate(all="ignore"):
        signals = network.activation(np.ascontiguousarray(np.swapaxes(before, -1, -2)))
    wrong = ~np.all(np.isfinite(signals), axis=(-2, -1))
    if np.any(wrong):
        raise NumericsError(
            f"the activation of the preactivations of layer {layer - 1}{_which(wrong)} is not "
            f"finite, so G^({layer}) does not exist in double precision"
        )
    return Support.of_root(
        _root(signals, float(network.C_W[layer - 1]), float(network.C_b[layer - 1]))
    )


def _root(signals: Array, C_W: float, C_b: float) -> Array:
    """``M`` with ``G_ab = C_b + (C_W/n) sum_j s_aj s_bj = (M M^T)_ab`` (BCCZ 3): (B, N, n + 1)."""
    bias = np.full((*signals.shape[:-1], 1), np.sqrt(C_b))
    return np.concatenate([np.sqrt(C_W / signals.shape[-1]) * signals, bias], axis=-1)


def _checked(
    network: Network, count: int, preactivations: Sequence[ArrayLike] | None
) -> tuple[list[Array], bool]:
    """(B, n_l, N) for each layer, and whether B came as an axis."""
    widths, depth = network.widths, network.depth
    wanted = f"one array (n_l, N) or (B, n_l, N) for each of the layers 1 to {depth}"
    try:
        given = [] if preactivations is None else list(preactivations)
    except TypeError:
        kind = type(preactivations).__name__
        raise TypeError(f"preactivations must be a sequence, {wanted}, got {kind}") from None
    if len(given) != depth:
        hint = "; put a single layer's array into a list" if depth == 1 else ""
        raise ValueError(f"preactivations must hold {wanted}, got {len(given)} arrays{hint}")
    fields = [_real(one, layer) for layer, one in enumerate(given, start=1)]
    batched = fields[0].ndim == 3
    lead = fields[0].shape[:1] if batched else ()
    for layer, phi in enumerate(fields, start=1):
        shape = (*lead, widths[layer], count)
        if phi.shape == shape:
            continue
        if layer == 1:
            shape = shape[-2:]
            other = f" or (B, {shape[0]}, {shape[1]})"
            if phi.ndim == 3 and phi.shape[1:] == shape:
                continue
        else:
            other = ", as many configurations as in layer 1" if batched else ""
        hint = "; transpose it: neurons come before inputs" if phi.shape == shape[::-1] else ""
        hint = hint or ("; for one input use phi[:, None]" if phi.ndim == 1 else "")
        raise ValueError(
            f"preactivations of layer {layer} must have shape {shape}{other}, got {phi.shape}{hint}"
        )
    for layer, phi in enumerate(fields, start=1):
        if not np.all(np.isfinite(phi)):
            at = tuple(int(i) for i in np.argwhere(~np.isfinite(phi))[0])
            raise ValueError(
                f"preactivations must be finite, but in layer {layer} entry {at} is {phi[at]}"
            )
    return (fields if batched else [phi[None] for phi in fields]), batched


def _real(value: ArrayLike, layer: int) -> Array:
    try:
        array = np.asarray(value)
    except (TypeError, ValueError):  # ragged lists
        array = np.asarray(None)
    if array.dtype.kind not in "fiu":
        raise TypeError(f"preactivations of layer {layer} must be an array of real numbers")
    return array.astype(np.float64)


def _which(wrong: NDArray[np.bool_]) -> str:
    return f" in configuration {int(np.argmax(wrong))}" if len(wrong) > 1 else ""


def _summed(by_layer: Array) -> float | Array:
    total = np.sum(by_layer, axis=-1)
    return float(total) if np.ndim(total) == 0 else np.asarray(total)
