"""Sampling: blocks in threads, merged in the order of the blocks."""

from __future__ import annotations

import operator
import os
import warnings
from collections.abc import Callable, Generator, Iterator
from functools import reduce
from math import comb
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import ArrayLike, NDArray

from nneft.ensemble.accumulate import Moments
from nneft.ensemble.accuracy import Accuracy, accuracy, worst
from nneft.ensemble.blas import one_thread
from nneft.ensemble.chain import chain_block
from nneft.ensemble.control import Control
from nneft.ensemble.cumulants import GROUPS, CentralSums
from nneft.ensemble.ensemble import Ensemble, Source
from nneft.ensemble.looks import first_enough
from nneft.ensemble.numerics import check, numbered
from nneft.ensemble.ordered import in_order
from nneft.ensemble.plan import Arithmetic, Method, Plan, Precision
from nneft.ensemble.reduced import reduced_block
from nneft.ensemble.reduction import Reduction
from nneft.ensemble.weights import weights_block
from nneft.errors import NumericsError
from nneft.network import Network

if TYPE_CHECKING:
    from nneft.ensemble.engines import Engine

BLOCKS = {"chain": chain_block, "weights": weights_block}

#: Memory the sums over pairs of pairs of inputs may take.
MEMORY = 2 * 2**30
#: Arrays (L-1, P, P) alive at once while two blocks merge.
ARRAYS = 24


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
    control: Control | None = None,
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
    networks : how many, 1 or more; estimates need 2.
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
    control : what a theory knows, to take the leading fluctuations out of ``<G>`` and ``V_4``;
        :func:`nneft.sample` finds it itself. For ``"chain"`` in float64, widths of 2 or more.
    arithmetic : ``"numpy"``, or ``"jax"`` to draw the chain on JAX's default device, a GPU where
        there is one: other random numbers, so another ensemble of the same law. There ``batch``
        may change last bits.
    engine : what samples the blocks of ``run`` instead of threads, such as
        :class:`nneft.ensemble.engines.Dask`; changes no number.
    until : the accuracy that is enough, such as ``"V4 < 1%"`` (:mod:`nneft.ensemble.accuracy`);
        ``networks`` is then the most it may take, and a RuntimeWarning says if it took all of them
        and did not get there. Looked at after fixed numbers of networks (every 16 blocks, then more
        rarely), so that the result does not depend on ``workers``.

    Returns
    -------
    Ensemble

    Raises
    ------
    ValueError, TypeError
        for a wrong call, for sums that need more than 2 GiB, and for a folder that holds a run
        with other settings.
    NumericsError
        where a kernel is NaN or infinite, overflows or underflows, naming layer and networks. With
        ``run`` such blocks are recorded and left out, with a RuntimeWarning, unless all are.
    nneft.ensemble.engines.EngineLost
        An OSError: the engine or the device gave up. With ``run`` the same call goes on.

    Notes
    -----
    An interruption (Ctrl-C) is passed on and drops what was sampled, but for what ``run`` keeps;
    :func:`sample_blocks` hands out block after block to those who want to keep what is finished.
    """
    wanted = positive("networks", networks)
    asked = (net, inputs, kernel, seed, method, dtype, batch, points, arithmetic, control)
    plan = checked(*asked)
    if run is not None:
        return _kept(run, plan, wanted, until, workers, progress, engine)
    if engine is not None:
        raise ValueError("an engine samples into a folder: give run=folder too")
    target = None if until is None else accuracy(until, plan)
    blocks = blocks_of(plan, wanted, workers, progress)
    if target is None:
        return reduce(Ensemble.merge, blocks)
    found, enough = first_enough(blocks, plan, target)
    if not enough:
        _missed(target, found, stacklevel=3)
    return found


def _kept(
    folder: str | os.PathLike[str],
    plan: Plan,
    networks: int,
    until: str | None,
    workers: int | None,
    progress: Callable[[int, int], object] | None,
    engine: Engine | None,
) -> Ensemble:
    from nneft.ensemble.runs import complete, open_run

    def say(line: str) -> None:
        warnings.warn(line, RuntimeWarning, stacklevel=4)

    run = open_run(folder, plan, networks, until=until)
    outcome = complete(run, workers=workers, engine=engine, progress=progress, say=say)
    if outcome.ensemble is None:
        raise NumericsError(f"no block of {run.folder} gave numbers")
    if outcome.failed:
        first = outcome.failed[0]
        say(
            f"{len(outcome.failed)} of {outcome.blocks} blocks failed and are in no average; block "
            f"{first.block}: {first.reason}"
        )
    if run.until is not None and not outcome.reached:
        _missed(run.until, outcome.ensemble, stacklevel=4)
    return outcome.ensemble


def _missed(target: Accuracy, found: Ensemble, stacklevel: int) -> None:
    how = worst(target.readings(found)) or "too few to tell"
    warnings.warn(
        f"{target} is not reached with all {found.networks} networks there may be: {how}",
        RuntimeWarning,
        stacklevel=stacklevel + 1,
    )


def sample_blocks(
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
    control: Control | None = None,
    arithmetic: Arithmetic = "numpy",
) -> Iterator[Ensemble]:
    """The ensembles of the single blocks, in order; merged in order they are :func:`sample`'s.

    Takes and raises what :func:`sample` does, a wrong call at once. Closing the iterator, or an
    exception where it is used, drops the blocks in hand and ends the threads.
    """
    wanted = positive("networks", networks)
    asked = (net, inputs, kernel, seed, method, dtype, batch, points, arithmetic, control)
    return blocks_of(checked(*asked), wanted, workers)


def threads(plan: Plan, workers: int | None) -> int:
    """Threads to sample with: as many as asked for, or as processors, whose sums fit in memory."""
    many = processors() if workers is None else positive("workers", workers)
    return min(many, max(1, MEMORY // sums_memory(plan)))


def blocks_of(
    plan: Plan,
    networks: int,
    workers: int | None = None,
    progress: Callable[[int, int], object] | None = None,
) -> Generator[Ensemble]:
    """The ensembles of a plan's single blocks, in order: :func:`sample_blocks`."""
    size = plan.block

    def block(start: int) -> Ensemble:
        return sampled_block(plan, start // size, min(size, networks - start))

    many = min(threads(plan, workers), -(-networks // size))
    keep_freed_memory()
    return _told(in_order(block, range(0, networks, size), many), progress, networks)


def _told(
    blocks: Iterator[Ensemble], progress: Callable[[int, int], object] | None, wanted: int
) -> Generator[Ensemble]:
    done = 0
    for block in blocks:
        yield block
        done += block.networks
        if progress is not None:
            progress(done, wanted)


def sampled_block(plan: Plan, block: int, networks: int) -> Ensemble:
    """The first networks of one block, drawn and accumulated.

    Raises
    ------
    NumericsError
        where a kernel is NaN or infinite, overflows or underflows, naming layer and networks.
    """
    # Overflow and NaN are looked for in the kernels, where the layer is known.
    with one_thread(), np.errstate(all="ignore"):
        samples, reduction = _sampled(plan, block, networks)
        check(samples, plan, block)
        moments = Moments.of(samples, pairs=plan.points >= 4)
        cumulants = CentralSums.of(samples, plan.points // 2) if plan.points > 4 else None
    if reduction is not None and not reduction.finite:
        raise NumericsError(
            f"the reduced sums of {numbered(plan, block, networks)} overflow double precision: "
            "sample with reduce=False"
        )
    net, start = plan.network, block * plan.block
    return Ensemble(
        net.widths,
        tuple(net.C_W.tolist()),
        tuple(net.C_b.tolist()),
        net.activation.name,
        plan.kernel,
        moments,
        (Source(plan.numbers, plan.dtype, plan.seed, start, start + networks),),
        cumulants,
        reduction,
    )


def _sampled(plan: Plan, block: int, networks: int) -> tuple[NDArray[np.float64], Reduction | None]:
    if plan.control is not None:
        return reduced_block(plan, block, networks)
    return _kernels(plan, block, networks), None


def _kernels(plan: Plan, block: int, networks: int) -> NDArray[np.float64]:
    if plan.arithmetic == "jax":
        from nneft.ensemble.engines.device import device_block

        return device_block(plan, block, networks)
    return BLOCKS[plan.method](plan, block, networks)


def checked(
    net: Network,
    inputs: ArrayLike | None,
    kernel: ArrayLike | None,
    seed: int,
    method: Method,
    dtype: Precision,
    batch: int | None,
    points: int,
    arithmetic: Arithmetic = "numpy",
    control: Control | None = None,
) -> Plan:
    """The plan of a call of :func:`sample`, which says what is raised."""
    if not isinstance(net, Network):
        raise TypeError(f"sample() wants a nneft.Network first, got {type(net).__name__}")
    first = net.first_kernel(inputs, kernel)
    first.flags.writeable = False
    x = None if inputs is None else np.array(inputs, dtype=np.float64).reshape(len(first), -1)
    if method not in BLOCKS:
        raise ValueError(f"method must be 'chain' or 'weights', got {method!r}")
    if method == "weights" and x is None:
        raise ValueError("method='weights' multiplies inputs by weights: give inputs, not a kernel")
    if dtype not in ("float64", "float32"):
        raise ValueError(f"dtype must be 'float64' or 'float32', got {dtype!r}")
    if points not in (2, 4, 6, 8):
        raise ValueError(f"points must be 4, 6, 8, or 2 to hold <G> alone, got {points!r}")
    if points > 4 and dtype == "float32":
        warnings.warn(
            "float32 normal numbers end at 5.4 standard deviations, which loses 6e-4 of an eighth "
            "moment: six points and above want dtype='float64'",
            stacklevel=4,
        )
    if isinstance(seed, bool) or not hasattr(seed, "__index__") or operator.index(seed) < 0:
        raise ValueError(f"seed must be an integer, 0 or more, got {seed!r}")
    size = None if batch is None else positive("batch", batch)
    if arithmetic not in ("numpy", "jax"):
        raise ValueError(f"arithmetic must be 'numpy' or 'jax', got {arithmetic!r}")
    if arithmetic == "jax" and method != "chain":
        raise ValueError("with arithmetic='jax' there is method='chain' alone; leave method out")
    plan = Plan(
        net, first, x, method, dtype, operator.index(seed), points, size, arithmetic, control
    )
    if control is not None:
        _check_control(plan, control)
    if sums_memory(plan) > MEMORY:
        raise ValueError(
            f"V_{max(points, 4)} on {len(first)} inputs and {net.depth} layers needs sums of "
            f"{sums_memory(plan)} bytes, more than {MEMORY}: take fewer inputs, or points=2 for "
            "<G> alone"
        )
    return plan


def _check_control(plan: Plan, control: Control) -> None:
    control.check(plan.network.depth, len(plan.kernel))
    if (plan.method, plan.dtype, plan.arithmetic) != ("chain", "float64", "numpy"):
        raise ValueError(
            "less noise is to be had by method='chain', dtype='float64' in NumPy, got "
            f"{plan.method!r}, {plan.dtype!r}, {plan.arithmetic!r}: leave them out, or reduce=False"
        )
    if not plan.hidden:
        raise ValueError("one layer does not fluctuate, there is no noise: take reduce=False")
    if min(plan.hidden) < 2:
        raise ValueError(
            f"less noise needs hidden layers of 2 neurons or more, got {plan.hidden}: take "
            "reduce=False"
        )


def reduced_sums(pairs: int) -> int:
    """Numbers that the sums of a reduction hold for a layer, while two of them merge."""
    return 4 * GROUPS * pairs * (pairs + 1)


def sums_memory(plan: Plan) -> int:
    """Bytes that the sums over pairs of pairs need while blocks merge; at least 1."""
    pairs = len(plan.kernel) * (len(plan.kernel) + 1) // 2
    if plan.points == 2:
        return 1
    needed = ARRAYS * pairs**2
    if plan.points > 4:
        # The groups of both sides, of the result, and of what is moved.
        distinct = sum(comb(pairs + k - 1, k) for k in range(2, plan.points // 2 + 1))
        needed += 4 * GROUPS * distinct
    if plan.control is not None:
        needed += reduced_sums(pairs)
    return 8 * (plan.network.depth - 1) * needed + 1


def positive(name: str, value: int) -> int:
    """A positive integer, or a ValueError that names it."""
    if isinstance(value, bool) or not hasattr(value, "__index__") or operator.index(value) < 1:
        raise ValueError(f"{name} must be a positive integer, got {value!r}")
    return operator.index(value)


def processors() -> int:
    """Processors that this process may use."""
    if hasattr(os, "sched_getaffinity"):
        return len(os.sched_getaffinity(0))
    return os.cpu_count() or 1


def keep_freed_memory() -> None:
    """Let the C library keep a chunk's memory between steps instead of returning it each time.

    glibc gives freed memory back above a threshold that grows with the largest block ever freed,
    untouched ones included; fresh pages for each temporary array would cost as much as the
    random numbers.
    """
    np.empty(2**21)
