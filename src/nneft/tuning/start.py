"""Where tuning starts from if nothing else is said: the critical point of an activation."""

from collections.abc import Callable
from math import inf
from typing import Any

import numpy as np

from nneft.activations import Activation
from nneft.criticality import CriticalPoint, critical_point
from nneft.gaussian.base import Array
from nneft.network import Network


def critical_network(
    activation: str | Activation | Callable[[Any], Any],
    depth: int,
    width: int,
    *,
    outputs: int | None = None,
    correlation: float | None = None,
) -> tuple[Network, Array]:
    """A network at its activation's critical point, and a first kernel to look at it with.

    Parameters
    ----------
    activation
        As of `Network`.
    depth, width
        Number of layers; width of the input and of all of them but the last.
    outputs
        Width of the last layer; by default as the others.
    correlation
        Of two inputs; None for one input.

    Returns
    -------
    network, kernel
        The kernel is K*, or 1 where K* is 0, any or none; the first layer's C_W gives it for inputs
        with ``x.x/n_0 = 1``. Where there is no critical point its best compromise is taken.

    Raises
    ------
    ValueError, TypeError
        As of `Network` and `nneft.critical_point`; a depth below 1; a correlation beyond [-1, 1].
    """
    point = critical_point(activation)
    return start_network(point, activation, depth, width, outputs=outputs, correlation=correlation)


def start_network(
    point: CriticalPoint,
    activation: str | Activation | Callable[[Any], Any],
    depth: int,
    width: int,
    *,
    outputs: int | None,
    correlation: float | None,
) -> tuple[Network, Array]:
    """The same, for a critical point that is known."""
    if isinstance(depth, bool) or not isinstance(depth, int) or depth < 1:
        raise ValueError(f"depth must be a positive integer, got {depth!r}")
    if correlation is not None and not -1.0 <= correlation <= 1.0:
        raise ValueError(f"correlation must be from -1 to 1, got {correlation!r}")
    C_W, C_b, K = point.C_W, point.C_b, point.kernel
    if point.compromise is not None:
        C_W, C_b, K = point.compromise.C_W, point.compromise.C_b, point.compromise.kernel
    if C_W is None or C_b is None:
        raise ValueError(f"{point.activation} has no critical point: {point.reason}")
    size = K if K and inf > K else 1.0
    every = np.full(depth, C_W)
    # G^(1) = C_b + C_W x.x/n_0
    every[0] = size - C_b
    last = width if outputs is None else outputs
    network = Network((*[width] * depth, last), activation, every, C_b)
    c = 1.0 if correlation is None else correlation
    kernel = size * np.array([[1.0, c], [c, 1.0]])
    return network, kernel[:1, :1] if correlation is None else kernel
