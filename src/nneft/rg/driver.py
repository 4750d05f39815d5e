"""From a network and its inputs to its flow."""

import numpy as np
from numpy.typing import ArrayLike

from nneft.errors import NumericsError
from nneft.gaussian.base import Array
from nneft.network import Network
from nneft.rg.flow import Flow
from nneft.rg.reduction import reduce_inputs
from nneft.rg.step import TINY, check_range, first_state, step

#: Most bytes that the four-point correlators of all layers may take.
MOST_BYTES = 4 * 2**30
#: Highest order in 1/n of the mean kernel that the recursion holds.
HIGHEST_ORDER = 1


def flow(
    network: Network,
    inputs: ArrayLike | None = None,
    *,
    kernel: ArrayLike | None = None,
    order: int = 1,
) -> Flow:
    """Mean kernel and connected correlators of every layer, to an order in 1/n.

    Parameters
    ----------
    network
        Widths, activation and initialization.
    inputs : (N, n_0) or (n_0,)
        The inputs; or give `kernel`.
    kernel : (N, N)
        Kernel of the first layer, positive semi-definite.
    order
        0: ``K_0`` alone, for hundreds of inputs. 1: ``K_0``, ``K_1`` and ``V_4`` at leading order.

    Returns
    -------
    Flow
        With ``K(p)``, ``V(4)``, ``mean()``, ``cumulant(4)`` and the error bound ``error``.

    Raises
    ------
    ValueError, TypeError
        A wrong call: inputs or kernel of the wrong shape, an order that is not available, an
        activation whose Gaussian moments diverge.
    nneft.NumericsError
        Overflow, underflow or an accuracy that is not reached, with the layer's number.

    Notes
    -----
    BCCZ (11), (24), (25), (A.19)-(A.22); normalisations in `nneft.conventions`.
    """
    if not isinstance(network, Network):
        raise TypeError(
            f"the network must be a nneft.Network, got {type(network).__name__}; "
            "make one with nneft.Network(widths, activation, C_W, C_b)"
        )
    if isinstance(order, bool) or not isinstance(order, int):
        raise TypeError(f"order must be an integer, got {order!r}")
    if not 0 <= order <= HIGHEST_ORDER:
        raise ValueError(f"order must be from 0 to {HIGHEST_ORDER}, got {order}")
    first = network.first_kernel(inputs=inputs, kernel=kernel)
    _check_first(network, first, inputs)
    reduction = reduce_inputs(network, first)
    if order:
        _check_memory(len(reduction.kernel), network.depth)
    states = [first_state(reduction.kernel, order)]
    while len(states) < network.depth:
        states.append(step(states[-1], network))
        # Lengths that a reduction took out come back in the results.
        check_range(states[-1], reduction.scales)
    return Flow(network=network, order=order, states=tuple(states), reduction=reduction)


def _check_first(network: Network, first: Array, inputs: ArrayLike | None) -> None:
    """A first kernel below the range of doubles has lost its digits, or itself."""
    variances = np.diag(first)
    lost = (variances > 0.0) & (variances < TINY)
    if inputs is not None and network.C_W[0] > 0.0:
        lost |= (variances == 0.0) & np.any(np.atleast_2d(np.asarray(inputs)) != 0.0, axis=1)
    if np.any(lost):
        raise NumericsError(
            "K_0 underflows double precision at layer 1: the inputs are too small; scale them"
        )


def _check_memory(count: int, depth: int) -> None:
    """Refuse V_4 on so many inputs that it could not be held, with the bytes it would take."""
    pairs = count * (count + 1) // 2
    # V_4 and its error for every layer, and a handful of the same size while a step is made.
    needed = 8 * pairs**2 * (2 * depth + 12)
    if needed > MOST_BYTES:
        raise ValueError(
            f"order 1 on {count} distinct inputs needs {needed / 2**30:.3g} GiB for V_4 in "
            f"{depth} layers, more than {MOST_BYTES / 2**30:.3g} GiB; take fewer inputs, or order=0"
        )
