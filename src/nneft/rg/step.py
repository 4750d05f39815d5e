"""One RG step: the state of layer ``l`` from that of layer ``l - 1``.

The right-hand sides are those of BCCZ (11), (24)-(25) and (A.19)-(A.22), in unordered pairs:
``chi_{A;C} = C_W d<s_A>/dK_C`` and ``(C_W/8) V_4 . <d^4 Delta> = 1/2 sum_CD V_4(C;D) d_C d_D K_0``.
"""

from collections.abc import Iterator
from contextlib import contextmanager

import numpy as np

from nneft.errors import NumericsError
from nneft.gaussian import expectations
from nneft.gaussian.base import Array
from nneft.network import Network
from nneft.rg.averages import Averages, averages, pair_index
from nneft.rg.multisets import multisets_of_one, number
from nneft.rg.state import LayerState, kernel_state

#: Smallest normal double: below it digits are lost.
TINY = float(np.finfo(np.float64).tiny)
#: Squared relative distance of inputs below which `_join_close` is better than the derivatives.
CLOSE = 1e-10


def first_state(kernel: Array, order: int) -> LayerState:
    """Layer 1: the kernel is not random, so all correlators vanish. Its rounding is its error."""
    count = len(kernel) * (len(kernel) + 1) // 2
    values = [np.zeros((number(count, k), order + 1)) for k in range(1, order + 2)]
    errors = [np.zeros_like(v) for v in values]
    values[0][:, 0] = kernel[np.triu_indices(len(kernel))]
    errors[0][:, 0] = 2.0 * np.finfo(float).eps * np.abs(values[0][:, 0])
    return LayerState.of_cumulants(1, tuple(values), tuple(errors))


def step(state: LayerState, network: Network) -> LayerState:
    """The next layer's state, to the order that `state` holds: 0 or 1.

    Raises
    ------
    nneft.NumericsError
        Overflow, underflow, or an accuracy below the promised one, with the layer's number.
    ValueError
        Gaussian moments that diverge.
    """
    # What leaves the range of doubles is told by name, not by a warning.
    with np.errstate(over="ignore", under="ignore", invalid="ignore"):
        return (_first_order if state.order else _leading)(state, network)


@contextmanager
def at_layer(layer: int) -> Iterator[None]:
    """Say at which layer an expectation fails."""
    try:
        yield
    except (ValueError, NumericsError) as error:
        raise type(error)(f"at layer {layer}: {error}") from error


def _leading(state: LayerState, network: Network) -> LayerState:
    layer = state.layer + 1
    C_W, C_b = network.C_W[layer - 1], network.C_b[layer - 1]
    with at_layer(layer):
        product = expectations.pair_products(network.activation, state.K_0)
    deviations = np.sqrt(np.diag(product.values))
    # K_0 = C_b + C_W <s_A>                                                      BCCZ (11)
    kernel = C_b + C_W * product.values
    # |d log <s> / d log K| <= degree for an activation that grows as x^degree at most.
    degree = max(1, len(network.activation.polynomial or ()) - 1)
    carried = C_W * deviations[:, None] * deviations * degree * _relative(state)
    following = kernel_state(layer, kernel, C_W * product.errors + carried + _rounding(kernel))
    check_range(following)
    with at_layer(layer):
        _check_accuracy(network, product.errors, deviations[:, None] * deviations, 2)
    return following


