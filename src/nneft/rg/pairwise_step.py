"""One step of many two-input flows at once: BCCZ (11), (24), (25), (A.19)-(A.22).

A pair of inputs ``(a, b)`` has the three entries ``aa, ab, bb``. What belongs to one input alone
comes from that input's own flow (`pairwise_inputs`); the rest is averaged over the pair.
"""

from dataclasses import dataclass

import numpy as np

from nneft.errors import NumericsError
from nneft.gaussian.base import Array, Terms
from nneft.network import Network
from nneft.rg.averages import FIRST, ORDERS, SECOND
from nneft.rg.pairwise_averages import pair_moments
from nneft.rg.pairwise_inputs import Alone, at_layer, check_accuracy, width_ratio
from nneft.rg.pairwise_series import Pairs

#: ``<sigma_a^3 sigma_b>``, ``<sigma_a^2 sigma_b^2>``, ``<sigma_a sigma_b^3>``.
QUARTIC = [((p, 4 - p), (0, 0)) for p in (3, 2, 1)]


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
    state: PairState,
    here: Alone,
    first: np.ndarray,
    second: np.ndarray,
    network: Network,
    order: int,
) -> PairState:
    """The next layer's state; its `V_4` only where a layer follows.

    `here` holds the inputs alone at the same layer, `first` and `second` (P,) the pairs' places
    among them.

    Raises
    ------
    ValueError
        Gaussian moments that diverge.
    nneft.NumericsError
        Overflow, or an accuracy below the promised one, with the layer's number.
    """
    layer = state.layer + 1
    C_W, C_b = network.C_W[layer - 1], network.C_b[layer - 1]
    derivatives = order > 0 and state.layer > 1
    fluctuates = order > 0 and layer < network.depth
    orders = ORDERS if derivatives else ORDERS[:1]
    terms: Terms = [((1, 1), r) for r in orders] + (QUARTIC if fluctuates else [])
    with at_layer(layer):
        pairs = Pairs(here.K_0, first, second, state.K_0)
        found = pair_moments(network.activation, pairs, terms)
        _check(network, here, pairs, found.errors, len(orders))
    a, b = here.of(first), here.of(second)
    s = found.values[0]
    # K_0 = C_b + C_W <s_A>                                                      BCCZ (11)
    K_0 = C_b + C_W * s
    K_1, V_4 = np.zeros_like(state.K_1), np.zeros_like(state.V_4)
    ratio = width_ratio(network, state.layer)
    chi = np.zeros_like(state.V_4)
    if derivatives:
        of = dict(zip(orders, C_W * found.values, strict=False))
        chi[0, 0], chi[2, 2] = a.chi, b.chi
        chi[1] = [factor * of[r] for factor, r in FIRST]
        curvature = np.array([[factor * of[r] for factor, r in row] for row in SECOND])
        # K_1 = chi K_1 + 1/2 sum_CD V_4(C;D) d_C d_D K_0                        BCCZ (A.19)-(A.22)
        K_1 = np.einsum("acp,cp->ap", chi, state.K_1)
        K_1[0] += 0.5 * a.curvature * state.V_4[0, 0]
        K_1[2] += 0.5 * b.curvature * state.V_4[2, 2]
        K_1[1] += 0.5 * np.einsum("cdp,cdp->p", curvature, state.V_4)
        K_1 *= ratio
    if fluctuates:
        quartic = found.values[-len(QUARTIC) :]
        # V_4(A;B) = C_W^2 <Delta_A Delta_B> + sum_CD chi_AC chi_BD V_4(C;D)     BCCZ (25)
        V_4 = C_W**2 * _local(a, b, s, quartic)
        if derivatives:
            carried = np.einsum("acp,cdp->adp", chi, state.V_4)
            V_4 += ratio * np.einsum("adp,bdp->abp", carried, chi)
    _check_finite(layer, K_0, K_1, V_4)
    return PairState(layer, K_0, K_1, V_4)


def _local(a: Alone, b: Alone, s: Array, quartic: Array) -> Array:
    """``<s_A s_B> - <s_A><s_B>`` over ``aa, ab, bb``: (3, 3, P)."""
    three, two, one = quartic
    products = np.array([[a.fourth, three, two], [three, two, one], [two, one, b.fourth]])
    means = np.array([a.square, s, b.square])
    found: Array = products - means[:, None] * means
    return found


def _check(network: Network, here: Alone, pairs: Pairs, errors: Array, orders: int) -> None:
    """Accuracies promised of ``<s_A>`` and ``<s_A s_B>``, relative to their norms."""
    second, fourth = np.sqrt(here.square), here.fourth**0.25
    scale = second[pairs.first] * second[pairs.second]
    check_accuracy(network, errors[0], scale, 2)
    for p, error in zip((3, 2, 1), errors[orders:], strict=False):
        scale = fourth[pairs.first] ** p * fourth[pairs.second] ** (4 - p)
        check_accuracy(network, error, scale, 2)


def _check_finite(layer: int, *arrays: Array) -> None:
    if not all(np.all(np.isfinite(v)) for v in arrays):
        raise NumericsError(
            f"the kernel of a pair of inputs overflows double precision at layer {layer}; take a "
            "smaller C_W or fewer layers"
        )
