"""Coefficients of the expansion in 1/n from ensembles of several widths."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from fractions import Fraction

import numpy as np
from numpy.typing import ArrayLike, NDArray

from nneft.ensemble.ensemble import Ensemble
from nneft.ensemble.estimate import Estimate

Array = NDArray[np.float64]
#: Rounding of an estimate, relative: errors below it are not believed.
ROUNDING = 1e-13


@dataclass(frozen=True, eq=False)
class Extrapolation:
    """``sum_p c_p / n_{l-1}^p``, fitted to ensembles of several widths.

    Parameters
    ----------
    coefficients : Estimate, (order + 1, L, ..): ``c_p``, their errors from the ensembles' errors.
    chi2 : (L, ..) sum of the squared residuals in standard errors; 0 at layer 1.
    freedom : degrees of freedom: about this is ``chi2`` where the orders left out do not count.
    """

    coefficients: Estimate
    chi2: Array
    freedom: int

    def __getitem__(self, order: int) -> Estimate:
        """``c_order``: (L, ..)."""
        return self.coefficients[order]


def extrapolate(
    ensembles: Sequence[Ensemble],
    order: int = 2,
    *,
    of: Callable[[Ensemble], Estimate] = lambda ensemble: ensemble.kernel,
    leading: ArrayLike | None = None,
) -> Extrapolation:
    """``K_0, K_1, K_2, ..`` from ``<G>`` at several widths, or the orders of another estimate.

    Weighted least squares in ``1/n_{l-1}``, layer by layer (BCCZ 10). Orders beyond ``order`` are
    taken as none: what they would do shows in ``chi2`` when one more ensemble of small width is
    added.

    Parameters
    ----------
    ensembles : of networks alike but for a common factor of all hidden widths, each with a seed of
        its own: ensembles of one seed share random numbers, whatever their widths.
    order : highest power of ``1/n`` fitted.
    of : what is expanded, from an ensemble to an estimate over layers; ``lambda e: e.V(4)`` for the
        orders of ``V_4``.
    leading : (L, ..) the coefficient ``c_0`` where it is known, as ``flow.K(0)`` is; it is not
        fitted then, which makes the next ones more precise.

    Returns
    -------
    Extrapolation

    Raises
    ------
    ValueError
        for too few widths, networks that differ in more than a factor, or shared random numbers.
    """
    _check(ensembles, order, leading is not None)
    found = [of(ensemble) for ensemble in ensembles]
    mean, error = (np.stack([getattr(e, name) for e in found]) for name in ("mean", "error"))
    # Reduced ensembles may have no other error than rounding.
    error = np.where(error > 0.0, np.maximum(error, ROUNDING * np.abs(mean)), 0.0)
    known = None if leading is None else np.broadcast_to(np.asarray(leading), mean.shape[1:])
    # In units of the smallest width: t = n_min / n.
    widths = np.array([ensemble.widths[:-1] for ensemble in ensembles], dtype=np.float64)
    smallest = widths.min(axis=0)
    powers = np.arange(0 if known is None else 1, order + 1)
    design = (smallest / widths)[..., None] ** powers
    design = design.reshape(*widths.shape, *(1,) * (mean.ndim - 2), len(powers))
    unit = np.where(error > 0.0, error, 1.0)
    target = (mean if known is None else mean - known) / unit
    weighted = np.moveaxis(design / unit[..., None], 0, -2)[1:]
    # c = (X^T X)^-1 X^T y in units of the errors, and cov(c) = (X^T X)^-1 = X^+ X^+^T.
    inverse = np.linalg.pinv(weighted)
    fitted = np.einsum("...pe,e...->p...", inverse, target[:, 1:])
    spread = np.sqrt(np.einsum("...pe,e...->p...", inverse**2, (error[:, 1:] > 0.0).astype(float)))
    residual = target[:, 1:] - np.einsum("...ep,p...->e...", weighted, fitted)
    # Layer 1 is not random and knows no width.
    coefficients = np.zeros((2, order + 1, *mean.shape[1:]))
    coefficients[0, 0] = mean[0] if known is None else known
    scale = (smallest[1:] ** powers[:, None]).reshape(
        -1, len(smallest) - 1, *(1,) * (mean.ndim - 2)
    )
    coefficients[0, powers, 1:] = fitted * scale
    coefficients[1, powers, 1:] = spread * scale
    chi2 = np.zeros(mean.shape[1:])
    chi2[1:] = (residual**2).sum(axis=0)
    count = min(ensemble.networks for ensemble in ensembles)
    return Extrapolation(
        Estimate(coefficients[0], coefficients[1], count), chi2, len(ensembles) - len(powers)
    )


def _check(ensembles: Sequence[Ensemble], order: int, known: bool) -> None:
    least = order + 1 - known
    if order < 1 or len({ensemble.widths[1:] for ensemble in ensembles}) < least:
        raise ValueError(
            f"order {order} needs order 1 or more and ensembles of {max(least, 1)} different widths"
            f" or more, got {len(ensembles)} ensembles"
        )
    first = ensembles[0]
    for other in ensembles[1:]:
        for name in ("activation", "C_W", "C_b"):
            if getattr(first, name) != getattr(other, name):
                raise ValueError(
                    f"only the widths may differ, but {name} is {getattr(first, name)} and "
                    f"{getattr(other, name)}"
                )
        if not np.array_equal(first.first_kernel, other.first_kernel):
            raise ValueError("only the widths may differ, but the first kernels do")
        ratios = {Fraction(a, b) for a, b in zip(first.widths[1:-1], other.widths[1:-1])}
        if len(ratios) > 1:
            raise ValueError(
                "all hidden widths must grow by a common factor, got "
                f"{first.widths[1:-1]} and {other.widths[1:-1]}"
            )
    seeds = [s for e in ensembles for s in {(s.method, s.dtype, s.seed) for s in e.sources}]
    if len(set(seeds)) < len(seeds):
        raise ValueError(
            "ensembles of one seed share random numbers, and their errors are not independent: "
            "sample every width with a seed of its own"
        )
