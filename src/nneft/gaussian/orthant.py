"""``<|x_1||x_2||x_3||x_4|>`` for any four unit Gaussians, singular correlations included.

The one four-point function of ReLU-like activations that is not elementary. Split the inputs into
two blocks ``{1,2}``, ``{3,4}`` and scale the cross block of the correlation matrix by ``t``
(Plackett 1954). Because ``dM/dt = sum_ij rho_ij <d_i d_j .>``, two integrations by ``t`` give

    M(1) = M(0) + int_0^1 (1 - t) M''(t) dt,        M'(0) = 0,

and every part of ``M''`` is elementary save ``<s_1 s_2 s_3 s_4>``, which is integrated once more:
its own derivative is, with ``c = 2 (rho_13 rho_24 + rho_14 rho_23)``,

    M(1) = M(0) + c S(0)/2 + int_0^1 [(1 - t) R(t) + (1 - t)^2 c S'(t)/2] dt.

The weights ``(1 - t)`` switch off the end point, the only place where a singular matrix is singular
(``t = cos(theta)`` makes the rest smooth). Rounding is kept out by *canonical coordinates*: two
orthonormal bases in which the cross block is ``diag(sigma_1, sigma_2)``, so that an input is an
angle and every determinant a sum of squares: nothing is inverted, nothing cancels.
"""

from typing import NamedTuple

import numpy as np

from nneft.gaussian.base import Array

#: Correlations inside a block stay this far from 1. M is Lipschitz, so it moves by no more; and it
#: keeps the canonical coordinates of coinciding inputs defined.
_MARGIN = 4 * float(np.finfo(np.float64).eps)
_EPS = float(np.finfo(np.float64).eps)
#: Matrices treated at once, so that temporaries stay in the cache.
_CHUNK = 64
_SPLITS = np.array([(0, 1, 2, 3), (0, 2, 1, 3), (0, 3, 1, 2)])


def _rule(count: int) -> tuple[Array, Array]:
    """Gauss-Legendre on ``theta = (pi/2) u^3``, ``0 < u < 1``.

    Graded towards 0, where a nearly singular matrix of smallest eigenvalue ``s^2`` has a feature of
    width ``s``, of weight ``s^4``.
    """
    node, weight = np.polynomial.legendre.leggauss(count)
    u = (node + 1) / 2
    return np.pi / 2 * u**3, np.pi / 2 * 3 * u**2 * weight / 2


_FINE, _COARSE = _rule(64), _rule(44)
_THETA = np.concatenate([_FINE[0], _COARSE[0]])


class _Frame(NamedTuple):
    """Four unit vectors in the canonical coordinates of their two blocks.

    ``first`` and ``second``: (B, 2 inputs, 2 coordinates); ``sigma``: (B, 2) canonical
    correlations; ``sines``: (B, 2), of the angle within each block; ``orientation``: (B, 2), the
    sign of the turn from the first to the second input of each block.
    """

    first: Array
    second: Array
    sigma: Array
    sines: Array
    orientation: Array


def absolute_product(correlation: Array) -> tuple[Array, Array]:
    """``<|x_1||x_2||x_3||x_4|>`` and estimates of the absolute error.

    Parameters
    ----------
    correlation
        (B, 4, 4): positive semi-definite up to rounding, ones on the diagonal.

    Returns
    -------
    values, errors
        (B,) each. Values lie between ``(2/pi)^2`` and 3.
    """
    parts = [
        _absolute_product(correlation[i : i + _CHUNK]) for i in range(0, len(correlation), _CHUNK)
    ]
    values, errors = zip(*parts, strict=True) if parts else ((np.zeros(0),), (np.zeros(0),))
    return np.concatenate(values), np.concatenate(errors)


def _absolute_product(correlation: Array) -> tuple[Array, Array]:
    frame = _frame(_split(correlation))
    (inner, angle), rho = _inner(frame), _bilinear(frame.first, frame.sigma, frame.second)
    c = 2 * (rho[:, 0, 0] * rho[:, 1, 1] + rho[:, 0, 1] * rho[:, 1, 0])
    # M(0) = <|1||2|><|3||4|>, <|x||y|> = (2/pi)(sqrt(det) + rho asin rho); S(0) likewise
    start = np.prod(frame.sines + inner * angle, axis=1) + c / 2 * np.prod(angle, axis=1)
    integrand = _integrand(frame, rho, c)
    count = len(_FINE[0])
    fine, coarse = integrand[:, :count] @ _FINE[1], integrand[:, count:] @ _COARSE[1]
    rounding = 8 * _EPS * (3 + np.abs(integrand[:, :count]) @ _FINE[1])
    return (2 / np.pi) ** 2 * (start + fine), np.abs(fine - coarse) + rounding


def _split(correlation: Array) -> Array:
    """Reorder each matrix so that its blocks {1,2}, {3,4} are the least correlated inside."""
    ordered = [correlation[:, order][:, :, order] for order in _SPLITS]
    inside = [np.maximum(np.abs(m[:, 0, 1]), np.abs(m[:, 2, 3])) for m in ordered]
    best = np.argmin(inside, axis=0)
    return np.asarray(np.stack(ordered)[best, np.arange(len(correlation))])


