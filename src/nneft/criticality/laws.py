"""Laws of each universality class, from the expansion of its kernel map.

Those of one input are fractions of `nneft.criticality.universal` times what sets the scales: how
fast ``K_0`` falls, and the noise D. Those of two close inputs follow from how ``chi_perp`` depends
on the kernel.
"""

from dataclasses import dataclass
from fractions import Fraction
from math import pi, sqrt
from typing import Any

import numpy as np

from nneft.activations.base import Activation
from nneft.criticality import mesh
from nneft.criticality.limits import ROUNDING, Origin, origin
from nneft.criticality.point import CriticalPoint
from nneft.criticality.universal import AT, FLAT, HALF, KINKED, SMOOTH, Diffusion, ratio

#: Quantities of two close inputs.
PAIR = ("K_dd", "V_00dd/K_dd", "V_0d0d/K_dd", "V_dddd/K_dd^2")
#: D, the logarithm's coefficient, the crossover, and the laws.
Found = tuple[float, float, float, dict[str, "Law"]]


@dataclass(frozen=True)
class Law:
    """``amplitude * l^exponent``; the amplitude is None where it depends on the first kernel."""

    exponent: float
    amplitude: float | None = None

    def __call__(self, layers: Any) -> Any:
        """The law at layers l; ValueError if it has no amplitude."""
        if self.amplitude is None:
            raise ValueError("the amplitude of this law depends on where the flow starts")
        return self.amplitude * np.asarray(layers, dtype=np.float64) ** self.exponent


def _relative_noise(at: Origin) -> tuple[float, float]:
    """``D = Var(sigma^2)/<sigma^2>^2`` and ``B = <sigma^2 sigma'^2>/(K <sigma'^2>^2)``, K -> 0."""
    B = at.A_4 / at.A_2**2
    return 3.0 * B - 1.0, B


def flat(at: Origin, order: int, K: float) -> Found:
    """Scale-invariant: ``chi_par = chi_perp = 1`` at every kernel, each layer adds its noise."""
    D, B = _relative_noise(at)
    laws = {"K_0": Law(0.0, K)} | _one_input(FLAT, order, Law(0.0, K), D, 1.0)
    pair = {"K_dd": Law(0.0)} | ({"V_00dd/K_dd": Law(1.0, (B - 1.0) * K)} if B > 1.0 else {})
    pair |= {"V_0d0d/K_dd": Law(1.0, B * K), "V_dddd/K_dd^2": Law(1.0, D)}
    return D, 0.0, 1.0, laws | pair | _angle(at)


def _angle(at: Origin) -> dict[str, Law]:
    """``1 - c' = (1 - c) - kappa (1 - c)^(3/2)``: so ``1 - c -> 4/(kappa l)^2``.

    For ``sigma = alpha x + beta |x|``, ``c = cos(theta)``, and ``lambda = beta^2/A_2``
    ``c' = c + lambda (2/pi) (sin(theta) - theta c)``, hence ``kappa = lambda 2^(5/2)/(3 pi)``.
    """
    share = (0.5 * (at.slopes[1] - at.slopes[0])) ** 2 / at.A_2
    return {"1-c": Law(-2.0, 9.0 * pi**2 / (8.0 * share**2))} if share > 0.0 else {}


def at_zero(sigma: Activation, point: CriticalPoint, order: int) -> Found:
    """``K* = 0``, smooth or with a kink.

    Raises
    ------
    ValueError
        It is unstable, or ``a_1 = 0``.
    """
    if point.stability != "stable":
        raise ValueError(
            f"K* = 0 is {point.stability} for {point.activation}: kernels leave it, and nothing "
            "has a deep limit there"
        )
    at = origin(sigma)
    # K' = K (1 - c K^rho + d K^(2 rho)),  chi_perp = 1 - g K^rho
    if at.c != 0.0:
        diffusion, rho, c, d, g = KINKED, 0.5, at.c, at.a_1, at.c
    elif at.a_1 != 0.0:
        diffusion, rho, c, d, g = SMOOTH, 1.0, -at.a_1, _a_2(sigma), -at.b_1
    else:
        raise ValueError(
            f"a_1 = 0 for {point.activation}: what K* = 0 does is left to higher orders"
        )
    D, B = _relative_noise(at)
    kernel = Law(-1.0 / rho, (rho * c) ** (-1.0 / rho))
    # K^-rho = rho c l + [(rho + 1) c/2 - d/c] log l + ..
    logarithm = -((rho + 1.0) / 2.0 - d / c**2) / rho**2
    laws = {"K_0": kernel} | _one_input(diffusion, order, kernel, D, 1.0)
    p = g / (rho * c)
    return D, logarithm, max(1.0, abs(logarithm)), laws | _close(rho, p, D, B, kernel) | _angle(at)


