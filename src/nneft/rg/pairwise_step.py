"""One step of many two-input flows at once: BCCZ (11), (24), (25), (A.19)-(A.22).

A pair of inputs ``(a, b)`` has the three entries ``aa, ab, bb``. What belongs to one input alone
comes from that input's own flow (`pairwise_inputs`); the rest is averaged over the pair.
"""

from dataclasses import dataclass

import numpy as np

from nneft.errors import NumericsError
from nneft.gaussian.base import Array, Moments, Terms
from nneft.network import Network
from nneft.rg.pairwise_averages import pair_moments
from nneft.rg.pairwise_inputs import Alone, at_layer, check_accuracy, promised_accuracy, width_ratio
from nneft.rg.pairwise_series import Pairs

# First and second derivatives of <sigma_a sigma_b> by K_aa, K_ab, K_bb: each is a factor times
# <sigma^(i)_a sigma^(j)_b>, by d/dK_aa <f> = 1/2 <d_a^2 f>, d/dK_ab <f> = <d_a d_b f>.
FIRST = ((0.5, (2, 0)), (1.0, (1, 1)), (0.5, (0, 2)))
SECOND = (
    ((0.25, (4, 0)), (0.5, (3, 1)), (0.25, (2, 2))),
    ((0.5, (3, 1)), (1.0, (2, 2)), (0.5, (1, 3))),
    ((0.25, (2, 2)), (0.5, (1, 3)), (0.25, (0, 4))),
)
ORDERS = ((0, 0), (1, 1), (2, 0), (0, 2), (4, 0), (3, 1), (2, 2), (1, 3), (0, 4))
#: ``<sigma_a^3 sigma_b>``, ``<sigma_a^2 sigma_b^2>``, ``<sigma_a sigma_b^3>``.
QUARTIC = [((p, 4 - p), (0, 0)) for p in (3, 2, 1)]
#: Squared relative distance below which inputs count as near at a kink: the rounding of `V_4` over
#: the distance is as large there as what is left out then.
NEAR = 1e-10
#: Accuracy promised of ``K_1/n`` where a kink's derivatives enter: bounds overstate their rounding
#: a hundred times, see `_check_shift`.
AT_A_KINK = 1e-8


@dataclass(frozen=True)
class PairState:
    """One layer of P pairs: ``K_ab`` (P,); over ``aa, ab, bb``: `K_1` (3, P), `V_4` (3, 3, P)."""

    layer: int
    K_0: Array
    K_1: Array
    V_4: Array


def first_pairs(covariance: Array) -> PairState:
    """Layer 1, whose kernel is not random."""
    count = len(covariance)
    return PairState(1, covariance, np.zeros((3, count)), np.zeros((3, 3, count)))


def step_pairs(
    network: Network,
    state: PairState,
    here: Alone,
    places: tuple[np.ndarray, np.ndarray],
    order: int,
) -> PairState:
    """The next layer's state; its `V_4` only where a layer follows.

    `here` holds the inputs alone at the same layer, `places` two times (P,): where the two inputs
    of each pair are among them.

    Raises
    ------
    ValueError
        Gaussian moments that diverge.
    nneft.NumericsError
        Overflow, or an accuracy below the promised one, with the layer's number.
    """
    layer = state.layer + 1
    C_W, C_b = network.C_W[layer - 1], network.C_b[layer - 1]
    # What is not random yet needs no derivatives, and what follows the last layer no correlator.
    orders = ORDERS if order and state.layer > 1 else ORDERS[:1]
    quartic = QUARTIC if order and layer < network.depth else []
    terms: Terms = [((1, 1), r) for r in orders] + quartic
    a, b = (here.of(p) for p in places)
    with at_layer(layer):
        pairs = Pairs(here.K_0, *places, state.K_0)
        found = pair_moments(network.activation, pairs, terms)
        _check(network, a, b, found.errors, len(orders))
    s = found.values[0]
    # K_0 = C_b + C_W <s_A>                                                      BCCZ (11)
    K_0 = C_b + C_W * s
    K_1, V_4 = np.zeros_like(state.K_1), np.zeros_like(state.V_4)
    if quartic:
        V_4 = C_W**2 * _local(a, b, s, found.values[len(orders) :])
    if len(orders) > 1:
        ratio = width_ratio(network, state.layer)
        chi, curvature = (C_W * v for v in _derivatives(found.values[: len(orders)]))
        near = _near(network, state, a, b)
        K_1 = ratio * _shift(state, a, b, chi, curvature)
        K_1[1] = np.where(near, 0.5 * (K_1[0] + K_1[2]), K_1[1])
        _check_shift(network, state, a, b, found, ~near)
        if quartic:
            V_4 = V_4 + ratio * _carried(state.V_4, a, b, chi)
    _check_finite(layer, K_0, K_1, V_4)
    return PairState(layer, K_0, K_1, V_4)


