"""Closed forms for ``sigma(x) = a_- x (x < 0), a_+ x (x > 0)``: linear, ReLU, leaky ReLU, abs.

With ``p = (a_+ + a_-)/2`` and ``q = (a_+ - a_-)/2``, ``sigma = p x + q |x|`` and in general
``sigma^m = P_m x^m + Q_m x^m s``, ``s = sgn x``. Stein's identity ``<x_i h> = sum_j K_ij <d_j h>``
lowers every product to pair functions of signs, except for ``<|1||2||3||4|>`` (`orthant`).

Second and higher derivatives by the kernel diverge where it is singular: parallel or opposite
inputs, a vanishing one. What multiplies them in a flow (``V_4``, ``K_1`` along the directions in
which the kernel would become regular) vanishes there, so that the limit is the rest: the divergent
term counts as 0, with error 0, once ``det < 16 eps K_xx K_yy``, or ``K_xx = 0``.
"""

from itertools import combinations
from math import factorial, gamma, pi, sqrt
from typing import NamedTuple

import numpy as np

from nneft.gaussian.base import Array, Moments, Term, Terms
from nneft.gaussian.orthant import absolute_product
from nneft.gaussian.sign import density_absolute, root_determinant, sign_sign

#: ``(a_minus, a_plus)``.
Slopes = tuple[float, float]

_EPS = float(np.finfo(np.float64).eps)
#: A value, and the sum of the magnitudes it was added up from.
_Sum = tuple[Array, Array]


class _Pairs(NamedTuple):
    """Pair functions of every two inputs ``i, j``: arrays (..., d, d)."""

    kernel: Array
    root: Array  # sqrt(K_ii K_jj - K_ij^2)
    sign: Array  # <s_i s_j>
    absolute: Array  # <|i||j|>
    density: Array  # <2 delta(i) |j|>


def covers(term: Term) -> bool:
    """Whether `moments` knows the closed form of this term."""
    powers, derivatives = term
    order = tuple(sorted(powers, reverse=True))
    if len(powers) == 1 or order == (1, 1):
        return True
    return not any(derivatives) and order in ((2, 2), (3, 1), (2, 1, 1), (1, 1, 1, 1))


def moments(slopes: Slopes, kernel: Array, terms: Terms) -> Moments:
    """``< prod_a (sigma^{p_a})^{(r_a)}(phi_a) >_K`` in closed form.

    Parameters
    ----------
    slopes
        ``(a_minus, a_plus)``.
    kernel
        (..., d, d), positive semi-definite, singular or not; the leading shape is that of many
        kernels at once.
    terms
        One input: any powers and derivatives. Two: powers (1, 1) with any derivatives, (2, 2),
        (3, 1). Three: (2, 1, 1). Four: (1, 1, 1, 1).

    Returns
    -------
    Moments
        values and errors, (..., T) each.

    Raises
    ------
    ValueError
        A term is none of those.
    """
    pairs = _pair_functions(np.asarray(kernel, dtype=np.float64))
    found = [_moment(slopes, pairs, term) for term in terms]
    shape = pairs.kernel.shape[:-2]
    values, errors = (np.zeros((*shape, len(found))) for _ in range(2))
    for i, (value, error) in enumerate(found):
        values[..., i], errors[..., i] = value, error
    return Moments(values, errors)


def pair_products(slopes: Slopes, kernel: Array) -> Moments:
    """``<sigma_a sigma_b>_K`` for all pairs of inputs: values and errors (N, N)."""
    pairs = _pair_functions(np.asarray(kernel, dtype=np.float64))
    p, q = _even_odd(slopes, 1)
    # <sigma sigma> = p^2 K + q^2 <|x||y|>
    values = p**2 * pairs.kernel + q**2 * pairs.absolute
    return Moments(values, 4 * _EPS * (p**2 * np.abs(pairs.kernel) + q**2 * pairs.absolute))


def _even_odd(slopes: Slopes, power: int) -> tuple[float, float]:
    """``P_m, Q_m`` of ``sigma^m = x^m (P_m + Q_m s)``."""
    minus, plus = (a**power for a in slopes)
    return (plus + minus) / 2, (plus - minus) / 2


def _pair_functions(kernel: Array) -> _Pairs:
    variance = np.diagonal(kernel, axis1=-2, axis2=-1)
    xx, yy = np.broadcast_arrays(variance[..., :, None], variance[..., None, :])
    root = root_determinant(xx, yy, kernel)
    sign = 2 / pi * np.arctan2(kernel, root)
    # <|x||y|> = (2/pi) (sqrt(det) + K_xy asin rho)
    absolute = 2 / pi * root + kernel * sign
    return _Pairs(kernel, root, sign, absolute, _over(2 / pi * root, xx))


def _over(numerator: Array, denominator: Array) -> Array:
    """The ratio, 0 where the denominator is 0."""
    zero = denominator == 0
    return np.asarray(np.where(zero, 0.0, numerator / np.where(zero, 1.0, denominator)))


