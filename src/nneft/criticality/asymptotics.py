"""What a deep critical network tends to, layer by layer: exponents and amplitudes, analytically.

    quantity -> amplitude * l^exponent          at leading order in 1/n, equal widths, l -> infinity

in the normalisation of `nneft.Flow`: ``K_p`` and ``V_2k`` without their powers of 1/n. (In
``<G> = K_0 + K_1/n`` and ``kappa_k = V_2k/n^(k-1)`` it is l/n that counts: relative to ``K_0^k``
all of them are powers ``(l/n)^(k-1)``, but at half-stable points.)

Two close inputs: ``phi_0`` their common part, ``phi_d`` their small difference, orthogonal to it
(PDLT 5, there parallel and perpendicular). ``K_dd = <phi_d^2>`` shrinks by
``chi_perp = 1 - p_perp/l``; its fluctuations are the joint cumulants of
``G_00, G_0d, G_dd``: V_00dd, V_0d0d, V_dddd, given relative to the kernels.
"""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from nneft.activations import Activation
from nneft.criticality.checks import checked
from nneft.criticality.laws import Law, at_zero, flat, half_stable
from nneft.criticality.limits import origin
from nneft.criticality.point import (
    HALF_STABLE,
    HALF_STABLE_LINE,
    NONE,
    SCALE_INVARIANT,
    critical_point,
)


@dataclass(frozen=True, eq=False)
class Scaling:
    """Deep laws of one critical network.

    Attributes
    ----------
    activation, universality_class
        Names, the latter as in `nneft.criticality.CriticalPoint`.
    C_W, C_b, fixed
        The critical point; ``fixed`` is K*, or for scale-invariant networks the kernel itself.
    noise
        ``D``: a layer adds ``D K^2/n`` to the kernel's variance (``D/n`` at K* > 0).
    logarithm
        e with ``K_0 - K* = amplitude l^exponent (1 + e log(l)/l + ..)``; 0 where there is none.
    crossover
        The laws hold at layers l that are large compared to it: 10^4 and more for some half-stable
        points, whose ``K' - K* = x + beta x^2 + ..`` has a beta that is nearly zero.
    laws
        By name: "K_0" (``K_0 - K*``), "K_1", .., "V_4", "V_6", .., then "K_dd",
        "V_00dd/K_dd", "V_0d0d/K_dd", "V_dddd/K_dd^2"; where slopes differ at the origin "1-c", c
        the correlation of two inputs that are not infinitely close. What vanishes is left out.
    """

    activation: str
    universality_class: str
    C_W: float
    C_b: float
    fixed: float
    noise: float
    logarithm: float
    crossover: float
    laws: dict[str, Law]

    def __str__(self) -> str:
        head = (
            f"{self.activation}: {self.universality_class}, C_W = {self.C_W:.9g}, "
            f"C_b = {self.C_b:.9g}, K* = {self.fixed:.9g}"
        )
        rows = [f"{'quantity':<15}{'exponent':>10}{'amplitude':>18}"]
        for name, law in self.laws.items():
            size = "of the start" if law.amplitude is None else f"{law.amplitude:.9g}"
            rows.append(f"{name:<15}{law.exponent:>10.6g}{size:>18}")
        if self.crossover > 1.0 and self.universality_class.startswith("half-stable"):
            rows.append(f"for layers large against {self.crossover:,.0f}")
        return "\n".join([head, *rows])


def scaling(
    activation: str | Activation | Callable[[Any], Any],
    *,
    order: int = 3,
    kernel: float | None = None,
) -> Scaling:
    """Exponents and amplitudes of a critical network deep down.

    Parameters
    ----------
    activation
        A name, an expression, an `Activation` or a callable on arrays, taken at its main critical
        point.
    order
        P: laws of ``K_1 .. K_P`` and ``V_4 .. V_2(P+1)``.
    kernel
        Of the first layer, if it matters: for scale-invariant networks (else 1), and for
        half-stable ones, where None is K* itself and any other must lie on the stable side.

    Returns
    -------
    Scaling

    Raises
    ------
    ValueError, TypeError
        No critical point, an unstable one, or one at which ``a_1 = 0``; a wrong order or kernel;
        a kernel that leaves a half-stable K*.

    Notes
    -----
    `nneft.criticality.universal` derives the fractions; PDLT 5 has those of V_4.
    """
    if isinstance(order, bool) or not isinstance(order, int) or order < 1:
        raise ValueError(f"order must be an integer of 1 or more, got {order!r}")
    if kernel is not None and not kernel > 0.0:
        raise ValueError(f"kernel must be positive, got {kernel!r}")
    sigma = checked(activation)
    point = critical_point(sigma)
    if point.universality_class == NONE:
        raise ValueError(f"{point.activation} has no critical point: {point.reason}")
    assert point.C_W is not None
    assert point.C_b is not None
    if point.universality_class in (HALF_STABLE, HALF_STABLE_LINE):
        noise, logarithm, crossover, laws = half_stable(sigma, point, order, kernel)
        fixed = float(point.kernel or 0.0)
    elif point.universality_class == SCALE_INVARIANT:
        fixed = 1.0 if kernel is None else float(kernel)
        noise, logarithm, crossover, laws = flat(origin(sigma), order, fixed)
    else:
        noise, logarithm, crossover, laws = at_zero(sigma, point, order)
        fixed = 0.0
    return Scaling(
        activation=point.activation,
        universality_class=point.universality_class,
        C_W=point.C_W,
        C_b=point.C_b,
        fixed=fixed,
        noise=noise,
        logarithm=logarithm,
        crossover=crossover,
        laws=laws,
    )
