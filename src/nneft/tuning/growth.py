"""How fast random seeds spread with depth at a critical point, and what depth that makes best.

One input, equal widths n, t layers behind, ``v = Var G / <G>^2``. By BCCZ (25) at leading order

    v' = (chi_par K / K')^2 v + nu_0 / n ,   nu_0 = C_W^2 (<sigma^4> - <sigma^2>^2) / K'^2

- every K fixed (scale-invariant): ``chi_par = K'/K = 1``, so ``v = nu_0 t / n`` with
  ``nu_0 = 3 A_4/A_2^2 - 1``: 5 for ReLU, 2 for linear;
- K* = 0, where ``K' = K - e K^{p+1}``: ``K'/K = 1 - 1/(p t)`` and ``chi_par = 1 - (p+1)/(p t)``
  make ``v' = (1 - 2/t) v + nu_0/n``, so ``v = (nu_0/3) t / n`` for any p, with a kink or without:
  2/3 where sigma is smooth (PDLT 5);
- half-stable, started at K*: ``chi_par = 1``, ``v = nu_0 t / n``.
"""

import numpy as np

from nneft.activations import Activation
from nneft.criticality import CriticalPoint
from nneft.gaussian import expectations


def growth_rate(activation: Activation, point: CriticalPoint) -> float | None:
    """``nu`` of ``Var G / <G>^2 -> nu t / n``; None where the kernel leaves the critical point."""
    if point.kernel is None:
        if point.C_W is None:
            return None
        return _local(point)
    if point.kernel == 0.0:
        return _local(point) / 3.0 if point.stability == "stable" else None
    assert point.C_W is not None
    terms = [((2,), (0,)), ((4,), (0,))]
    [[second], [fourth]] = expectations.singles(activation, np.array([point.kernel]), terms).values
    return float(point.C_W**2 * (fourth - second**2) / point.kernel**2)


def _local(point: CriticalPoint) -> float:
    """``nu_0 = 3 A_4/A_2^2 - 1``: <sigma^2> = A_2 K, <sigma^4> = 3 A_4 K^2."""
    return 3.0 * point.coefficients["A_4"] / point.coefficients["A_2"] ** 2 - 1.0


def optimal_ratio(rate: float, outputs: int) -> float:
    """The ratio depth / width at which two parts of the output say most about each other.

    ``r* = 4 / ((20 + 3 n_L) nu)``, `outputs` being ``n_L`` (PDLT appendix A).

    Notes
    -----
    The last layer's neurons are Gaussian given their common random kernel, of relative variance
    ``v``. In Laguerre polynomials orthogonal under the Gaussian, m of them differ from it by

        D_m = (v^2/2) h_m - (v^3/6) t_m ,  h_m = <L_2^2> = a(a+1)/2 ,  t_m = <L_2^3> = a(a+1)(a+4)

    with ``a = m/2``. The mutual information ``D_{m+m'} - D_m - D_m'`` is
    ``(m m'/4) (v^2/2 - v^3 (20 + 3 (m + m'))/12)``, however the neurons are parted: largest at
    ``v = 4/(20 + 3 n_L)``. With ``v = nu r``, its leading order, that is r*. It is a statement on
    the untrained network's outputs for one input, and in v itself a truncated series: the size of
    r*, not its digits, is what it tells.
    """
    return 4.0 / ((20.0 + 3.0 * outputs) * rate)