def _frame(m: Array) -> _Frame:
    """Canonical coordinates of the blocks, from the singular values of the whitened cross block."""
    r = np.clip(np.stack([m[:, 0, 1], m[:, 2, 3]], 1), -1 + _MARGIN, 1 - _MARGIN)
    s = np.sqrt((1 - r) * (1 + r))
    lower = np.zeros((2, len(m), 2, 2))
    lower[:, :, 0, 0], lower[:, :, 1, 0], lower[:, :, 1, 1] = 1, r.T, s.T
    rows = m[:, :2, 2:].copy()
    rows[:, 1] = (rows[:, 1] - r[:, :1] * rows[:, 0]) / s[:, :1]
    rows[:, :, 1] = (rows[:, :, 1] - r[:, 1:] * rows[:, :, 0]) / s[:, 1:]
    left, sigma, right = np.linalg.svd(rows)
    orientation = np.stack([np.linalg.det(left), np.linalg.det(right)], 1)
    return _Frame(
        first=lower[0] @ left,
        second=lower[1] @ right.swapaxes(1, 2),
        sigma=np.minimum(sigma, 1.0),
        sines=s,
        orientation=np.sign(orientation),
    )


def _inner(frame: _Frame) -> tuple[Array, Array]:
    """Correlations within the blocks and their arcsines, (B, 2) each."""
    cosines = np.stack([(v[:, 0] * v[:, 1]).sum(-1) for v in (frame.first, frame.second)], 1)
    return cosines, np.arctan2(cosines, frame.sines)


def _bilinear(v: Array, sigma: Array, w: Array) -> Array:
    """``v_i . diag(sigma) . w_j``, (B, 2, 2)."""
    return np.asarray((v * sigma[:, None, :]) @ w.swapaxes(1, 2))


def _turned(v: Array) -> Array:
    """Each vector turned by a right angle."""
    return np.stack([-v[..., 1], v[..., 0]], -1)


def _integrand(frame: _Frame, rho: Array, c: Array) -> Array:
    """``(1-t) R(t) + (1-t)^2 c S'(t)/2``, times ``dt/dtheta`` and ``(pi/2)^2``: (B, nodes)."""
    v, w, sigma, sines, orientation = frame
    jv, jw = _turned(v), _turned(w)
    slant_v, slant_w = _bilinear(jv, sigma, w), _bilinear(v, sigma, jw)
    t, sin = np.cos(_THETA), np.sin(_THETA)
    # det of the canonical pairs, g_c = 1 - (t sigma_c)^2: (B, nodes) each
    g1, g2 = (sin**2 + t**2 * ((1 - s) * (1 + s))[:, None] for s in sigma.T)
    ratio = np.sqrt(g2 / g1)
    # what <2 delta_i |k| s_3 s_4> owes to (3, 4) given 1 and 2; and with the blocks exchanged
    psi_w = np.arctan2(_tilted(jw[:, 0], jw[:, 1], ratio), sines[:, 1, None])
    psi_v = np.arctan2(_tilted(jv[:, 0], jv[:, 1], ratio), sines[:, 0, None])
    sine_v, sine_w = sines[:, 0, None], sines[:, 1, None]
    area = sine_v * sine_w * np.sqrt(g1 * g2)  # sqrt(det) of all four
    regular, slope = np.zeros_like(g1), np.zeros_like(g1)
    for i, j in np.ndindex(2, 2):
        r, along_v, along_w = (a[:, i, j, None] for a in (rho, slant_v, slant_w))
        sign_v, sign_w = orientation[:, 0, None] * (-1) ** i, orientation[:, 1, None] * (-1) ** j
        # det_ij = 1 - (t rho_ij)^2; turn/root is the tangent of asin rho_{kl|ij}, up to its sign
        # sign_v sign_w, with k and l the other inputs of the two blocks
        det = g1 * w[:, j, 0, None] ** 2 + g2 * w[:, j, 1, None] ** 2 + (t * along_v) ** 2
        root = np.sqrt(det)
        turn = t * _tilted(sigma * jv[:, i], jw[:, j], ratio)
        psi = np.arctan2(turn, root) / root
        # rho_ij^2 <2 delta_i 2 delta_j |k||l|>
        regular += r**2 * area / det * (1 + turn * psi)
        # 2 rho_i3 rho_i4 <2 delta_i |k| s_3 s_4>, one half for each j; then the blocks exchanged
        weight_v, weight_w = r * rho[:, i, 1 - j, None], r * rho[:, 1 - i, j, None]
        regular += weight_v * sine_v * (psi_w + 2 * t * sign_w * along_v * psi)
        regular += weight_w * sine_w * (psi_v + 2 * t * sign_v * along_w * psi)
        # S'(t) = sum_ij rho_ij <2 delta_i 2 delta_j s_k s_l>
        slope += r * sign_v * sign_w * psi
    u = 2 * np.sin(_THETA / 2) ** 2  # 1 - t
    return np.asarray(sin * (u * regular + u**2 * c[:, None] / 2 * slope))


def _tilted(a: Array, b: Array, ratio: Array) -> Array:
    """``a_1 b_1 sqrt(g2/g1) + a_2 b_2 sqrt(g1/g2)``: (B, nodes)."""
    first, second = (a * b).T
    return np.asarray(first[:, None] * ratio + second[:, None] / ratio)
