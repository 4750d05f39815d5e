"""Fractions that all networks of a universality class share, to any order in 1/n.

Deep in a critical network one layer changes little, and the kernel of one input becomes a diffusion
in the depth l. Its moments then depend on the class alone:

    power rho   dG = -c G^(1+rho) dl + (D/n)^(1/2) G dW      K_0 = (rho c l)^(-1/rho)
    flat        dG = (D/n)^(1/2) G dW                        K_0 = K^(1)
    half        dx = beta x^2 dl + (D/n)^(1/2) dW            x_0 = -1/(beta l) ,  x = G - K*
    at          the same                                     x_0 = 0

(K* = 0 has rho = 1, with a kink rho = 1/2; scale-invariant networks are flat; half-stable ones
start beside K* or at it.) By Ito's lemma

    E[G^k] = K_0^k sum_m c_m(k) (D l/n)^m             E[x^k] = x_0^k sum_m c_m(k) (beta^2 D l^3/n)^m

with c_0 = 1 and polynomials c_m of degree 2m without a constant term (``log E[G^k]`` is a series in
cumulants of log G) that obey

    power   m c_m(k) + (k/rho) [c_m(k + rho) - c_m(k)] = k (k - 1)/2 c_{m-1}(k)
    flat    m c_m(k)                                   = k (k - 1)/2 c_{m-1}(k)
    half    3 m c_m(k) + k [c_m(k + 1) - c_m(k)]       = k (k - 1)/2 c_{m-1}(k - 2) ,

and from K* itself, with ``j = 2m - k`` the power of beta,

    at      E[x^k] = sum_m a(k, j) beta^j (D/n)^m l^((k + 3j)/2)
            (k + 3j)/2 a(k, j) = k a(k + 1, j - 1) + k (k - 1)/2 a(k - 2, j) .

Joint cumulants follow from moments: tanh's 2/3, 16/15, 96/35, and 1/15 for K_2, are among them.
"""

from dataclasses import dataclass
from fractions import Fraction
from functools import cache
from math import comb

#: Coefficients by ascending powers of k.
Polynomial = tuple[Fraction, ...]


@dataclass(frozen=True)
class Diffusion:
    """Which of the four; `power` is rho, and None but for the first.

    Attributes
    ----------
    name
        "power", "flat", "half" or "at".
    power
        ``rho``.
    """

    name: str
    power: Fraction | None = None


SMOOTH = Diffusion("power", Fraction(1))
KINKED = Diffusion("power", Fraction(1, 2))
FLAT = Diffusion("flat")
HALF = Diffusion("half")
AT = Diffusion("at")


def ratio(diffusion: Diffusion, k: int, q: int = 0) -> Fraction:
    """The universal number in ``V_2k,q``, or for k = 1 in ``K_q``.

    Parameters
    ----------
    diffusion
        `SMOOTH`, `KINKED`, `FLAT`, `HALF`, `AT`, or a power of one's own.
    k, q
        Half the number of points, and the order in 1/n relative to the leading one.

    Returns
    -------
    r, with ``V_2k,q -> r K_0^k (D l)^(k-1+q)`` in the normalisation of `nneft.Flow.V`; for the
    half-stable diffusion ``r x_0^k (beta^2 D l^3)^(k-1+q)``, and from K* itself
    ``r beta^(k-2+2q) D^(k-1+q) l^(2k-3+3q)``.

    Raises
    ------
    ValueError
        k below 1 or q below 0.
    """
    if k < 1 or q < 0:
        raise ValueError(f"k must be 1 or more and q 0 or more, got k = {k}, q = {q}")
    order = k - 1 + q
    cumulants: list[list[Fraction]] = []
    for j in range(1, k + 1):
        # kappa_j = mu_j - sum_i C(j-1, i-1) kappa_i mu_{j-i}
        row = [moment(diffusion, j, m) for m in range(order + 1)]
        for i in range(1, j):
            for m in range(order + 1):
                row[m] -= comb(j - 1, i - 1) * sum(
                    (cumulants[i - 1][a] * moment(diffusion, j - i, m - a) for a in range(m + 1)),
                    Fraction(0),
                )
        cumulants.append(row)
    return cumulants[-1][order]


def moment(diffusion: Diffusion, k: int, m: int) -> Fraction:
    """``c_m(k)``; for `AT` ``a(k, 2m - k)``."""
    if diffusion == AT:
        return _from_rest(k, 2 * m - k)
    return _at(_polynomial(diffusion, m), Fraction(k))


@cache
def _from_rest(k: int, j: int) -> Fraction:
    if k <= 0 or j < 0:
        return Fraction(int(k == j == 0))
    total = k * _from_rest(k + 1, j - 1) + Fraction(k * (k - 1), 2) * _from_rest(k - 2, j)
    return total / Fraction(k + 3 * j, 2)


@cache
def _polynomial(diffusion: Diffusion, m: int) -> Polynomial:
    if m == 0:
        return (Fraction(1),)
    half = diffusion.name == "half"
    source = _shifted(_polynomial(diffusion, m - 1), Fraction(-2 if half else 0))
    # k (k - 1)/2 times it
    right = [Fraction(0)] * (len(source) + 2)
    for j, value in enumerate(source):
        right[j + 1] -= value / 2
        right[j + 2] += value / 2
    # The left side takes k^j to (own m + j) k^j and lower powers: solved from the top.
    step = Fraction(0) if diffusion.name == "flat" else diffusion.power or Fraction(1)
    own = 3 * m if half else m
    found = [Fraction(0)] * len(right)
    for j in reversed(range(len(right))):
        found[j] = right[j] / (own + (j if step else 0))
        for i in range(j):
            # (k/step) [(k + step)^j - k^j] = sum_i C(j, i) step^(j-i-1) k^(i+1)
            lower = comb(j, i) * step ** (j - i - 1) if step else Fraction(0)
            if i + 1 < j:
                right[i + 1] -= found[j] * lower
    return tuple(found)


def _shifted(polynomial: Polynomial, by: Fraction) -> Polynomial:
    """In ``k + by``."""
    found = [Fraction(0)] * len(polynomial)
    for j, value in enumerate(polynomial):
        for i in range(j + 1):
            found[i] += value * comb(j, i) * by ** (j - i)
    return tuple(found)


def _at(polynomial: Polynomial, k: Fraction) -> Fraction:
    total = Fraction(0)
    for value in reversed(polynomial):
        total = total * k + value
    return total
