"""What a theory tells the sampler, so that fluctuations can be taken out of its estimates."""

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

Array = NDArray[np.float64]


@dataclass(frozen=True, eq=False)
class Control:
    """What a theory knows of the chain of kernels; :func:`nneft.sample` makes its own.

    Parameters
    ----------
    mean : ``mean(l, G)``, l = 2..L: from kernels (B, N, N) of layer ``l-1`` to the conditional
        means ``<G^(l)>`` given them, (B, N, N): ``C_b + C_W <sigma_a sigma_b>_G``. Its errors are
        the estimates' errors. What it gives for one kernel may not depend on the others of the
        call, to the last bit; it is called from several threads.
    response : (L, P, P) ``chi_l = dF_l,A / dG_B`` over unordered pairs at some typical kernel,
        index 0 unused. Need not be exact: it decides the gain, not the mean.
    centre : (L, P) roughly ``<G>``, likewise.
    accuracy : largest error of ``mean`` relative to ``sqrt(F_aa F_bb)``: no estimate is better.
    """

    mean: Callable[[int, Array], Array]
    response: Array
    centre: Array
    accuracy: float = 1e-13

    def check(self, depth: int, inputs: int) -> None:
        """Raise a ValueError unless the arrays are of the shapes that the network needs."""
        size = inputs * (inputs + 1) // 2
        wanted = (depth, size, size), (depth, size)
        shapes = np.shape(self.response), np.shape(self.centre)
        if shapes != wanted:
            raise ValueError(
                f"control.response and control.centre must be of shapes {wanted[0]} and "
                f"{wanted[1]}, got {shapes[0]} and {shapes[1]}"
            )
        if not (np.isfinite(self.response[1:]).all() and np.isfinite(self.centre).all()):
            raise ValueError("control.response and control.centre must be finite numbers")
