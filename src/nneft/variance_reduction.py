"""Ensembles whose estimates the theory makes more precise: :func:`nneft.sample`.

Given the kernel of a layer, the mean of the next one is known, ``F = C_b + C_W <sigma sigma>_G``,
and so is how it responds to fluctuations, ``chi = dF/dG``. Handed to the sampler as a `Control`
these take the leading fluctuations out of ``<G>`` and ``V_4`` (:mod:`nneft.ensemble.reduced`): up
to hundreds of times fewer networks then give them as precisely. Nothing of what is estimated comes
from the expansion in 1/n: with any response the estimates are unbiased.
"""

from __future__ import annotations

import os
from collections.abc import Callable

import numpy as np
from numpy.typing import ArrayLike, NDArray

from nneft.activations import Activation
from nneft.conventions import pairs
from nneft.ensemble import sampling
from nneft.ensemble.blas import one_thread
from nneft.ensemble.control import Control
from nneft.ensemble.engines import Engine
from nneft.ensemble.ensemble import Ensemble
from nneft.ensemble.plan import Arithmetic, Method, Precision
from nneft.errors import NumericsError
from nneft.gaussian import batches, expectations
from nneft.network import Network
from nneft.rg.step import at_layer

__all__ = ["chosen", "control", "sample"]

Array = NDArray[np.float64]

#: Networks from which errors by leaving out one of 32 groups are trusted by default.
FEWEST = 64
#: Smallest hidden width, most inputs, and largest ``(L - 1)/n``, n the smallest hidden width, with
#: which it was measured to help; and the cost of conditional means, in those of sampling.
NARROWEST, MOST_INPUTS, DEEPEST, DEAREST = 16, 12, 0.25, 8.0


def sample(
    net: Network,
    inputs: ArrayLike | None = None,
    *,
    kernel: ArrayLike | None = None,
    networks: int,
    seed: int = 0,
    method: Method = "chain",
    dtype: Precision = "float64",
    batch: int | None = None,
    workers: int | None = None,
    points: int = 4,
    progress: Callable[[int, int], object] | None = None,
    run: str | os.PathLike[str] | None = None,
    reduce: bool | None = None,
    arithmetic: Arithmetic = "numpy",
    engine: Engine | None = None,
    until: str | None = None,
) -> Ensemble:
    """Draw random networks and estimate ``<G>`` and ``V_4`` with their standard errors.

    Parameters
    ----------
    net : the network.
    inputs : (N, n_0) inputs; or else
    kernel : (N, N) the first layer's kernel (``method="chain"`` only).
    networks : how many, 1 or more; estimates need 2, or 3 where they are reduced.
    seed : 0 or more; the same seed gives the same numbers, bit for bit.
    method : ``"chain"``, the kernels' Markov chain, exact in law; ``"weights"``, all weights drawn.
    dtype : precision of the random numbers and activations; kernels and sums are float64 always.
    batch : networks carried through the layers together (memory); changes no number.
    workers : threads; by default one for each processor. Changes no number.
    points : 4, or 2 to hold ``<G>`` alone where many inputs make ``V_4`` too large; 6 and 8 hold
        ``V_6`` and ``V_8`` too, at more time and memory where there are several inputs.
    progress : called with networks done and wanted, after every block, from the calling thread.
    run : a folder to keep finished blocks in; the same call goes on where an earlier one stopped,
        and leaves ``result.nc`` there, the same to the last bit for any number of workers. Blocks
        are added up in larger pieces than without a folder, so that last digits differ from that.
    reduce : whether to take the leading fluctuations out of ``<G>`` and ``V_4`` with what the
        theory knows of the next layer's mean. False: no. True: yes, or a ValueError that says why
        not. None: where it is measured to help, see the notes. The networks are the same.
    arithmetic : ``"numpy"``, or ``"jax"`` to draw the chain on JAX's default device, a GPU where
        there is one: other random numbers, so another ensemble of the same law. There ``batch``
        may change last bits.
    engine : what samples the blocks of ``run`` instead of threads, such as
        :class:`nneft.ensemble.engines.Dask`; changes no number.
    until : the accuracy that is enough: ``"V4 < 1%"`` for ``V_4(aa;aa)`` of every input a at the
        last layer to 1 % of itself, ``"V4[0,1,0,1]@10 < 0.02"`` for one component and layer to
        0.02, ``"G < 0.1% and V4 < 1%"`` for both; ``V6``, ``V8`` likewise. ``networks`` is then the
        most it may take; a RuntimeWarning says if that was not enough. Looked at after fixed
        numbers of networks, so that the result does not depend on ``workers``.

    Returns
    -------
    Ensemble
        ``gain`` tells what the reduction gained, ``plain`` are the same networks without it.

    Raises
    ------
    ValueError, TypeError
        for a wrong call, for sums that need more than 2 GiB, and for a folder that holds a run
        with other settings.
    NumericsError
        where a kernel is NaN or infinite, overflows or underflows, naming layer and block. With
        ``run`` such blocks are recorded and left out, with a RuntimeWarning, unless all are.
    nneft.ensemble.engines.EngineLost
        An OSError: the engine or the device gave up. With ``run`` the same call goes on.

    Notes
    -----
    An interruption (Ctrl-C) is passed on and drops what was sampled, but for what ``run`` keeps;
    :func:`nneft.ensemble.sample_blocks` hands out block after block.

    By default ``reduce`` is on for 64 or more networks in NumPy's chain and float64, of 12 inputs
    at most, hidden widths n of 16 or more and ``L - 1 <= n/4``, if averages over two inputs cost
    less than 8 times the random numbers: closed forms (polynomials, ReLU-like activations, erf) and
    smooth activations at kernels that are not large against the length over which they vary; with
    other kinks for one input. It is a function of the settings alone. Measured there, on one
    thread: 1.3 to 5 times the time per network; of the networks, for ``<G>`` 12 to 1000 times
    fewer, for ``V_4`` 4 to 90 in the median of its components (tanh, n = 128: 220 and 60 for one
    input at layer 10, 1100 and 90 for four at layer 5). Where two ReLU inputs are hardly ever
    active together, single components of ``V_4`` gain nothing, 0.7 at worst. Deeper, ``L = n/2``
    and beyond, fluctuations are no longer small, and it ends by doing harm to ``V_4``.
    """
    known = chosen(net, inputs, kernel, networks, (method, dtype, arithmetic), reduce)
    return sampling.sample(
        net,
        inputs,
        kernel=kernel,
        networks=networks,
        seed=seed,
        method=method,
        dtype=dtype,
        batch=batch,
        workers=workers,
        points=points,
        progress=progress,
        run=run,
        control=known,
        arithmetic=arithmetic,
        engine=engine,
        until=until,
    )


