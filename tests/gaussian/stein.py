"""Products of ``x^m s^e`` and ``2 delta`` under a Gaussian, to any number of digits, by Stein.

Slow and general: one rule for every product. Four signs are integrated along the path that scales
all correlations at once. Used as the truth for the closed forms, which share neither.
"""

from itertools import combinations

import mpmath as mp

#: ``(m, e)`` stands for ``x^m s^e``; DELTA for ``2 delta(x)``.
Factor = tuple[int, int]
DELTA: Factor = (-1, 1)


def mean(kernel, factors):
    """``<prod_i f_i(x_i)>``, `kernel` an mpmath matrix without zero variances."""
    size = len(factors)
    if size == 0:
        return mp.mpf(1)
    for i, factor in enumerate(factors):
        if factor == DELTA:
            return _given_zero(kernel, factors, i)
    for i, (m, e) in enumerate(factors):
        if m > 0:
            # <x_i h> = sum_j K_ij <d_j h>
            rest = [*factors[:i], (m - 1, e), *factors[i + 1 :]]
            return sum(kernel[i, j] * _differentiated(kernel, rest, j) for j in range(size))
    return _signs(kernel, [i for i, (_, e) in enumerate(factors) if e])


def _differentiated(kernel, factors, j):
    m, e = factors[j]
    if factors[j] == (0, 0):
        return mp.mpf(0)
    if m == 0:
        return mean(kernel, [*factors[:j], DELTA, *factors[j + 1 :]])
    return m * mean(kernel, [*factors[:j], (m - 1, e), *factors[j + 1 :]])


def _given_zero(kernel, factors, i):
    """The others, given ``x_i = 0``, times ``2 / sqrt(2 pi K_ii)``."""
    others = [j for j in range(len(factors)) if j != i]
    conditional = mp.matrix(len(others), len(others))
    for a, j in enumerate(others):
        for b, k in enumerate(others):
            conditional[a, b] = kernel[j, k] - kernel[j, i] * kernel[i, k] / kernel[i, i]
    return 2 / mp.sqrt(2 * mp.pi * kernel[i, i]) * mean(conditional, [factors[j] for j in others])


def _arcsine(kernel, i, j):
    """``<s_i s_j>``; no correlation where there is no variance."""
    scale = kernel[i, i] * kernel[j, j]
    if scale <= 0:
        return mp.mpf(0)
    return 2 / mp.pi * mp.asin(max(-1, min(1, kernel[i, j] / mp.sqrt(scale))))


def _signs(kernel, inputs):
    if not inputs:
        return mp.mpf(1)
    if len(inputs) == 2:
        return _arcsine(kernel, *inputs)
    if len(inputs) == 4:
        return _four_signs(kernel)
    return mp.mpf(0)


def _four_signs(kernel):
    """Integral over ``0 < t < 1`` of ``sum_ij rho_ij <2 delta_i 2 delta_j s_k s_l>``."""
    deviation = [mp.sqrt(kernel[i, i]) for i in range(4)]
    rho = mp.matrix(4, 4)
    for i in range(4):
        for j in range(4):
            rho[i, j] = kernel[i, j] / deviation[i] / deviation[j] if i != j else mp.mpf(1)

    def slope(u):
        t = mp.sin(u)
        path = rho * t
        for i in range(4):
            path[i, i] = mp.mpf(1)
        total = mp.mpf(0)
        for i, j in combinations(range(4), 2):
            factors = [(0, 1)] * 4
            factors[i] = factors[j] = DELTA
            total += rho[i, j] * mean(path, factors)
        return total * mp.cos(u)

    return mp.quad(slope, [0, mp.pi / 4, mp.pi / 2])
