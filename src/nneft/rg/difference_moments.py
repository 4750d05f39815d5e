"""Moments of ReLU-like activations in difference coordinates, as close as the two inputs may be.

With ``x = phi_1``, ``d = phi_1 - phi_2`` and slopes ``a_-, a_+``, wherever both fields have one
sign ``sigma_1^p (sigma_1 - sigma_2)^q = a_s^{2m} x^p d^q``, ``p + q = 2m``: Wick's theorem. The
rest comes from the wedge between the kinks, where ``phi_1 > 0 > phi_2`` or the reverse,

    U_ab = < f_a(phi_1) f_b(-phi_2) > ,   f_a(x) = x_+^a / a! ,  f_{-1-k} = delta^(k) ,

``f_a' = f_{a-1}``, so that a derivative lowers an index. By Stein's identity, ``x f_a = (a+1)
f_{a+1}``,

    (a + 1) U_{a+1,b} = K_11 U_{a-1,b} - K_12 U_{a,b-1} ,

which goes from ``U_00 = theta / 2 pi`` and ``U_{-1,b}``, in closed form, to all. Differences of
these lose digits as powers of the angle: so many more are carried, in decimal arithmetic.
"""

from decimal import (
    ROUND_HALF_EVEN,
    Context,
    Decimal,
    DivisionByZero,
    InvalidOperation,
    getcontext,
    localcontext,
)
from functools import lru_cache
from math import ceil, comb, factorial, log10, perm, sqrt

import numpy as np

from nneft.gaussian.base import Array
from nneft.gaussian.homogeneous import Slopes

#: Digits carried beyond those that cancel.
DIGITS = 30


def derivatives(slopes: Slopes, kernel: Array, scale: float, degrees: list[int]) -> list[Array]:
    """``d_x^k d_d^l < sigma_1^p ((sigma_1 - sigma_2)/scale)^q >``, x and d/scale the coordinates.

    Parameters
    ----------
    slopes
        ``(a_-, a_+)``.
    kernel : (3,)
        ``K_11, K_1d, K_dd`` of ``d = phi_1 - phi_2``, not scaled.
    scale
        Unit of length of d.
    degrees
        For m = 1, 2, ..: highest number r of pairs of derivatives of moments with ``p + q = 2m``.

    Returns
    -------
    For each m (2m + 1, degree + 1, 2 degree + 1): by q, r and ``l = 2r - k``; correctly rounded.
    """
    sine = _sine(kernel)
    lost = 2 * (len(degrees) + max(degrees))
    digits = DIGITS + ceil(lost * max(0.0, -log10(sine)) if sine > 0.0 else 0.0)
    traps = [InvalidOperation, DivisionByZero]
    with localcontext(Context(prec=digits, rounding=ROUND_HALF_EVEN, traps=traps)):
        wedge = _Wedge(*(Decimal(float(v)) for v in kernel))
        return [
            _differentiated(slopes, wedge, Decimal(scale), m, degree)
            for m, degree in enumerate(degrees, start=1)
        ]


def _sine(kernel: Array) -> float:
    """``sin(theta)`` of the angle between the inputs, roughly; 0 where they are parallel."""
    xx, xd, dd = (float(v) for v in kernel)
    other = xx - 2.0 * xd + dd
    return sqrt(max(0.0, xx * dd - xd * xd) / (xx * other)) if xx * other > 0.0 else 0.0


def _differentiated(slopes: Slopes, wedge: "_Wedge", scale: Decimal, m: int, degree: int) -> Array:
    minus, plus = (Decimal(a) for a in slopes)
    even = (minus ** (2 * m) + plus ** (2 * m)) / 2
    found = np.zeros((2 * m + 1, degree + 1, 2 * degree + 1))
    for r in range(degree + 1):
        for l in range(2 * r + 1):
            k = 2 * r - l
            # d_x^k d_d^l of x_+^i (-phi_2)_+^j, for all i.
            moved = [wedge.derivative(i, 2 * m - i, k, l) for i in range(2 * m + 1)]
            for q in range(2 * m + 1):
                value = even * wedge.wick(2 * m - q, q, k, l)
                weights = _weights(minus, plus, m, q)
                value += sum((w * v for w, v in zip(weights, moved)), Decimal(0))
                found[q, r, l] = float(value * scale ** (l - q))
    return found


def _weights(minus: Decimal, plus: Decimal, m: int, q: int) -> list[Decimal]:
    """``i! j!`` times the coefficients of ``|phi_1|^i |phi_2|^j`` inside of the wedge.

    ``sum_s a_s^p |1|^p [ (a_s |1| + a_-s |2|)^q - a_s^q (|1| + |2|)^q ]``.
    """
    found = []
    for i in range(2 * m + 1):
        j, left = 2 * m - i, i - (2 * m - q)
        total = Decimal(0)
        if 0 <= left <= q:
            for same, other in ((minus, plus), (plus, minus)):
                total += _power(same, i) * (_power(other, j) - _power(same, j))
            total *= comb(q, left) * factorial(i) * factorial(j)
        found.append(total)
    return found


