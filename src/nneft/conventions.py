"""The conventions of the whole package, in one place.

They are those of Banta, Cai, Craig, Zhang (arXiv:2305.02334, "BCCZ"); Roberts, Yaida, Hanin,
*The Principles of Deep Learning Theory* (arXiv:2106.10165, "PDLT"), agree except where said.

Layers and preactivations
    Layers are ``l = 1..L`` with widths ``n_1..n_L``; ``n_0`` is the dimension of the inputs.
    Every field is a **preactivation**, bias included::

        phi^(1)_i(x) = sum_j W^(1)_ij x_j + b^(1)_i
        phi^(l)_i(x) = sum_j W^(l)_ij sigma(phi^(l-1)_j(x)) + b^(l)_i ,   l = 2..L

    Arrays over layers have length ``L``, and **index 0 is layer 1**: ``flow.K(0)[l - 1]``.
    The last layer is linear in the activations of the one before, as every other is.

Initialization
    ``W^(l)_ij ~ N(0, C_W^(l) / n_{l-1})`` and ``b^(l)_i ~ N(0, C_b^(l))``: ``C_W`` is divided by
    the number of *incoming* neurons, so that He's initialization is ``C_W = 2``. Both may
    depend on the layer.

Kernel
    ``G^(l)_ab`` is the covariance of ``phi^(l)_i(x_a)`` and ``phi^(l)_i(x_b)`` given layer
    ``l-1`` (BCCZ 2-4). It carries ``C_b`` and ``C_W``, and, in the first layer, ``1/n_0``::

        G^(1)_ab = C_b + C_W x_a.x_b / n_0
        G^(l)_ab = (1/n_{l-1}) sum_j [C_b + C_W sigma(phi_j,a) sigma(phi_j,b)]

Expansion
    The small parameter is ``1/n``, all hidden widths in fixed ratios. The mean is
    ``<G^(l)> = sum_p K_p / n_{l-1}^p`` (BCCZ 10): the power is of the width **below** the layer.
    PDLT write ``G^{0}`` and ``G^{1}`` for ``K_0`` and ``K_1``.

Connected correlators
    With ``kappa_k`` the joint cumulant of ``k`` entries of ``G^(l)``::

        <phi_i1(x1) .. phi_i2k(x2k)>_c = sum over the pairings allowed by the neurons' indices
                                         of kappa_k(G_A1, .., G_Ak)
        V_2k = n_{l-1}^{k-1} kappa_k                                             (BCCZ 28)

    so ``V_4(x1,x2;x3,x4) = n_{l-1} Cov(G_12, G_34)``: no factor of 2 or 3, no powers of the
    kernel taken out. PDLT's ``V_(12)(34)`` is the same; their one-input ``V`` is ``V_4`` at four
    equal inputs, a third of the excess fourth cumulant of one neuron times ``n_{l-1}``.
    ``flow.V(2k)`` without more is its leading order.

Pairs
    A **pair** ``A = (a, b)`` is unordered, ``a <= b``; there are ``N (N+1)/2``. Vectors and
    matrices over pairs follow :func:`pairs`: row by row through the upper triangle.

Susceptibility
    ``chi_{A;B} = dK_0^(l)_A / dK_0^(l-1)_B``, derivative by the **unordered** entry, both
    ``K_cd`` and ``K_dc`` moving together when ``c != d``. With ``f = C_W sigma_a sigma_b``::

        d<f>_K / dK_cd = <d_c d_d f>_K        c != d
        d<f>_K / dK_cc = 1/2 <d_c^2 f>_K      (heat equation)

    BCCZ (24) integrate over *ordered* arguments instead: their
    ``chi(x1,x2;y1,y2) = (C_W/2) <d^2 Delta / dphi(y1) dphi(y2)>`` counts ``(c,d)`` and ``(d,c)``
    separately, each with the 1/2. So ``chi_{A;(c,d)}`` is the **sum** of the two bilocal
    entries for ``c != d`` and equal to the one for ``c = d``. Likewise their
    ``(C_W/8) V_4 . <d^4 Delta>`` is ``1/2 sum_CD V_4(C;D) d_C d_D K_0`` in unordered entries.
    PDLT's ``chi_parallel`` and ``chi_perp`` are ``C_W/2 <(sigma^2)''>`` and ``C_W <sigma'^2>``.

Expectations
    ``<.>_K`` is over a centred Gaussian with covariance ``K``, possibly singular. The relative
    error of ``<f g>`` is relative to ``sqrt(<f^2><g^2>)``, so that zero crossings do not count.
"""

from __future__ import annotations

import operator
from typing import SupportsIndex

__all__ = ["pairs"]


def pairs(count: SupportsIndex) -> list[tuple[int, int]]:
    """List the unordered pairs ``(a, b)``, ``a <= b``, of ``count`` inputs in the order used
    everywhere.

    Parameters
    ----------
    count
        Number ``N`` of inputs, at least 0.

    Returns
    -------
    list of (int, int)
        ``(0,0), (0,1), .., (0,N-1), (1,1), ..``: length ``N (N+1)/2``, the order of
        ``numpy.triu_indices(N)``.

    Raises
    ------
    TypeError
        if ``count`` is not an integer.
    ValueError
        if it is negative.
    """
    n = operator.index(count)
    if n < 0:
        raise ValueError(f"the number of inputs must be 0 or more, got {n}")
    return [(a, b) for a in range(n) for b in range(a, n)]
