"""What every method of `gaussian/` takes and returns."""

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

Array = NDArray[np.float64]

#: One expectation ``< prod_a (sigma^{p_a})^{(r_a)}(phi_a) >_K``: the powers ``p_a`` and the numbers
#: of derivatives ``r_a``, one of each for every input.
Term = tuple[tuple[int, ...], tuple[int, ...]]
Terms = Sequence[Term]


class Moments(NamedTuple):
    """Expectations and estimates of their absolute errors, one for each term."""

    values: Array
    errors: Array
