"""When an ensemble has enough networks: looked at where only the settings say.

Sampling goes on in pieces of about a second of work, one after another. After each of the first 16,
then at eight numbers of pieces in every factor of two, the networks of all pieces so far are looked
at; they are the result if their errors are small enough. How many networks that takes depends on no
clock, no number of workers and no order in which pieces were done.

Stopping where an estimated error is small favours samples whose error is underestimated. That is
of order 1/M for M networks, and nothing is looked at below :data:`FEWEST`.
"""

from __future__ import annotations

from collections.abc import Callable, Generator
from contextlib import closing
from math import comb
from typing import TYPE_CHECKING

from nneft.ensemble import plan as cutting
from nneft.ensemble.accuracy import Accuracy, Reading

if TYPE_CHECKING:
    from nneft.ensemble.ensemble import Ensemble
    from nneft.ensemble.plan import Plan

#: Blocks of the plan in one piece, at most.
TOGETHER = 16
#: Networks below which an error is not trusted to say when to stop.
FEWEST = 1000
#: Called with what a target has come to.
Watch = Callable[[int, list[Reading]], object]


def piece(plan: Plan) -> int:
    """Networks in a piece: whole blocks of the plan, about a second of work."""
    second = TOGETHER * cutting.BLOCK
    return plan.block * max(1, min(TOGETHER, second // (plan.block * cost(plan))))


def cost(plan: Plan) -> int:
    """What a network takes, in random numbers with their activations (15 ns); roughly.

    To its random numbers come its sums over pairs of pairs of inputs; where estimates are reduced,
    as many again, conditional means for every pair, and the spread over neurons.
    """
    count, layers = len(plan.kernel), max(1, plan.network.depth - 1)
    pairs = count * (count + 1) // 2
    sums = sum(comb(pairs + k - 1, k) for k in range(3, plan.points // 2 + 1))
    sums += pairs**2 if plan.points >= 4 else 0
    extra = 0
    if plan.control is not None:
        extra = layers * (sums + 30 * pairs) + sum(count * n // 4 for n in plan.hidden)
    return plan.work + layers * sums + extra


def is_look(pieces: int) -> bool:
    """Whether so many pieces are looked at: 1, 2, .. 16, 18, .. 32, 36, .. 64, 72, .."""
    return pieces > 0 and pieces % (1 << max(0, (pieces - 1).bit_length() - 4)) == 0


def enough(accuracy: Accuracy, ensemble: Ensemble | None) -> bool:
    """Whether an ensemble is accurate, and large enough to know."""
    if ensemble is None or ensemble.networks < FEWEST:
        return False
    readings = accuracy.readings(ensemble)
    return readings is not None and all(reading.distance < 1.0 for reading in readings)


def first_enough(
    blocks: Generator[Ensemble],
    plan: Plan,
    accuracy: Accuracy,
    watch: Watch | None = None,
) -> tuple[Ensemble, bool]:
    """Merge a plan's blocks in order until they are accurate; whether they got there.

    Parameters
    ----------
    blocks : one or more ensembles, in order; closed in the end.
    plan, accuracy : what is sampled, and what is wanted.
    watch : called with networks and readings at every look.

    Raises
    ------
    ValueError
        for no blocks at all.
    """
    size, total = piece(plan), None
    with closing(blocks):
        for block in blocks:
            total = block if total is None else total.merge(block)
            pieces, rest = divmod(total.networks, size)
            if rest == 0 and is_look(pieces):
                if watch is not None and (readings := accuracy.readings(total)):
                    watch(total.networks, readings)
                if enough(accuracy, total):
                    return total, True
    if total is None:
        raise ValueError("one block or more was wanted, got none")
    return total, enough(accuracy, total)