def _power(base: Decimal, exponent: int) -> Decimal:
    # 0^0 = 1, which decimals call undefined.
    found: Decimal = base**exponent if exponent else Decimal(1)
    return found


class _Wedge:
    """``U_ab`` and Wick's theorem at one kernel; works in the decimal context it is used in."""

    def __init__(self, xx: Decimal, xd: Decimal, dd: Decimal) -> None:
        self.xx, self.xd, self.dd = xx, xd, dd
        self.xy, self.yy = xx - xd, xx - 2 * xd + dd
        self.det = max(Decimal(0), xx * dd - xd * xd)
        self.root = self.det.sqrt()
        self.circle = 2 * _pi(_precision())
        self.known = {(0, 0): _angle(self.root, self.xy) / self.circle}
        self.moments: dict[tuple[int, int], Decimal] = {}

    def derivative(self, i: int, j: int, k: int, l: int) -> Decimal:
        """``(A - B)^k B^l U_ij``: A and B lower the first and the second index."""
        total = Decimal(0)
        for n in range(k + 1):
            total += (-1) ** n * comb(k, n) * self.of(i - k + n, j - l - n)
        return total

    def of(self, a: int, b: int) -> Decimal:
        """``U_ab``, a + b even."""
        found = self.known.get((a, b))
        if found is None:
            found = self.known[a, b] = self._new(a, b)
        return found

    def _new(self, a: int, b: int) -> Decimal:
        if a == -1:
            return self._edge(b, self.xx)
        if b == -1:
            return self._edge(a, self.yy)
        if a < -1:
            return ((a + 2) * self.of(a + 2, b) + self.xy * self.of(a + 1, b - 1)) / self.xx
        if b < -1:
            return ((b + 2) * self.of(a, b + 2) + self.xy * self.of(a - 1, b + 1)) / self.yy
        if a > 0:
            return (self.xx * self.of(a - 2, b) - self.xy * self.of(a - 1, b - 1)) / a
        return (self.yy * self.of(a, b - 2) - self.xy * self.of(a - 1, b - 1)) / b

    def _edge(self, b: int, variance: Decimal) -> Decimal:
        """``< delta(x) f_b(y) >``, x of this variance, b odd; of y is left ``v = det / variance``.

        ``<y_+^b> = (2v)^{b/2} ((b-1)/2)! / (2 sqrt pi)``, and the derivatives of its density.
        """
        left = self.det / variance
        if b > 0:
            n = (b - 1) // 2
            size = factorial(n) * _power(2 * left, n) / factorial(b)
            return size * self.root / variance / self.circle
        n = (-1 - b) // 2
        # (2n - 1)!!
        odd = Decimal(factorial(2 * n) // (2**n * factorial(n)))
        signed = -odd if n % 2 else odd
        return signed / _power(left, n) / self.root / self.circle

    def wick(self, p: int, q: int, k: int, l: int) -> Decimal:
        """``< d_x^k d_d^l x^p d^q >``."""
        if k > p or l > q:
            return Decimal(0)
        return perm(p, k) * perm(q, l) * self._moment(p - k, q - l)

    def _moment(self, p: int, q: int) -> Decimal:
        found = self.moments.get((p, q))
        if found is not None:
            return found
        total = Decimal(0)
        for n in range(p % 2, min(p, q) + 1, 2):  # n mixed contractions
            i, j = (p - n) // 2, (q - n) // 2
            ways = factorial(p) * factorial(q) // factorial(n) // factorial(i) // factorial(j)
            size = _power(self.xd, n) * _power(self.xx, i) * _power(self.dd, j)
            total += ways * size / 2 ** (i + j)
        self.moments[p, q] = total
        return total


def _precision() -> int:
    return getcontext().prec


@lru_cache(maxsize=256)
def _pi(digits: int) -> Decimal:
    """``pi = 16 atan(1/5) - 4 atan(1/239)``."""
    return 16 * _arctangent(1 / Decimal(5)) - 4 * _arctangent(1 / Decimal(239))


def _angle(y: Decimal, x: Decimal) -> Decimal:
    """The angle of ``(x, y)``, y >= 0; 0 at the origin."""
    if y == 0 and x >= 0:
        return Decimal(0)
    if x < 0:
        return _pi(_precision()) - _angle(y, -x)
    # tan(a/2) = sin a / (1 + cos a)
    t, halved = y / ((x * x + y * y).sqrt() + x), 1
    while t > Decimal("0.01"):
        t, halved = t / (1 + (1 + t * t).sqrt()), halved + 1
    return Decimal(2**halved) * _arctangent(t)


def _arctangent(t: Decimal) -> Decimal:
    """``t - t^3/3 + t^5/5 - ..``, t well below 1."""
    square, power, total, n = t * t, t, t, 1
    while True:
        power, n = -power * square, n + 2
        following = total + power / n
        if following == total:
            return total
        total = following
