"""Fewer, better conditioned inputs that carry the same information.

Inputs whose first kernels coincide to rounding stay coincident for ever: one of them is enough,
and what would diverge for two close ones (derivatives of a kinked activation) never arises. A
positively homogeneous activation without biases also keeps lengths: every input is first brought to
unit kernel, so that parallel inputs coincide too, and no kernel overflows for its input's length.
"""

from dataclasses import dataclass

import numpy as np

from nneft.gaussian.base import Array
from nneft.network import Network

#: What is left of the squared distance of coincident inputs, and of the difference of their own
#: entries, relative to these: rounding of a few units.
COINCIDENT = 1e-15


@dataclass(frozen=True)
class Reduction:
    """Distinct inputs' kernel, and the way back: input a is `lengths[a]` times input `of[a]`."""

    kernel: Array
    of: np.ndarray
    lengths: Array

    @property
    def scales(self) -> Array:
        """(2, M): the smallest and the largest length among the inputs that each stands for."""
        found = [self.lengths[self.of == a] for a in range(len(self.kernel))]
        return np.array([[some.min() for some in found], [some.max() for some in found]])


def reduce_inputs(network: Network, kernel: Array) -> Reduction:
    """The distinct inputs of a first kernel, (N, N) to (M, M) with M <= N."""
    lengths = np.ones(len(kernel))
    homogeneous = network.activation.slopes is not None and not np.any(network.C_b)
    if homogeneous:
        lengths = np.sqrt(np.diag(kernel))
        safe = np.where(lengths > 0.0, lengths, 1.0)
        kernel = kernel / safe[:, None] / safe
        kernel[np.diag_indices_from(kernel)] = (lengths > 0.0).astype(float)
        lengths = np.where(lengths > 0.0, lengths, 1.0)
    first: list[int] = []
    of = np.zeros(len(kernel), dtype=int)
    for a in range(len(kernel)):
        K = kernel[a, a]
        others = np.array(first, dtype=int)
        # |phi_a - phi_b|^2 = K_aa + K_bb - 2 K_ab
        apart = np.abs(K + kernel[others, others] - 2.0 * kernel[a, others])
        # Lengths are told apart long before: they enter the kernel in first order.
        longer = np.abs(K - kernel[others, others])
        same = np.flatnonzero((apart <= COINCIDENT * K) & (longer <= COINCIDENT * K))
        if len(same):
            of[a] = same[0]
        else:
            of[a] = len(first)
            first.append(a)
    return Reduction(kernel[np.ix_(first, first)], of, lengths)