def chosen(
    net: Network,
    inputs: ArrayLike | None,
    kernel: ArrayLike | None,
    networks: int,
    how: tuple[str, str, str],
    reduce: bool | None,
) -> Control | None:
    """What :func:`sample` reduces with, or None; ``how`` are method, dtype and arithmetic."""
    if reduce is not None and not isinstance(reduce, (bool, np.bool_)):
        raise TypeError(f"reduce must be True, False or None, got {reduce!r}")
    # Whatever else is wrong, the sampler itself says so.
    if not isinstance(net, Network) or (reduce is not None and not reduce):
        return None
    wanted, first = sampling.positive("networks", networks), net.first_kernel(inputs, kernel)
    plain = how == ("chain", "float64", "numpy") and min(net.widths[1:-1], default=2) > 1
    if reduce is None and not (plain and helps(net, first, wanted)):
        return None
    if not plain:
        raise ValueError(
            "reduce=True needs method='chain', dtype='float64', arithmetic='numpy' and hidden "
            f"layers of 2 neurons or more, got {how}, widths {net.widths}: leave reduce out"
        )
    try:
        return control(net, first)
    except (ValueError, NumericsError) as error:
        if reduce is None:
            return None
        raise ValueError(f"reduce=True is not to be had: {error}; leave reduce out") from error


