"""Powers of the depth at a critical point, for a class that has them.

With ``t`` layers behind, ``K_0 - K* ~ t^p`` and likewise for the keys

    "K_0", "K_1", "V_4", "V_6", "V_8"   the one-input correlators at leading order in 1/n,
    "difference"                        the squared distance of two close inputs of equal length.

*Scale-invariant*: ``V_2k ~ K^k t^(k-1)``, K_1 = 0 (BCCZ, PDLT 4-5). *At zero*: ``K_0 = 1/(-a_1 t)``
and ``V_2k ~ K_0^k t^(k-1)``, all -1; ``K_1 -> 1/(3 a_1)``; the distance shrinks by
``chi_perp = 1 + b_1 K_0`` a layer. *With a kink*: ``K_0 = 4/(c t)^2`` and again ``K_0^k t^(k-1)``.
*Half-stable*, from the stable side: ``K_0 - K* ~ 1/t``, ``chi_par = 1 - 2/t``, ``V_2k ~ t^(2k-3)``.
"""

from nneft.criticality.limits import Origin

ORDERS = {"V_4": 2, "V_6": 3, "V_8": 4}


def exponents_of(universality_class: str, at: Origin | None) -> dict[str, float]:
    """Exponents by quantity; quantities that vanish or have none are left out."""
    if universality_class == "scale-invariant":
        assert at is not None
        found = {"K_0": 0.0} | {name: k - 1.0 for name, k in ORDERS.items()}
        return found | {"difference": 0.0 if at.slopes[0] == at.slopes[1] else -2.0}
    if universality_class == "half-stable":
        return {"K_0": -1.0, "K_1": 2.0} | {name: 2.0 * k - 3.0 for name, k in ORDERS.items()}
    assert at is not None
    if at.c != 0.0:
        # K_1' = (1 - 3/t) K_1 + (V_4/2) d^2<..>/dK^2,  the last ~ t^-3 K_0^(-1/2)
        return {"K_0": -2.0, "K_1": -1.0} | {name: -k - 1.0 for name, k in ORDERS.items()}
    if at.a_1 != 0.0 and at.slopes[0] == at.slopes[1]:
        found = {"K_0": -1.0, "K_1": 0.0} | dict.fromkeys(ORDERS, -1.0)
        return found | {"difference": -at.b_1 / at.a_1}
    return {}
