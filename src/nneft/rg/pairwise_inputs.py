"""What the pairwise kernel needs of each input alone: its own flow, once for all its pairs."""

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass

import numpy as np

from nneft.errors import NumericsError
from nneft.gaussian import expectations
from nneft.gaussian.base import Array
from nneft.network import Network
from nneft.rg.step import TINY

#: ``<sigma^2>``, ``<sigma^4>``, and with derivatives ``<(sigma^2)''>``, ``<(sigma^2)''''>``.
TERMS = [((2,), (0,)), ((4,), (0,)), ((2,), (2,)), ((2,), (4,))]


@dataclass(frozen=True)
class Alone:
    """One layer of N inputs, each by itself: arrays (N,).

    Attributes
    ----------
    layer
        Its number, from 1.
    K_0, K_1, V_4
        ``K_aa``, its correction and ``V_4(aa; aa)``.
    square, fourth
        ``<sigma^2>`` and ``<sigma^4>`` over this layer.
    chi, curvature
        First and second derivative of the next layer's ``K_aa`` by this one's.
    """

    layer: int
    K_0: Array
    K_1: Array
    V_4: Array
    square: Array
    fourth: Array
    chi: Array
    curvature: Array

    def of(self, chosen: np.ndarray) -> "Alone":
        """Some of the inputs."""
        arrays = list(vars(self).values())[1:]
        return Alone(self.layer, *(v[chosen] for v in arrays))


def alone(network: Network, variances: Array, lengths: Array, order: int) -> tuple[Alone, ...]:
    """The layers ``1..L`` of inputs of these first variances.

    `lengths` are those that were taken out of the inputs, for what under- or overflows.

    Raises
    ------
    ValueError
        Gaussian moments that diverge.
    nneft.NumericsError
        Overflow, underflow, or an accuracy below the promised one, with the layer's number.
    """
    # Equal variances are done once; there may be a single one.
    distinct, places = np.unique(variances, return_inverse=True)
    zero = np.zeros_like(distinct)
    layers: list[Alone] = []
    K_0, K_1, V_4 = distinct, zero, zero
    with np.errstate(over="ignore", under="ignore", invalid="ignore"):
        for layer in range(1, network.depth + 1):
            last = layer == network.depth
            random = order > 0 and layer > 1
            fluctuations = V_4[places] * lengths**4 if random else np.zeros(0)
            check_range(layer, K_0[places] * lengths**2, fluctuations)
            averages = (zero,) * 4 if last else _averages(network, layer, K_0, order)
            here = Alone(layer, K_0, K_1, V_4, *averages)
            layers.append(here.of(places))
            if not last:
                K_0, K_1, V_4 = _following(network, here)
    return tuple(layers)


def _averages(network: Network, layer: int, K_0: Array, order: int) -> tuple[Array, ...]:
    """``<s^2>``, ``<s^4>``, and the derivatives of the next layer's kernel."""
    count = 1 if order == 0 else 2 if layer == 1 else 4
    with at_layer(layer + 1):
        found = expectations.singles(network.activation, K_0, TERMS[:count])
        check_accuracy(
            network, found.errors[:2], np.abs(found.values[:2]), promised_accuracy(network)
        )
    rows = [*found.values, *np.zeros((4 - count, len(K_0)))]
    C_W = network.C_W[layer]
    # d/dK <f> = 1/2 <f''>, d^2/dK^2 <f> = 1/4 <f''''> with f = sigma^2
    return rows[0], rows[1], 0.5 * C_W * rows[2], 0.25 * C_W * rows[3]


def _following(network: Network, here: Alone) -> tuple[Array, Array, Array]:
    C_W, C_b = network.C_W[here.layer], network.C_b[here.layer]
    ratio = width_ratio(network, here.layer)
    # BCCZ (11), (A.19)-(A.22), (25), at one input
    K_0 = C_b + C_W * here.square
    K_1 = ratio * (here.chi * here.K_1 + 0.5 * here.curvature * here.V_4)
    V_4 = C_W**2 * (here.fourth - here.square**2) + ratio * here.chi**2 * here.V_4
    return K_0, K_1, V_4


def width_ratio(network: Network, layer: int) -> float:
    """``n_l / n_{l-1}``: what fluctuates comes in one and is counted in the other."""
    return network.widths[layer] / network.widths[layer - 1]


@contextmanager
def at_layer(layer: int) -> Iterator[None]:
    """Say at which layer an expectation fails."""
    try:
        yield
    except (ValueError, NumericsError) as error:
        raise type(error)(f"at layer {layer}: {error}") from error


def check_range(layer: int, K_0: Array, V_4: Array) -> None:
    """Overflow and underflow by name; what is exactly zero is neither. `V_4` may be empty."""
    for name, value in (("K_0", K_0), ("V_4", V_4)):
        if not np.all(np.isfinite(value)):
            raise NumericsError(
                f"{name} overflows double precision at layer {layer}: the kernel grows without "
                "bound; take a smaller C_W or fewer layers"
            )
        if np.any((value != 0.0) & (np.abs(value) < TINY)):
            raise NumericsError(
                f"{name} underflows double precision at layer {layer}: the kernel shrinks "
                "exponentially with depth; take a larger C_W or C_b, or fewer layers"
            )
    # V_4 scales as the square of the kernel and is gone, exactly zero, well before K_0 is.
    if len(V_4) and np.any((K_0 > 0.0) & (K_0**2 < TINY)):
        raise NumericsError(
            f"V_4 underflows double precision at layer {layer}, where K_0 is "
            f"{np.min(K_0):.3g}; take a larger C_W or C_b, or fewer layers"
        )


def promised_accuracy(network: Network, derivatives: int = 0) -> float:
    """Of expectations of one and two inputs; less where derivatives are numerical."""
    own = 10.0 * network.activation.derivative_error(derivatives)
    return max(expectations.promised(network.activation, 2), own)


def check_accuracy(network: Network, errors: Array, scale: Array, promised: float) -> None:
    """Raise by name where the promised accuracy is not reached."""
    worst = float(np.max(errors / np.where(scale > 0.0, scale, np.inf), initial=0.0))
    if not worst <= promised:
        raise NumericsError(
            f"an expectation of {network.activation.name} reaches a relative accuracy of "
            f"{worst:.1g} only, {promised:.0e} was promised"
        )