def _first_order(state: LayerState, network: Network) -> LayerState:
    layer, size = state.layer + 1, len(state.K_0)
    C_W, C_b = network.C_W[layer - 1], network.C_b[layer - 1]
    # What fluctuates in layer l-1 comes with 1/n_{l-2}, and is counted here in 1/n_{l-1}.
    ratio = network.widths[layer - 1] / network.widths[max(layer - 2, 0)]
    with at_layer(layer):
        found = averages(network.activation, state.K_0, derivatives=state.layer > 1)
    at, s = found.entries, found.product.values
    chi, curvature = C_W * found.first.values, C_W * found.second.values
    V_4, K_1 = state.V_4, state.K[1]
    near = V_4[at[:, :, None], at[:, None, :]]
    # K_0 = C_b + C_W <s_A>                                                      BCCZ (11)
    kernel = (C_b + C_W * s)[pair_index(size)]
    # V_4(A;B) = C_W^2 <Delta_A Delta_B> + sum_CD chi_AC chi_BD V_4(C;D)         BCCZ (25)
    local = C_W**2 * (found.quartic.values - np.outer(s, s))
    carried = np.einsum("ac,acbd,bd->ab", chi, V_4[at[:, :, None, None], at], chi)
    # K_1 = chi K_1 + 1/2 sum_CD V_4(C;D) d_C d_D K_0                            BCCZ (A.19)-(A.22)
    shift = np.einsum("ac,ac->a", chi, K_1[at])
    shift += 0.5 * np.einsum("acd,acd->a", curvature, near)
    correlator = local + ratio * carried
    # Symmetric under exchange of the pairs; summation leaves that to rounding.
    correlator = 0.5 * (correlator + correlator.T)
    kernels = [kernel, ratio * shift]
    errors = _errors(kernel, state, found, C_W, ratio)
    if network.activation.kinks:
        _join_close(state, kernel, correlator, kernels[1], errors[0][1])
    following = LayerState.of_first_order(layer, kernels, correlator, *errors)
    check_range(following)
    with at_layer(layer):
        _check_all(network, found, size)
    return following


def _join_close(state: LayerState, kernel: Array, V_4: Array, K_1: Array, error: Array) -> None:
    """``K_1`` of inputs that nearly coincide at a kink from each alone; in place.

    Second derivatives grow as the inverse of the distance there, and multiply differences of V_4 in
    which its rounding is left. But ``G_ab = (G_aa + G_bb - G_dd)/2``, d the difference of the
    fields, and ``K_1(dd)`` is to ``K_dd`` about what it is for one input.
    """
    index, below, own = pair_index(len(kernel)), np.diag(state.K_0), np.diag(kernel)
    apart = below[:, None] + below - 2.0 * state.K_0
    near = np.triu(apart <= CLOSE * np.maximum(below[:, None], below), 1)
    for a, b in np.argwhere(near & (own[:, None] > 0.0) & (own > 0.0)):
        each = index[[a, b], [a, b]]
        growth = np.abs(K_1[each]) / own[[a, b]] + V_4[each, each] / own[[a, b]] ** 2
        left = abs(own[a] + own[b] - 2.0 * kernel[a, b]) + CLOSE**2 * own[a]
        K_1[index[a, b]] = 0.5 * np.sum(K_1[each])
        error[index[a, b]] = 0.5 * np.sum(error[each]) + left * np.max(growth)


def _errors(
    kernel: Array, state: LayerState, found: Averages, C_W: float, ratio: float
) -> tuple[list[Array], Array]:
    """First-order propagation of every error, all taken with the same sign: of K and of V_4."""
    at, s, size = found.entries, found.product.values, len(state.K_0)
    upper = np.triu_indices(size)
    chi, curvature = (C_W * np.abs(m.values) for m in (found.first, found.second))
    e_chi, e_curvature = (C_W * m.errors for m in (found.first, found.second))
    e_kernel = state.error_K_0[upper]
    relative = _relative(state)
    # d chi = curvature . dK; a fourth derivative is taken as the second over the kernel.
    e_chi = e_chi + np.einsum("acd,ad->ac", curvature, e_kernel[at])
    e_curvature = e_curvature + curvature * relative
    e_product = C_W * found.product.errors + np.einsum("ac,ac->a", chi, e_kernel[at])
    far, e_far = (np.abs(v)[at[:, :, None, None], at] for v in (state.V_4, state.error_V_4))
    near, e_near = (np.abs(v)[at[:, :, None], at[:, None, :]] for v in (state.V_4, state.error_V_4))
    # <s_A s_B> moves by at most its fourth power of sigma times the kernel's relative change.
    root_4 = np.sqrt(np.diag(found.quartic.values))
    size_4 = np.outer(root_4, root_4)
    e_local = C_W**2 * (found.quartic.errors + 4.0 * relative * size_4)
    e_local += C_W * (np.outer(np.abs(s), e_product) + np.outer(e_product, np.abs(s)))
    e_V = e_local + ratio * (
        np.einsum("ac,acbd,bd->ab", chi, e_far, chi)
        + np.einsum("ac,acbd,bd->ab", e_chi, far, chi)
        + np.einsum("ac,acbd,bd->ab", chi, far, e_chi)
    )
    e_K = ratio * (
        np.einsum("ac,ac->a", e_chi, np.abs(state.K[1])[at])
        + np.einsum("ac,ac->a", chi, state.error_K[1][at])
        + 0.5 * np.einsum("acd,acd->a", curvature, e_near)
        + 0.5 * np.einsum("acd,acd->a", e_curvature, near)
    )
    return [e_product[pair_index(size)] + _rounding(kernel), e_K], e_V


