"""What a flow would cost, told before it starts."""

from collections.abc import Callable
from math import comb

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
#: Longest that a flow is expected to take, unless asked for.
MOST_SECONDS = 600.0
#: Seconds of one expectation of four inputs and its share of those of three, measured on one core.
SECONDS = {Expectation.POLYNOMIAL: 2e-3, Expectation.HOMOGENEOUS: 2e-3, Expectation.PANELS: 0.07}
SECONDS_SMOOTH = 0.05


def check_cost(
    network: Network,
    inputs: int,
    order: int,
    method: Method | None,
    most_seconds: float | None = MOST_SECONDS,
) -> None:
    """Refuse what would not fit, what cannot be had, or what would take too long.

    Parameters
    ----------
    inputs
        Distinct ones.
    method
        None stands for the default.
    most_seconds
        Longest estimate that is not refused; None for any.

    Raises
    ------
    ValueError
        One sentence, with what would do instead.
    """
    why = _limit(network, inputs, order, method)
    if why is not None:
        raise ValueError(f"{why}; {_cure(network, inputs, order, method)}")
    seconds = seconds_needed(network, inputs, order)
    if most_seconds is not None and seconds > most_seconds:
        what = f"order {order} on {inputs} distinct inputs and {network.depth} layers"
        raise ValueError(
            f"{what} would take about {_duration(seconds)}, more than {_duration(most_seconds)}: "
            f"V_4 needs {comb(inputs, 4)} expectations of four inputs a layer; for the corrected "
            "kernel alone, which needs pairs only, take nneft.kernel(network, x, order=1); for all "
            "of V_4 take fewer inputs, or most_seconds=None"
        )


def seconds_needed(network: Network, inputs: int, order: int) -> float:
    """Estimate of the time that expectations of four distinct inputs take, good to a factor of 3.

    All else grows as the number of pairs, or is limited by memory before.
    """
    if order == 0:
        return 0.0
    each = SECONDS.get(method_for(network.activation, 4), SECONDS_SMOOTH)
    return (network.depth - 1) * comb(inputs, 4) * each


def _limit(network: Network, inputs: int, order: int, method: Method | None) -> str | None:
    """What is known, before it starts, to make a flow impossible; None if nothing does."""
    if order == 0:
        return None
    if order > HIGHEST_ORDER:
        return f"order {order} has no digits left in double precision"
    if method is None and order > 1:
        method = default_method(inputs)
    what = f"order {order} on {inputs} distinct inputs"
    most = min(inputs, 2 * (order + 1))
    closed = (Expectation.POLYNOMIAL, Expectation.EXPONENTIAL)
    if order > 1 and most > MOST_INPUTS and method_for(network.activation, most) not in closed:
        return (
            f"{what} needs expectations of {network.activation.name} at {most} inputs at once, "
            f"more than {MOST_INPUTS}"
        )
    if method is Method.DIAGRAMS and order > MOST_DIAGRAMS_ORDER:
        return (
            f"order {order} has more diagrams than can be enumerated, which is up to order "
            f"{MOST_DIAGRAMS_ORDER}"
        )
    needed = bytes_needed(inputs, network.depth, order, method)
    if needed > MOST_BYTES:
        return (
            f"{what} and {network.depth} layers needs {needed:.3g} bytes, "
            f"{needed / 2**30:.3g} GiB: more than {MOST_BYTES / 2**30:.3g}"
        )
    return None


def _cure(network: Network, inputs: int, order: int, method: Method | None) -> str:
    """What would fit: the other method, the highest order, the most inputs; each is checked."""
    cures = []
    for other in Method:
        if _limit(network, inputs, order, other) is None:
            cures.append(f'method="{other}"')
    lower = _highest(lambda p: _limit(network, inputs, p, method), min(order, HIGHEST_ORDER + 1))
    if lower:
        cures.append(f"order={lower}")
    fewer = _highest(lambda n: _limit(network, n, order, method), inputs)
    if fewer:
        cures.append(f"{fewer} input{'s' * (fewer > 1)} at a time")
    return f"take {', or '.join(cures or ['order=0'])}"


def _highest(limit: Callable[[int], str | None], below: int) -> int:
    """The last of 1, 2, .., below - 1 before the first that has a limit; 0 if there is none."""
    return next((n - 1 for n in range(1, below) if limit(n) is not None), below - 1)


def _duration(seconds: float) -> str:
    for unit, size in (("days", 86400.0), ("hours", 3600.0), ("minutes", 60.0)):
        if seconds >= 2.0 * size:
            return f"{seconds / size:.0f} {unit}"
    return f"{seconds:.3g} seconds"


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
