"""What a flow would cost, told before it starts."""

from nneft.errors import NumericsError
from nneft.gaussian.expectations import Method as Expectation
from nneft.gaussian.expectations import method_for
from nneft.network import Network
from nneft.rg import contraction
from nneft.rg.expansion import Cut
from nneft.rg.jacobian import held
from nneft.rg.multisets import number, start
from nneft.rg.recursion import MOST_HELD, Method, conditional_bytes, default_method

#: Most bytes that a flow may take.
MOST_BYTES = 8 * 2**30
#: Highest order whose diagrams are enumerated: order 6 has 18476 of them, order 7 128032.
MOST_DIAGRAMS_ORDER = 6
#: Highest order of which double precision keeps any digits, even for one input.
HIGHEST_ORDER = 20
#: Most distinct inputs in one expectation, unless the activation has closed forms for any number.
MOST_INPUTS = 4


def check_cost(network: Network, inputs: int, order: int, method: Method | None) -> None:
    """Refuse what would not fit, or what cannot be had.

    Parameters
    ----------
    inputs
        Distinct ones.
    method
        None stands for the default.

    Raises
    ------
    ValueError
        More than `MOST_BYTES`, or too many diagrams.
    nneft.NumericsError
        Expectations of more inputs than there is a method for.
    """
    if order == 0:
        return
    if order > HIGHEST_ORDER:
        raise ValueError(
            f"order {order} has no digits left in double precision; take {HIGHEST_ORDER} or less"
        )
    if method is None and order > 1:
        method = default_method(inputs)
    if method is Method.DIAGRAMS and order > MOST_DIAGRAMS_ORDER:
        raise ValueError(
            f"order {order} has more diagrams than can be enumerated, which is up to order "
            f'{MOST_DIAGRAMS_ORDER}; take method="series"'
        )
    needed = bytes_needed(inputs, network.depth, order, method)
    if needed > MOST_BYTES:
        raise ValueError(
            f"order {order} on {inputs} distinct inputs and {network.depth} layers needs "
            f"{needed:.3g} bytes, {needed / 2**30:.3g} GiB: more than {MOST_BYTES / 2**30:.3g}; "
            "take fewer inputs or a lower order"
        )
    most = min(inputs, 2 * (order + 1))
    closed = (Expectation.POLYNOMIAL, Expectation.EXPONENTIAL)
    if order > 1 and most > MOST_INPUTS and method_for(network.activation, most) not in closed:
        raise NumericsError(
            f"order {order} on {inputs} distinct inputs needs expectations of "
            f"{network.activation.name} at {most} inputs at once, more than {MOST_INPUTS}; "
            f"take {MOST_INPUTS} inputs at a time, or order=1"
        )


def bytes_needed(inputs: int, depth: int, order: int, method: Method | None) -> int:
    """Estimate of a flow's largest memory."""
    count = inputs * (inputs + 1) // 2
    # Values and errors of every layer.
    total = 16 * held(count, order) * depth
    if method is None:  # V_4, its error and a handful of the same size while a step is made
        return total + 8 * 12 * count**2
    if method is Method.SERIES:
        small = held(count, order) <= MOST_HELD
        cut = Cut(order, extra=int(small))
        total += 8 * conditional_bytes(count, cut)
        if small:
            total += 16 * held(count, order) ** 2 * depth
    else:
        cut = Cut(order)
        total += contraction.bytes_needed(count, order, errors=True)
    blobs = sum(number(count, m) * start(count, cut.degree(m - 1) + 1) for m in range(1, order + 2))
    return total + 8 * 4 * blobs
