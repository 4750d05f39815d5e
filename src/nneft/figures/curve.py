"""What one panel shows of one quantity: theory and measurement, layer by layer."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

Array = NDArray[np.float64]


@dataclass(frozen=True, eq=False)
class Measured:
    """An ensemble's estimate of one component.

    Attributes
    ----------
    mean, error : (L,)
        The estimate from all networks and its standard error.
    by_group : (groups, L)
        The estimates of the single groups; their scatter is a second measure of the error.
    networks
        Networks behind `mean`.
    """

    mean: Array
    error: Array
    by_group: Array
    networks: int

    @property
    def group_error(self) -> Array:
        """(L,) standard error from the groups' scatter; NaN for fewer than two groups."""
        count = len(self.by_group)
        if count < 2:
            return np.full(self.mean.shape, np.nan)
        scatter: Array = self.by_group.std(axis=0, ddof=1) / np.sqrt(count)
        return scatter


@dataclass(frozen=True, eq=False)
class Curve:
    """One component of ``<G>`` or ``V_4`` of one ensemble, at layers ``first..L``.

    Attributes
    ----------
    activation, regime, C_W
        The ensemble: ``"relu"``, ``"critical"``, 2.0.
    component
        Indices of inputs from 0: ``(a, b)`` for ``<G_ab>``, ``(a, b, c, d)`` for ``V_4(ab;cd)``.
    layers : (L,)
        Numbers of the layers.
    leading : (L,)
        Leading-order theory.
    scale : (L,)
        What a deviation is relative to: ``sqrt(K_aa K_bb)``, ``sqrt(V(ab;ab) V(cd;cd))``.
    corrected : (L,) or None
        Theory with its first correction in 1/n, where it is held.
    exact : (L,) or None
        The value at finite width, to all orders, where it is known.
    measured
        None where nothing was sampled.
    """

    activation: str
    regime: str
    C_W: float
    component: tuple[int, ...]
    layers: NDArray[np.int64]
    leading: Array
    scale: Array
    corrected: Array | None = None
    exact: Array | None = None
    measured: Measured | None = None

    @property
    def name(self) -> str:
        """``12`` or ``12;34``, the inputs counted from 1."""
        digits = "".join(str(i + 1) for i in self.component)
        return digits if len(digits) == 2 else f"{digits[:2]};{digits[2:]}"

    @property
    def best(self) -> Array:
        """(L,) the best theory held: exact, else corrected, else leading."""
        for values in (self.exact, self.corrected):
            if values is not None:
                return values
        return self.leading

    def deviation(self, values: Array) -> Array:
        """(L,) ``values`` less leading order, relative to `scale`."""
        return (values - self.leading) / self.scale

    def pull(self, theory: Array) -> Array:
        """(L,) measured less `theory` in standard errors; NaN where nothing is random."""
        if self.measured is None:
            return np.full(self.leading.shape, np.nan)
        error = np.where(self.measured.error > 0.0, self.measured.error, np.nan)
        pull: Array = (self.measured.mean - theory) / error
        return pull