def _moment(slopes: Slopes, pairs: _Pairs, term: Term) -> tuple[Array, Array]:
    """Value and error of one term."""
    powers, derivatives = term
    extra: Array | float = 0.0
    if not covers(term):
        raise ValueError(f"no closed form of the ReLU-like moment {term}: see homogeneous.moments")
    if len(powers) == 1:
        value, size = _single(slopes, pairs.kernel[..., 0, 0], powers[0], derivatives[0])
    elif powers == (1, 1):
        value, size = _differentiated_pair(slopes, pairs, derivatives)
    elif len(powers) == 2:
        value, size = _pair(slopes, pairs, powers)
    elif len(powers) == 3:
        value, size = _triple(slopes, pairs, powers.index(2))
    else:
        (value, size), extra = _quadruple(slopes, pairs)
    return value, 8 * _EPS * size + extra


def _single(slopes: Slopes, variance: Array, power: int, order: int) -> _Sum:
    """``<(sigma^m)^(r)>``: the derivatives of ``x^m s`` end in ``2 m! delta``, at ``r = m + 1``."""
    even, odd = _even_odd(slopes, power)
    left = power - order
    if left >= 0:
        coefficient = (even if left % 2 == 0 else odd) * factorial(power) / factorial(left)
        # <|x|^n> = (2K)^{n/2} Gamma((n+1)/2) / sqrt(pi)
        value = coefficient * (2 * variance) ** (left / 2) * gamma((left + 1) / 2) / sqrt(pi)
        return value, np.abs(value)
    k = -left - 1
    if k % 2 or odd == 0:
        return np.zeros_like(variance), np.zeros_like(variance)
    # <delta^(k)> = (-1)^{k/2} (k-1)!! K^{-k/2} / sqrt(2 pi K)
    double = factorial(k) / (factorial(k // 2) * 2 ** (k // 2))
    scale = 2 * factorial(power) * odd * (-1) ** (k // 2) * double / sqrt(2 * pi)
    value = _over(np.full_like(variance, scale), variance ** ((k + 1) / 2))
    return value, np.abs(value)


def _differentiated_pair(slopes: Slopes, pairs: _Pairs, orders: tuple[int, ...]) -> _Sum:
    """``<sigma^(i) sigma^(j)>``, with ``sigma' = p + q s``."""
    p, q = _even_odd(slopes, 1)
    kernel, _, sign, absolute, density = (v[..., 0, 1] for v in pairs)
    match orders:
        case (0, 0):
            linear, kinked = kernel, absolute
        case (1, 1):
            linear, kinked = np.ones_like(kernel), sign
        case (2, 0):
            linear, kinked = np.zeros_like(kernel), density
        case (0, 2):
            linear, kinked = np.zeros_like(kernel), pairs.density[..., 1, 0]
        case (i, j):
            value, size = _divergent(pairs, i, j)
            return q**2 * value, (i + j) * q**2 * size
    return p**2 * linear + q**2 * kinked, p**2 * np.abs(linear) + q**2 * np.abs(kinked)


def _divergent(pairs: _Pairs, i: int, j: int) -> _Sum:
    """``<|x|^(i) |y|^(j)>``, ``i + j > 2``: like an inverse power of ``root``; 0 where singular."""
    if (i + j) % 2:
        zero = np.zeros_like(pairs.root[..., 0, 1])
        return zero, zero
    if j > i:
        pairs, i, j = _exchanged(pairs), j, i
    kernel, root = pairs.kernel, pairs.root[..., 0, 1]
    xx, yy, xy = kernel[..., 0, 0], kernel[..., 1, 1], kernel[..., 0, 1]
    singular = root <= sqrt(16 * _EPS) * np.sqrt(xx) * np.sqrt(yy)
    # any regular kernel, where the answer is 0 anyway
    xx, yy, root = (np.where(singular, 1.0, v) for v in (xx, yy, root))
    xy = np.where(singular, 0.0, xy)
    if j == 0:
        value, size = density_absolute(xx, xy, root, i - 2)
    else:
        value = sign_sign(xx, yy, xy, root, (i - 1, j - 1))
        size = np.abs(value)
    return np.where(singular, 0.0, value), np.where(singular, 0.0, size)


def _exchanged(pairs: _Pairs) -> _Pairs:
    """The two inputs in the other order."""
    return _Pairs(*(v[..., ::-1, ::-1] for v in pairs))


def _pair(slopes: Slopes, pairs: _Pairs, powers: tuple[int, ...]) -> _Sum:
    """``<sigma_x^m sigma_y^n>`` for powers (2, 2), (3, 1), (1, 3)."""
    if powers == (1, 3):
        pairs = _exchanged(pairs)
    (P, Q), (R, S) = (_even_odd(slopes, m) for m in sorted(powers, reverse=True))
    kernel, root, sign = pairs.kernel, pairs.root[..., 0, 1], pairs.sign[..., 0, 1]
    xx, yy, xy = kernel[..., 0, 0], kernel[..., 1, 1], kernel[..., 0, 1]
    if powers == (2, 2):
        plain = xx * yy + 2 * xy**2
        # <x|x| y|y|> = (2/pi) [(K_xx K_yy + 2 K_xy^2) asin rho + 3 K_xy sqrt(det)]
        kinked = plain * sign + 6 / pi * xy * root
    else:
        plain = 3 * xx * xy
        # <|x|^3 |y|> = (2/pi) [3 K_xx K_xy asin rho + (2 K_xx + K_xy^2/K_yy) sqrt(det)]
        kinked = plain * sign + 4 / pi * xx * root + xy**2 * pairs.density[..., 1, 0]
    return P * R * plain + Q * S * kinked, abs(P * R * plain) + abs(Q * S * kinked)


def _triple(slopes: Slopes, pairs: _Pairs, a: int) -> _Sum:
    """``<x^2 (P + Q s_x) (p y + q|y|) (p z + q|z|)>``, ``x`` the input ``a``."""
    (p, q), (P, Q) = _even_odd(slopes, 1), _even_odd(slopes, 2)
    kernel, _, sign, absolute, density = pairs
    b, c = (i for i in range(3) if i != a)
    aa, ab, ac, bc = (kernel[..., i, j] for i, j in ((a, a), (a, b), (a, c), (b, c)))
    # <xx yz>
    linear = aa * bc + 2 * ab * ac
    # <xx |y||z|> = K_xx <|y||z|> + K_xy <x s_y |z|> + K_xz <x |y| s_z>
    squares = (
        aa * absolute[..., b, c]
        + 2 * ab * ac * sign[..., b, c]
        + ab**2 * density[..., b, c]
        + ac**2 * density[..., c, b]
    )
    # <x|x| y|z|> + <x|x| |y|z>
    mixed = _mixed(pairs, a, b, c) + _mixed(pairs, a, c, b)
    value = P * p**2 * linear + P * q**2 * squares + Q * p * q * mixed
    size = abs(P) * p**2 * (aa * abs(bc) + 2 * abs(ab * ac)) + abs(P) * q**2 * squares
    return value, size + abs(Q * p * q) * (abs(mixed) + aa * absolute[..., b, c])


def _mixed(pairs: _Pairs, x: int, y: int, z: int) -> Array:
    """``<x|x| y |z|> = K_xy <2|x||z|> + K_yz <x|x| s_z>``."""
    kernel, _, sign, absolute, density = pairs
    # <x|x| s_z> = K_xx <s_x s_z> + K_xz <|x| 2 delta(z)>
    signed = kernel[..., x, x] * sign[..., x, z] + kernel[..., x, z] * density[..., z, x]
    return np.asarray(2 * kernel[..., x, y] * absolute[..., x, z] + kernel[..., y, z] * signed)


def _quadruple(slopes: Slopes, pairs: _Pairs) -> tuple[_Sum, Array]:
    """``<sigma_1 sigma_2 sigma_3 sigma_4>``, and the error of its quadrature."""
    p, q = _even_odd(slopes, 1)
    k = pairs.kernel
    wick = [
        k[..., 0, 1] * k[..., 2, 3],
        k[..., 0, 2] * k[..., 1, 3],
        k[..., 0, 3] * k[..., 1, 2],
    ]
    parts = [p**4 * w for w in wick]
    extra = np.zeros(k.shape[:-2])
    if q != 0:
        parts += [p**2 * q**2 * _two_absolute(pairs, i, j) for i, j in combinations(range(4), 2)]
        value, extra = _four_absolute(k)
        parts, extra = [*parts, q**4 * value], q**4 * extra
    return (sum(parts[1:], parts[0]), sum((abs(v) for v in parts[1:]), abs(parts[0]))), extra


def _two_absolute(pairs: _Pairs, i: int, j: int) -> Array:
    """``<x_i x_j |k||l|>``, by Stein's identity twice."""
    kernel, _, sign, absolute, density = pairs
    k, l = (m for m in range(4) if m not in (i, j))
    ik, il, jk, jl = (kernel[..., a, b] for a, b in ((i, k), (i, l), (j, k), (j, l)))
    return np.asarray(
        kernel[..., i, j] * absolute[..., k, l]
        + ik * jk * density[..., k, l]
        + il * jl * density[..., l, k]
        + (ik * jl + il * jk) * sign[..., k, l]
    )


def _four_absolute(kernel: Array) -> tuple[Array, Array]:
    """``<|1||2||3||4|>`` and its error: that of unit variances times the standard deviations."""
    deviation = np.sqrt(np.diagonal(kernel, axis1=-2, axis2=-1))
    scale = deviation.prod(axis=-1)
    safe = np.where(deviation == 0, 1.0, deviation)
    correlation = kernel / safe[..., :, None] / safe[..., None, :]
    correlation[..., range(4), range(4)] = 1.0
    value, error = absolute_product(correlation.reshape(-1, 4, 4))
    return scale * value.reshape(scale.shape), scale * error.reshape(scale.shape)
