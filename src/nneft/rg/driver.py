"""From a network and its inputs to its flow."""

from numpy.typing import ArrayLike

from nneft.network import Network
from nneft.rg.flow import Flow
from nneft.rg.reduction import reduce_inputs
from nneft.rg.step import check_range, first_state, step

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
    reduction = reduce_inputs(network, first)
    states = [first_state(reduction.kernel, order)]
    check_range(states[0])
    while len(states) < network.depth:
        states.append(step(states[-1], network))
    return Flow(network=network, order=order, states=tuple(states), reduction=reduction)
