"""From a network and its inputs to its flow."""

from collections.abc import Iterator

import numpy as np
from numpy.typing import ArrayLike

from nneft.errors import NumericsError
from nneft.gaussian.base import Array
from nneft.network import Network
from nneft.rg.accuracy import beyond_first_order
from nneft.rg.cost import MOST_SECONDS, check_cost
from nneft.rg.difference_pairs import close_pairs, with_close_pairs
from nneft.rg.flow import Flow
from nneft.rg.recursion import Method, default_method, states
from nneft.rg.reduction import Reduction, reduce_inputs
from nneft.rg.state import LayerState
from nneft.rg.step import TINY, check_range, first_state, step

#: Largest relative error, in the sense of `Flow.error`, of what is held beyond order 1.
MOST_ERROR = 1e-3


def flow(
    network: Network,
    inputs: ArrayLike | None = None,
    *,
    kernel: ArrayLike | None = None,
    order: int = 1,
    method: str | None = None,
    most_seconds: float | None = MOST_SECONDS,
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
        0: ``K_0`` alone, for hundreds of inputs. P: ``K_0 .. K_P``, and ``V_2k`` with its
        corrections down to ``n^-(P-k+1)`` relative to the leading one, for all ``k <= P + 1``.
    method
        How a step is evaluated: ``"series"``, truncated power series, or ``"diagrams"``, Feynman
        diagrams contracted. None takes BCCZ's formulas at orders 0 and 1; beyond them series for up
        to three distinct inputs, diagrams for more.
    most_seconds
        A flow whose expectations of four distinct inputs, ``N^4/24`` a layer from order 1 on, are
        estimated to take longer is refused; None computes it all the same.

    Returns
    -------
    Flow
        With ``K(p)``, ``V(points, order)``, ``mean()``, ``cumulant(points)`` and the error bound
        ``error``.

    Raises
    ------
    ValueError, TypeError
        A wrong call: inputs or kernel of the wrong shape; an order that would need too much memory,
        with the number of bytes, or too much time, with what would do; an activation whose
        Gaussian moments diverge.
    nneft.NumericsError
        Overflow, underflow or an accuracy that is not reached, with the layer's number.

    Notes
    -----
    Orders 0 and 1: BCCZ (11), (24), (25), (A.19)-(A.22). Any order: the law of total cumulance,
    ``kappa(G_A1, .., G_Ak) = sum over set partitions of kappa(n^{1-|B|} F_B(G^(l-1)) : B)``, with
    ``F_B(H)`` the joint cumulant of the ``C_b + C_W sigma_a sigma_b`` of a block. Normalisations
    in `nneft.conventions`.

    *Close inputs at a kink.* Derivatives of a kinked activation diverge where the correlation rho
    of two inputs tends to one, against correlators that vanish. ReLU-like activations on two
    inputs are carried in difference coordinates, where nothing cancels, and any two ReLU-like
    inputs among others likewise. What is left loses digits, which ``error`` states; beyond an
    ``error`` of 1e-3 orders from 2 on are refused by name. Smallest ``1 - rho`` of two of the
    inputs that is not refused, measured at criticality over 4 to 8 layers:

    ==================================== ========== ==========
    order                                2          3
    ==================================== ========== ==========
    ReLU-like, two inputs                no limit   no limit
    ReLU-like, three inputs              2e-7       2e-3
    the same with ``method="diagrams"``  5e-5       5e-3
    SELU, two inputs                     5e-5       5e-3
    ELU, two inputs                      2e-8       5e-4
    ==================================== ========== ==========

    No limit: down to ``1 - rho = 5e-16``, from where on inputs are one. Order 1 is never refused;
    there too ReLU-like inputs keep all digits, and other kinks 1e-8 of ``K_1``.
    """
    if not isinstance(network, Network):
        raise TypeError(
            f"the network must be a nneft.Network, got {type(network).__name__}; "
            "make one with nneft.Network(widths, activation, C_W, C_b)"
        )
    chosen = _checked_method(_checked_order(order), method)
    first = network.first_kernel(inputs=inputs, kernel=kernel)
    _check_first(network, first, inputs)
    reduction = reduce_inputs(network, first)
    check_cost(network, len(reduction.kernel), order, chosen, _checked_seconds(most_seconds))
    if chosen is None and order > 1:
        chosen = default_method(len(reduction.kernel))
    found = _stepped(network, reduction, order if chosen is None else 0)
    if chosen is not None:
        kernels = np.stack([state.K_0 for state in found])
        close = close_pairs(network, kernels, order) if len(reduction.kernel) > 2 else None
        replace = None if close is None else close.replace
        steps = states(network, kernels, order, chosen, reduction.scales, replace)
        found = list(_reached(network, order, steps))
    return Flow(network, order, tuple(found), reduction, from_inputs=inputs is not None)


def _stepped(network: Network, reduction: Reduction, order: int) -> list[LayerState]:
    """By the formulas of order 0 or 1."""
    found = [first_state(reduction.kernel, order)]
    while len(found) < network.depth:
        found.append(step(found[-1], network))
        # Lengths that a reduction took out come back in the results.
        check_range(found[-1], reduction.scales)
    return with_close_pairs(network, found) if order else found


def _checked_order(order: int) -> int:
    if isinstance(order, bool) or not isinstance(order, int):
        raise TypeError(f"order must be an integer, got {order!r}")
    if order < 0:
        raise ValueError(f"order must be 0 or more, got {order}")
    return order


def _checked_seconds(most: float | None) -> float | None:
    wanted = f"most_seconds must be a positive number, or None for any, got {most!r}"
    if most is None:
        return None
    if isinstance(most, bool) or not isinstance(most, int | float | np.number):
        raise TypeError(wanted)
    if not most > 0.0:
        raise ValueError(wanted)
    return float(most)


def _checked_method(order: int, method: str | None) -> Method | None:
    if method is None:
        return None
    try:
        chosen = Method(method)
    except ValueError:
        names = " or ".join(f'"{m}"' for m in Method)
        raise ValueError(f"method must be {names}, or None, got {method!r}") from None
    if order == 0:
        raise ValueError("order 0 has one method only; leave method out, or take order 1 or more")
    return chosen


def _reached(network: Network, order: int, found: Iterator[LayerState]) -> Iterator[LayerState]:
    """The same layers; the first beyond order 1 that has no digits left is refused by its name."""
    below = None
    for state in found:
        worst = beyond_first_order(state)
        if not worst <= MOST_ERROR:
            kernel = (below or state).K_0
            raise NumericsError(
                f"at layer {state.layer} order {order} is known to a relative accuracy of "
                f"{worst:.1g} only, {MOST_ERROR:.0e} was promised: {_reason(network, kernel)}; "
                "take a lower order or fewer layers"
            )
        yield state
        below = state


def _reason(network: Network, kernel: Array) -> str:
    """What most likely costs the digits, from the kernel of the layer below."""
    deviations = np.sqrt(np.diag(kernel))
    if len(kernel) > 1 and network.activation.kinks:
        upper = np.triu_indices(len(kernel), 1)
        safe = np.where(deviations > 0.0, deviations, 1.0)
        largest = float(np.max(np.abs(kernel / safe[:, None] / safe)[upper]))
        return (
            f"two inputs have a correlation of {largest:.6g} there, and derivatives of a kinked "
            "activation diverge where it tends to one"
        )
    return "successive terms cancel"


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
