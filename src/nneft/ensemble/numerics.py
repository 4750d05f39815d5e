"""Kernels that are no numbers any more, by the layer where it happened."""

import numpy as np

from nneft.conventions import pairs
from nneft.ensemble.plan import Array, Plan
from nneft.errors import NumericsError


def check(samples: Array, plan: Plan, block: int) -> None:
    """Raise unless the kernels (networks, L-1, P) of a block can all be trusted.

    A kernel of exactly zero is lawful where no underflow led to it: with few ReLU neurons all of
    them may be silent.

    Raises
    ------
    NumericsError
        naming the first layer, the pair of inputs and the networks.
    """
    count = len(plan.kernel)
    finite = np.isfinite(samples)
    if not finite.all():
        _fail("is not finite (NaN or overflow)", ~finite, plan, block)
    diagonal = [i for i, (a, b) in enumerate(pairs(count)) if a == b]
    now = samples[:, :, diagonal]
    first = np.broadcast_to(np.diagonal(plan.kernel), (len(samples), 1, count))
    before = np.concatenate([first, now], axis=1)[:, :-1]
    # Below this the squares of activations, or in float32 the activations, lose digits.
    tiny = float(np.finfo(plan.dtype).tiny)
    least = tiny if plan.dtype == "float64" else tiny**2
    lost = (now > 0.0) & (now < least)
    # Zero after something so small that its fourth power is lost: no silent neurons, an underflow.
    lost |= (now == 0.0) & (before > 0.0) & (before < least**0.25)
    lost &= (plan.network.C_W[1:] > 0.0)[None, :, None]
    if lost.any():
        all_pairs = np.zeros(samples.shape, dtype=bool)
        all_pairs[:, :, diagonal] = lost
        _fail(f"underflows {plan.dtype}", all_pairs, plan, block)


def _fail(what: str, where: "np.typing.NDArray[np.bool_]", plan: Plan, block: int) -> None:
    layer, pair = np.argwhere(where.any(axis=0))[0]
    many = int(where[:, layer].any(axis=-1).sum())
    raise NumericsError(
        f"the kernel at layer {layer + 2}, inputs {pairs(len(plan.kernel))[pair]}, {what} in "
        f"{many} of {numbered(plan, block, len(where))}"
    )


def numbered(plan: Plan, block: int, networks: int) -> str:
    """Which networks a block of the plan holds: nobody but the sampler counts these blocks."""
    first = block * plan.block
    return f"networks {first:,} to {first + networks - 1:,} (seed {plan.seed})"