def _derivatives(values: Array) -> tuple[Array, Array]:
    """Of ``<s_ab>`` by ``aa, ab, bb``: (3, P), (3, 3, P); or their errors, all being positive."""
    of = dict(zip(ORDERS, values, strict=True))
    first = np.array([factor * of[r] for factor, r in FIRST])
    return first, np.array([[factor * of[r] for factor, r in row] for row in SECOND])


def _shift(state: PairState, a: Alone, b: Alone, chi: Array, curvature: Array) -> Array:
    """``chi K_1 + 1/2 sum_CD V_4(C;D) d_C d_D K_0``, BCCZ (A.19)-(A.22): (3, P)."""
    V_4, K_1 = state.V_4, state.K_1
    mixed = np.einsum("cp,cp->p", chi, K_1) + 0.5 * np.einsum("cdp,cdp->p", curvature, V_4)
    alone = [x.chi * K_1[i] + 0.5 * x.curvature * V_4[i, i] for x, i in ((a, 0), (b, 2))]
    return np.array([alone[0], mixed, alone[1]])


def _near(network: Network, state: PairState, a: Alone, b: Alone) -> np.ndarray:
    """Which pairs are so close that `K_1` is better had from the inputs alone: (P,).

    Derivatives at a kink grow as the inverse of the distance, and multiply differences of `V_4` in
    which its rounding is left. But ``G_ab = (G_aa + G_bb - G_dd)/2``, d the difference of the
    fields, and ``K_1(dd)`` is a few times ``K_dd`` at most.
    """
    if not network.activation.kinks:
        return np.zeros(len(state.K_0), dtype=bool)
    K_dd = a.K_0 + b.K_0 - 2.0 * state.K_0
    return np.asarray(K_dd <= NEAR * np.maximum(a.K_0, b.K_0))


def _local(a: Alone, b: Alone, s: Array, quartic: Array) -> Array:
    """``<Delta_A Delta_B>`` over ``aa, ab, bb``, BCCZ (25): (3, 3, P)."""
    three, two, one = quartic
    products = np.array([[a.fourth, three, two], [three, two, one], [two, one, b.fourth]])
    means = np.array([a.square, s, b.square])
    return np.asarray(products - means[:, None] * means)


def _carried(V_4: Array, a: Alone, b: Alone, chi: Array) -> Array:
    """``sum_CD chi_AC chi_BD V_4(C;D)``, BCCZ (25): (3, 3, P)."""
    # chi_{aa;C} and chi_{bb;C} have one entry only.
    half = np.array([a.chi * V_4[0], np.einsum("cp,cdp->dp", chi, V_4), b.chi * V_4[2]])
    whole = [half[:, 0] * a.chi, np.einsum("adp,dp->ap", half, chi), half[:, 2] * b.chi]
    return np.stack(whole, axis=1)


def _check(network: Network, a: Alone, b: Alone, errors: Array, orders: int) -> None:
    """Accuracies promised of ``<s_A>`` and ``<s_A s_B>``, relative to their norms."""
    promised = promised_accuracy(network)
    check_accuracy(network, errors[0], np.sqrt(a.square) * np.sqrt(b.square), promised)
    for (powers, _), error in zip(QUARTIC, errors[orders:], strict=False):
        scale = a.fourth ** (powers[0] / 4) * b.fourth ** (powers[1] / 4)
        check_accuracy(network, error, scale, promised)


def _check_shift(
    network: Network, state: PairState, a: Alone, b: Alone, found: Moments, used: np.ndarray
) -> None:
    """What the derivatives' errors do to ``K_1 / n``, relative to the kernel, of the pairs used."""
    layer = state.layer + 1
    C_W, C_b = network.C_W[layer - 1], network.C_b[layer - 1]
    chi, curvature = (C_W * v for v in _derivatives(found.errors[: len(ORDERS)]))
    error = np.einsum("cp,cp->p", chi, np.abs(state.K_1))
    error += 0.5 * np.einsum("cdp,cdp->p", curvature, np.abs(state.V_4))
    # K_1^(l)/n_{l-1} = (1/n_{l-2}) [chi K_1 + ..]
    error = np.where(used, error, 0.0) / network.widths[layer - 2]
    scale = np.sqrt(C_b + C_W * a.square) * np.sqrt(C_b + C_W * b.square)
    promised = promised_accuracy(network, derivatives=4)
    if network.activation.kinks:
        promised = max(promised, AT_A_KINK)
    with at_layer(layer):
        check_accuracy(network, error, scale, promised)


def _check_finite(layer: int, *arrays: Array) -> None:
    if not all(np.all(np.isfinite(v)) for v in arrays):
        raise NumericsError(
            f"the kernel of a pair of inputs overflows double precision at layer {layer}; take a "
            "smaller C_W or fewer layers"
        )