def _a_2(sigma: Activation) -> float:
    """``<sigma^2>_K = A_2 K (1 + a_1 K + a_2 K^2)``: ``15 [x^6] sigma^2``, mean of both sides."""
    sides = np.array([sigma.derivatives(np.zeros(1), 5, side)[:, 0] for side in (-1, 1)])
    s = sides / np.array([1.0, 1.0, 2.0, 6.0, 24.0, 120.0])
    sixth = np.mean(2.0 * s[:, 1] * s[:, 5] + 2.0 * s[:, 2] * s[:, 4] + s[:, 3] ** 2)
    return float(15.0 * sixth / np.mean(s[:, 1] ** 2))


def _one_input(
    diffusion: Diffusion, order: int, kernel: Law, noise: float, depth: float
) -> dict[str, Law]:
    """``r K_0^k (D l^depth)^(k-1+q)`` for all K_q and leading V_2k."""
    found: dict[str, Law] = {}
    places = [(f"K_{q}", 1, q) for q in range(1, order + 1)]
    places += [(f"V_{2 * k}", k, 0) for k in range(2, order + 2)]
    assert kernel.amplitude is not None
    for name, k, q in places:
        r: Fraction = ratio(diffusion, k, q)
        if r:
            power = k - 1 + q
            amplitude = float(r) * kernel.amplitude**k * noise**power
            found[name] = Law(k * kernel.exponent + depth * power, amplitude)
    return found


def _close(rho: float, p: float, D: float, B: float, kernel: Law) -> dict[str, Law]:
    """Two close inputs at K* = 0.

    With ``chi_par = 1 - (1 + 1/rho)/l``, ``chi_perp = 1 - p/l``, ``V_4 = D K^2 l/3`` and
    ``dK_dd'/dK = -(rho p/(K l)) K_dd``, and w, v, u the amplitudes in units of ``K K_dd l``,
    ``K K_dd l``, ``K_dd^2 l``, one layer (PDLT 5) says

        (1 - 1/rho - p) w = -(1 + 1/rho + p) w - rho p D/3 + B - 1
        (1 - 1/rho - p) v = -2 (1 + 1/rho) v + B
        (1 - 2 p) u       = -2 p u - 2 rho p w + D .
    """
    w = 0.5 * (B - 1.0 - rho * p * D / 3.0)
    v = _over(B, 3.0 + 1.0 / rho - p)
    u = D - 2.0 * rho * p * w
    assert kernel.amplitude is not None
    one = kernel.exponent + 1.0
    found = {"K_dd": Law(-p)}
    if abs(w) > ROUNDING:
        found["V_00dd/K_dd"] = Law(one, w * kernel.amplitude)
    mixed = Law(one, None if v is None else v * kernel.amplitude)
    found["V_0d0d/K_dd"] = _faster(mixed, 2.0 + 2.0 / rho, p)
    return found | {"V_dddd/K_dd^2": Law(1.0, u)}


def _over(noise: float, rest: float) -> float | None:
    """None where the amplitude has a logarithm instead."""
    return noise / rest if rest != 0.0 else None


def _faster(driven: Law, decay: float, p: float) -> Law:
    """``V_0d0d/K_dd``: what layers add, or what the first had, ``l^(p - decay)``, if larger."""
    return Law(p - decay) if p - decay >= driven.exponent else driven


