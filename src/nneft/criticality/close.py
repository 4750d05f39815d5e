"""Two close inputs: how their difference and its fluctuations go through a flow.

``phi_1 = phi_0 + phi_d/2``, ``phi_2 = phi_0 - phi_d/2`` with ``phi_d`` small and orthogonal to
``phi_0``. To leading order in it ``sigma_d = sigma'(phi_0) phi_d``, so that one layer is made of
averages over ``phi_0`` alone (PDLT 5, there parallel and perpendicular perturbations):

    K_dd' = chi_perp K_dd ,                        g = d chi_perp/dK
    V_00dd' = cov + chi_par (chi_perp V_00dd + g K_dd V_4)
    V_0d0d' = b + chi_par^2 V_0d0d
    V_dddd' = c + chi_perp^2 V_dddd + 2 chi_perp g K_dd V_00dd + (g K_dd)^2 V_4
    b = C_W^2 <sigma^2 sigma'^2> K_dd ,   cov = b - C_W^2 <sigma^2> <sigma'^2> K_dd ,
    c = (3 C_W^2 <sigma'^4> - chi_perp^2) K_dd^2
"""

from dataclasses import dataclass

import numpy as np

from nneft.criticality import mesh
from nneft.criticality.averages import BLOCK, averages
from nneft.gaussian.base import Array
from nneft.rg.flow import Flow


@dataclass(frozen=True, eq=False)
class ClosePair:
    """Every layer's ``G_dd = G_11 + G_22 - 2 G_12`` and its joint cumulants; each (L,).

    Attributes
    ----------
    log_K_dd
        Logarithm of ``K_dd`` in units of the first layer's.
    V_00dd, V_0d0d, V_dddd
        ``Cov(G_00, G_dd)/K_dd``, ``Var(G_0d)/K_dd``, ``Var(G_dd)/K_dd^2``, each times n_{l-1}.
    chi_par, chi_perp
        Index 0 is the step from layer 1 to layer 2: (L - 1,).
    """

    log_K_dd: Array
    V_00dd: Array
    V_0d0d: Array
    V_dddd: Array
    chi_par: Array
    chi_perp: Array

    def __str__(self) -> str:
        names = ("log_K_dd", "V_00dd", "V_0d0d", "V_dddd")
        lines = ["layer" + "".join(f"{name:>14}" for name in names)]
        depth = len(self.log_K_dd)
        for l in sorted({*range(0, depth, max(1, depth // 10)), depth - 1}):
            cells = [float(getattr(self, name)[l]) for name in names]
            lines.append(f"{l + 1:>5}" + "".join(f"{cell:>14.6g}" for cell in cells))
        return "\n".join(lines)


def close_pair(flow: Flow) -> ClosePair:
    """The limit of two inputs that come together, along a flow of one.

    Parameters
    ----------
    flow
        Of one input, to order 1 or more.

    Raises
    ------
    ValueError
        Several inputs, order 0, or a layer at which close inputs become one.
    """
    if len(flow.states[0].K_0) != 1 or flow.order < 1:
        raise ValueError(
            "close_pair wants a flow of one input to order 1 or more, got "
            f"{len(flow.states[0].K_0)} inputs at order {flow.order}"
        )
    K, V_4 = flow.K(0)[:-1, 0, 0], flow.V(4)[:-1, 0, 0, 0, 0]
    w, widths = flow.network.C_W[1:], np.array(flow.network.widths[:-1], dtype=np.float64)
    at = averages(flow.network.activation, K)
    chi_perp, chi_par = w * at.gradient, w * at.slope
    if not np.all(chi_perp > 0.0):
        raise ValueError("close inputs become one: C_W <sigma'^2> is 0 at some layer")
    slope, mixed, fourth = _fourth(flow, K)
    g, b, c = w * slope, w * w * mixed, 3.0 * w * w * fourth - chi_perp**2
    cov = b - w * w * at.square * at.gradient
    found = np.zeros((3, len(K) + 1))
    for l in range(len(K)):
        W, v, u = found[:, l] * widths[l + 1] / widths[l]
        four = V_4[l] * widths[l + 1] / widths[l]
        par, perp = chi_par[l], chi_perp[l]
        found[0, l + 1] = (cov[l] + par * (perp * W + g[l] * four)) / perp
        found[1, l + 1] = (b[l] + par * par * v) / perp
        u_next = c[l] + perp * perp * u + 2.0 * perp * g[l] * W + g[l] ** 2 * four
        found[2, l + 1] = u_next / perp**2
    log_K_dd = np.concatenate([[0.0], np.cumsum(np.log(chi_perp))])
    return ClosePair(log_K_dd, found[0], found[1], found[2], chi_par, chi_perp)


def _fourth(flow: Flow, kernels: Array) -> Array:
    """(3, kernels): ``d<sigma'^2>/dK``, ``<sigma^2 sigma'^2>``, ``<sigma'^4>``."""
    sigma = flow.network.activation
    found = np.empty((3, len(kernels)))
    octave = np.floor(np.log2(kernels))
    for o in np.unique(octave):
        places = np.flatnonzero(octave == o)
        x, weights = mesh.nodes(sigma, float(kernels[places].min()), float(kernels[places].max()))
        value, first = sigma.derivatives(x, 1)
        columns = np.stack([first**2, (value * first) ** 2, first**4])
        rows = max(1, BLOCK // len(x))
        for here in (places[i : i + rows] for i in range(0, len(places), rows)):
            K = kernels[here, None]
            z2 = x**2 / K
            with np.errstate(under="ignore"):
                density = weights * np.exp(-0.5 * z2) / np.sqrt(2.0 * np.pi * K)
                # d<f>_K/dK = <f (z^2 - 1)>/(2 K)
                found[0, here] = (density * (z2 - 1.0)) @ columns[0] / (2.0 * K[:, 0])
                found[1:, here] = columns[1:] @ density.T
    return found