def _relative(state: LayerState) -> float:
    """Largest relative error of the kernel, over its inputs."""
    variances = np.diag(state.K_0)
    live = variances > 0.0
    deviations = np.sqrt(variances[live])
    errors = state.error_K_0[np.ix_(live, live)]
    return float(np.max(errors / (deviations[:, None] * deviations), initial=0.0))


def _rounding(kernel: Array) -> Array:
    deviations = np.sqrt(np.diag(kernel))
    rounding: Array = 2.0 * np.finfo(float).eps * deviations[:, None] * deviations
    return rounding


def check_range(state: LayerState, scales: Array | None = None) -> None:
    """Overflow and underflow by name; a kernel that is exactly zero is neither.

    `scales` (.., N) are lengths that the inputs' kernels are to be multiplied by, squared.
    """
    for lengths in [1.0] if scales is None else scales:
        with np.errstate(over="ignore", under="ignore", invalid="ignore"):
            K_0 = np.diag(state.K_0) * lengths**2
            _check_values("K_0", K_0, state)
            for k, V in enumerate(state.V, start=2):
                own = V[:, multisets_of_one(state.K.shape[1], k)] * lengths ** (2 * k)
                if not (np.all(np.isfinite(V)) and np.all(np.isfinite(own))):
                    raise _overflow(f"V_{2 * k}", state)
                if k == 2:
                    _check_values("V_4", own[0], state)
                # V_2k scales as the kernel to the k and is gone, exactly zero, well before K_0 is.
                if state.layer > 1 and np.any((K_0 > 0.0) & (K_0**k < TINY)):
                    raise NumericsError(
                        f"V_{2 * k} underflows double precision at layer {state.layer}, where K_0 "
                        f"is {np.min(K_0):.3g}; take a larger C_W or C_b, or fewer layers"
                    )
            if not np.all(np.isfinite(state.K)):
                raise _overflow("the mean kernel's expansion", state)


def _check_values(name: str, values: Array, state: LayerState) -> None:
    if not np.all(np.isfinite(values)):
        raise _overflow(name, state)
    if np.any((values != 0.0) & (np.abs(values) < TINY)):
        raise NumericsError(
            f"{name} underflows double precision at layer {state.layer}: the kernel shrinks "
            "exponentially with depth; take a larger C_W or C_b, or fewer layers"
        )


def _overflow(name: str, state: LayerState) -> NumericsError:
    return NumericsError(
        f"{name} overflows double precision at layer {state.layer}: the kernel grows "
        "without bound; take a smaller C_W or fewer layers"
    )


def _check_all(network: Network, found: Averages, size: int) -> None:
    index = pair_index(size)
    deviations = np.sqrt(found.product.values[np.diag(index)])
    scale = (deviations[:, None] * deviations)[np.triu_indices(size)]
    _check_accuracy(network, found.product.errors, scale, min(size, 2))
    fourth = np.diag(found.quartic.values)[np.diag(index)] ** 0.25
    scale = (fourth[:, None] * fourth)[np.triu_indices(size)]
    _check_accuracy(network, found.quartic.errors, np.outer(scale, scale), min(size, 4))


def _check_accuracy(network: Network, errors: Array, scale: Array, inputs: int) -> None:
    """Raise by name where the promised accuracy of an expectation is not reached."""
    promised = max(
        expectations.promised(network.activation, inputs),
        10.0 * network.activation.derivative_error(0),
    )
    safe = np.where(scale > 0.0, scale, np.inf)
    worst = float(np.max(errors / safe, initial=0.0))
    if not worst <= promised:
        place = np.unravel_index(int(np.argmax(errors / safe)), errors.shape)
        raise NumericsError(
            f"an expectation of {network.activation.name} reaches a relative accuracy of "
            f"{worst:.1g} only, {promised:.0e} was promised (component "
            f"{tuple(int(i) for i in place)})"
        )