def half_stable(sigma: Activation, point: CriticalPoint, order: int, start: float | None) -> Found:
    """``x = K_0 - K*``: ``x' = x + beta x^2 + gamma x^3``, ``chi_perp = 1 + g x``.

    Raises
    ------
    ValueError
        The start lies on the side that kernels leave.
    """
    assert point.kernel is not None
    assert point.C_W is not None
    K, w = point.kernel, point.C_W
    beta = point.coefficients["curvature"]
    if start is not None and (start - K) * beta > 0.0:
        leave = 1.0 / (beta * (start - K))
        raise ValueError(
            f"kernels on the side of {start:g} leave K* = {K:.9g}, which is {point.stability}, "
            f"after about 1/(beta x) = {leave:.3g} layers; start there, or at K*"
        )
    D, slope, E, g, gamma = _expansion(sigma, K, w)
    logarithm = gamma / beta**2 - 1.0  # 1/x = -beta l + (gamma/beta - beta) log l + ..
    # V_6' has 3 (dD/dK) V_4 beside 6 beta V_4^2
    crossover = max(1.0, abs(logarithm), abs(slope / (beta * D)))
    if start is None or start == K:
        # V_4 = D l;  v' = E,  w' = g D l,  u' = 2 g w  in units of K_dd and K_dd^2
        laws = _from_rest(order, beta, D)
        pair = [Law(0.0), Law(2.0, g * D / 2.0), Law(1.0, E), Law(3.0, g * g * D / 3.0)]
        return D, 0.0, crossover, laws | dict(zip(PAIR, pair, strict=True))
    kernel = Law(-1.0, -1.0 / beta)
    laws = {"K_0": kernel} | _one_input(HALF, order, kernel, beta**2 * D, 3.0)
    # K_dd ~ l^-p; V_4 = D l/5;  (1 - p) v = -4 v + E,  and in units of K_dd l^2 and K_dd^2 l^3
    # (2 - p) w = -(2 + p) w + g D/5,   (3 - 2 p) u = -2 p u + 2 g w
    p = g / beta
    v = _faster(Law(1.0, _over(E, 5.0 - p)), 4.0, p)
    pair = [Law(-p), Law(2.0, g * D / 20.0), v, Law(3.0, g * g * D / 30.0)]
    return D, logarithm, crossover, laws | dict(zip(PAIR, pair, strict=True))


def _from_rest(order: int, beta: float, D: float) -> dict[str, Law]:
    """``r beta^(k-2+2q) D^(k-1+q) l^(2k-3+3q)``."""
    places = [(f"K_{q}", 1, q) for q in range(1, order + 1)]
    places += [(f"V_{2 * k}", k, 0) for k in range(2, order + 2)]
    return {
        name: Law(
            2.0 * k - 3.0 + 3.0 * q,
            float(ratio(AT, k, q)) * beta ** (k - 2 + 2 * q) * D ** (k - 1 + q),
        )
        for name, k, q in places
    }


def _expansion(sigma: Activation, K: float, C_W: float) -> tuple[float, float, float, float, float]:
    """At K*: D, dD/dK, ``E = C_W^2 <(sigma sigma')^2>``, g and gamma."""
    x, weights = mesh.nodes(sigma, K, K)
    z = x / sqrt(K)
    density = weights * np.exp(-0.5 * z * z) / sqrt(2.0 * pi * K)
    value, first = sigma.derivatives(x, 1)
    square = float(density @ value**2)
    D = C_W**2 * float(density @ (value**2 - square) ** 2)
    E = C_W**2 * float(density @ (value * first) ** 2)
    # d^r <f>_K / dK^r = <f He_2r(z)> / (2 K)^r
    he_2, he_6 = z**2 - 1.0, z**6 - 15.0 * z**4 + 45.0 * z**2 - 15.0
    # (<sigma^4> - <sigma^2>^2)' = <(sigma^4 - 2 <sigma^2> sigma^2) He_2>/2K
    slope = C_W**2 * float(density @ ((value**4 - 2.0 * square * value**2) * he_2)) / (2.0 * K)
    g = C_W * float(density @ (first**2 * he_2)) / (2.0 * K)
    gamma = C_W * float(density @ (value**2 * he_6)) / (2.0 * K) ** 3 / 6.0
    return D, slope, E, g, gamma