def helps(net: Network, first: Array, networks: int) -> bool:
    """Whether reduced estimates are worth their time: a function of the settings alone."""
    hidden, count = net.widths[1:-1], len(first)
    if not hidden or networks < FEWEST or count > MOST_INPUTS or min(hidden) < NARROWEST:
        return False
    held = 8 * len(hidden) * sampling.reduced_sums(count * (count + 1) // 2)
    if len(hidden) > DEEPEST * min(hidden) or held > sampling.MEMORY // 2:
        return False
    try:
        # Averages reach out to where an activation may overflow, which is looked for.
        with np.errstate(all="ignore"):
            flow = _flow(net, first, batches.pair_products(net.activation, count))
            # Of the first layer, which is not random, no averages are asked for while sampling.
            variances = [2.0 * np.diag(kernel).max() for kernel in flow[1:-1]]
            dear = sum(batches.work(net.activation, count, v) for v in variances)
    except (ValueError, NumericsError):
        return False
    return bool(dear <= DEAREST * count * sum(hidden))


@one_thread()
def control(net: Network, kernel: ArrayLike) -> Control:
    """What reduces the noise of an ensemble of ``net``.

    Conditional means are exact to 1e-13 for whatever kernels come up, singular ones included:
    closed forms for polynomials, ReLU-like activations and erf, else sums over Hermite coefficients
    (:mod:`nneft.gaussian.batches`). Responses are those at ``K_0``.

    Parameters
    ----------
    net : the network.
    kernel : (N, N) the first layer's kernel, or a number for one input.

    Raises
    ------
    ValueError
        for several inputs of an activation with kinks that is not like ReLU, and for moments that
        diverge.
    NumericsError
        where expectations fail, naming the layer.
    """
    first = net.first_kernel(None, kernel)
    products = batches.pair_products(net.activation, len(first))
    with np.errstate(all="ignore"):
        flow = _flow(net, first, products)
    upper = np.triu_indices(len(first))
    response = np.zeros((net.depth, len(upper[0]), len(upper[0])))
    # The first layer does not fluctuate, and its kernel may be singular.
    for layer in range(3, net.depth + 1):
        with at_layer(layer), np.errstate(all="ignore"):
            # chi_A;B = C_W d<s_A>/dK_B                                            BCCZ (24)
            slopes = _slopes(net.activation, flow[layer - 2])
        response[layer - 1] = net.C_W[layer - 1] * slopes

    centre = np.array([k[upper] for k in flow])
    mean = _Mean(net, first, flow[min(1, net.depth - 1)])
    return Control(mean, response, centre, batches.ACCURACY)


class _Mean:
    """``F_l(G)``: a `Control`'s ``mean``, which other processes can be sent."""

    def __init__(self, net: Network, first: Array, second: Array) -> None:
        self.made_of = (net, first, second)
        self.products = batches.pair_products(net.activation, len(first))

    def __call__(self, layer: int, G: Array) -> Array:
        net, first, second = self.made_of
        # That of the first layer, which is not random, was found by the methods for any size.
        if layer == 2 and len(G) == 1 and np.array_equal(G[0], first):
            return second[None]
        # F = C_b + C_W <sigma_a sigma_b>_G
        found: Array = net.C_b[layer - 1] + net.C_W[layer - 1] * self.products(G)
        return found

    def __reduce__(self) -> tuple[type, tuple[Network, Array, Array]]:
        return _Mean, self.made_of


def _flow(net: Network, first: Array, products: batches.PairProducts) -> list[Array]:
    """``K_0`` of layers 1..L; that of layer 2 by the methods for kernels of any size."""
    flow = [first]
    for layer in range(2, net.depth + 1):
        with at_layer(layer):
            if layer == 2:
                averages = expectations.pair_products(net.activation, first).values
            else:
                averages = products(flow[-1][None])[0]
            # K_0 = C_b + C_W <s_A>                                                  BCCZ (11)
            kernel = net.C_b[layer - 1] + net.C_W[layer - 1] * averages
            if not np.isfinite(kernel).all():
                raise NumericsError("the infinite-width kernel overflows double precision")
        flow.append(kernel)
    return flow


def _slopes(activation: Activation, kernel: Array) -> Array:
    """(P, P) derivatives of ``<sigma_a sigma_b>`` by the kernel's unordered entries."""
    index = {pair: p for p, pair in enumerate(pairs(len(kernel)))}
    found = np.zeros((len(index), len(index)))
    # d/dK_aa <sigma^2> = 1/2 <(sigma^2)''>
    own = 0.5 * expectations.singles(activation, np.diag(kernel), [((2,), (2,))]).values[0]
    terms = [((1, 1), (2, 0)), ((1, 1), (1, 1)), ((1, 1), (0, 2))]
    two = expectations.pairs(activation, kernel, terms).values if len(kernel) > 1 else None
    for (a, b), p in index.items():
        if a == b or two is None:
            found[p, p] = own[a]
            continue
        # d/dK_aa = 1/2 d_a^2, d/dK_ab = d_a d_b, d/dK_bb = 1/2 d_b^2
        found[p, index[a, a]] = 0.5 * two[0, a, b]
        found[p, p] = two[1, a, b]
        found[p, index[b, b]] = 0.5 * two[2, a, b]
    return found
