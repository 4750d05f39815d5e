"""Where an activation has to be looked at: cells that resolve it, and how far it matters."""

from functools import lru_cache
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from nneft.activations.base import Activation
from nneft.gaussian.base import Array
from nneft.gaussian.panels import Advice, Resolution, legendre

#: A cell is fine enough when 16 Legendre coefficients end below this, relative to the largest
#: value met so far from the origin. Gauss-Legendre with as many nodes squares the error.
_TOLERANCE = 1e-8
_NODES = 16
#: Degree up to which the sparsest panels are exact, and what cannot be told from rounding.
_FEWEST = 8
_UNSEEN = 1e-16
_DEPTH = 60
#: Errors of derivatives above this come from differences: they are absolute, not relative.
NUMERICAL = 1e-13
#: Kernels whose Gaussian still matters this many standard deviations out are taken to diverge.
_FARTHEST = 60.0


class Cells(NamedTuple):
    """Intervals in each of which sigma and its derivatives are polynomials, all but."""

    #: ascending, kinks and 0 among them: (C+1,)
    edges: Array
    #: how far around each cell what lies in it is analytic: (C,)
    analytic: Array
    #: of sigma in all the products to be integrated
    power: int


@lru_cache(maxsize=256)
def cells(activation: Activation, power: int, order: int, extent: float) -> Cells:
    """Cells over ``-extent .. extent`` for derivatives 0..order of sigma, and sigma^power."""
    kinks = [k for k in activation.kinks if abs(k) < extent]
    edges = np.unique([-extent, 0.0, *kinks, extent])
    smallest = max(extent, 1.0) * 1e-13
    for _ in range(_DEPTH):
        series, size = _series(activation, power, order, edges)
        rough = np.any(np.abs(series[..., -3:]).max(axis=-1) > _TOLERANCE * size, axis=0)
        rough |= _missed(activation, power, order, edges, series, size)
        rough &= np.diff(edges) > smallest
        if not rough.any():
            break
        middles = 0.5 * (edges[:-1] + edges[1:])[rough]
        edges = np.sort(np.concatenate([edges, middles]))
    series, size = _series(activation, power, order, edges)
    # powers of exponentials vary faster; poles stay where they are, but of higher order
    exponential = activation.polyexp is not None
    slower = power if exponential else 1.0 + 0.2 * (max(power, order + 1) - 1)
    measured = 0.5 * np.diff(edges) * _radius(series, size)
    return Cells(edges, np.maximum(measured, activation.scale / slower), power)


def _series(activation: Activation, power: int, order: int, edges: Array) -> tuple[Array, Array]:
    """Legendre coefficients in every cell, (rows, C, nodes), and what they are relative to."""
    middle, half = 0.5 * (edges[1:] + edges[:-1]), 0.5 * np.diff(edges)
    points, weights = legendre(_NODES)
    values = _rows(activation, middle[:, None] + half[:, None] * points, power, order)
    _check_finite(values, middle)
    basis = np.polynomial.legendre.legvander(points, _NODES - 1)
    # c_k = (2k+1)/2 int f P_k
    series = values @ (weights[:, None] * basis * (np.arange(_NODES) + 0.5))
    size = _largest_inwards(np.abs(values).max(axis=-1), np.abs(middle))
    for j in range(order + 1):
        noise = activation.derivative_error(j)
        if noise > NUMERICAL:
            # what cannot be told from noise is resolved as well as can be
            steps = activation.scale ** (np.arange(order + 1) - j)
            natural = (size[: order + 1] * steps[:, None]).max(axis=0)
            size[j] = np.maximum(size[j], 10.0 * noise / _TOLERANCE * natural)
    return series, size


def _radius(series: Array, size: Array) -> Array:
    """How far a cell is analytic, in half cells: coefficients fall like rho^(-k)."""
    relative = np.abs(series) / np.where(size > 0.0, size, 1.0)[..., None]
    left = np.maximum.accumulate(relative[..., ::-1], axis=-1)[..., ::-1].max(axis=0)
    # entire functions' fall ever faster: rho has to hold for the fewest nodes in use
    degrees = np.arange(_FEWEST, _NODES)
    rho = np.maximum(left[:, degrees], _UNSEEN) ** (-1.0 / degrees)
    # once below rounding there is nothing more to be seen
    rho[:, 1:][left[:, degrees[:-1]] <= _UNSEEN] = np.inf
    rho = rho.min(axis=1)
    return np.asarray(0.5 * (rho - 1.0 / rho))


def _missed(
    activation: Activation, power: int, order: int, edges: Array, series: Array, size: Array
) -> NDArray[np.bool_]:
    """Whether the series of a cell misses sigma at points where nothing was sampled yet."""
    probes = _probes(activation, edges)
    cell = np.clip(np.searchsorted(edges, probes) - 1, 0, edges.size - 2)
    low, high = edges[cell], edges[cell + 1]
    local = (2.0 * probes - low - high) / (high - low)
    basis = np.polynomial.legendre.legvander(local, _NODES - 1)
    guess = np.einsum("rck,ck->rc", series[:, cell], basis)
    wrong = np.abs(guess - _rows(activation, probes, power, order)) > 1e-4 * size[:, cell]
    missed = np.zeros(edges.size - 1, dtype=bool)
    missed[cell[wrong.any(axis=0)]] = True
    return missed


def _rows(activation: Activation, x: Array, power: int, order: int) -> Array:
    """Derivatives 0..order of sigma, and sigma^power where that does not overflow."""
    values = activation.derivatives(x, order)
    largest = np.abs(values[0]).max()
    power = power if power * np.log(max(float(largest), 1.0)) < 600.0 else 1
    return np.asarray(np.concatenate([values, values[:1] ** power]))


def _probes(activation: Activation, edges: Array) -> Array:
    """Points a step of the declared scale apart around the origin and the kinks."""
    steps = activation.scale * (np.arange(24) + 0.37)
    centres = np.array([0.0, *activation.kinks])
    probes = (centres[:, None] + np.concatenate([-steps, steps])).ravel()
    inside = (probes > edges[0]) & (probes < edges[-1])
    inside &= np.abs(probes[:, None] - centres).min(axis=1) > 0
    return np.asarray(np.append(probes[inside], 0.37 * edges[-1]))


def _largest_inwards(values: Array, distance: Array) -> Array:
    """For each cell the largest value among the cells no farther from the origin."""
    order = np.argsort(distance, kind="stable")
    largest = np.empty_like(values)
    largest[:, order] = np.maximum.accumulate(values[:, order], axis=1)
    return largest


def _check_finite(values: Array, x: Array) -> None:
    bad = ~np.isfinite(values).all(axis=(0, 2))
    if bad.any():
        raise ValueError(
            f"the activation and its derivatives must be finite where the Gaussian reaches; "
            f"not so near x = {x[bad][0]:.6g}"
        )


def advise(
    activation: Activation,
    mesh: Cells,
    width: float,
    resolution: Resolution,
    smoothing: float = 0.0,
    window: float = np.inf,
) -> Advice:
    """How to integrate what the cells were made for under a Gaussian of `width`.

    Parameters
    ----------
    smoothing
        Width of a Gaussian that sigma has been smoothed by already; its kinks are then left to
        :class:`Cores`.
    window
        How far from the origin to look, at most.

    Notes
    -----
    Where sigma is analytic far enough around the longest panels there are no breaks but kinks;
    else breaks between the cells, or shorter panels throughout, whichever makes fewer.
    """
    edges = mesh.edges
    kinks = np.array([edge in activation.kinks for edge in edges[1:-1].tolist()], dtype=bool)
    analytic = np.maximum(mesh.analytic, resolution.around_panel * smoothing)
    near = np.minimum(analytic[:-1], analytic[1:])
    soft = ~kinks & (near < resolution.around_panel * width)
    hard = edges[1:-1][kinks] if smoothing == 0.0 else np.empty(0)
    closest = float(analytic[(edges[1:] > -window) & (edges[:-1] < window)].min())
    clear = closest / width
    if not soft.any():
        growth = mesh.power * _growth(activation, _octave(width), _octave(closest))
        return Advice(hard, resolution.length, resolution.tail, clear, growth, True)
    breaks = _thin(edges[1:-1][soft], resolution.length * smoothing)
    shorter = resolution.length * clear / resolution.around_panel
    window = min(window, float(edges[-1]))
    by_breaks = (np.abs(breaks) < window).sum() + 2.0 * window / (resolution.length * width)
    if 2.0 * window / (shorter * width) <= by_breaks:
        return Advice(hard, min(shorter, resolution.length), resolution.tail, 0.0, 0.0, True)
    edges = np.sort(np.append(breaks, hard))
    return Advice(edges, resolution.length, resolution.tail, 0.0, 0.0, False)


def _octave(x: float) -> int:
    return int(np.ceil(np.log2(x)))


@lru_cache(maxsize=1024)
def _growth(activation: Activation, near: int, far: int) -> float:
    """``log`` of how much larger sigma gets out to 2^far than it is around 2^near."""
    z = np.array([-1.5, -1.0, -0.5, 0.5, 1.0, 1.5])
    with np.errstate(over="ignore"):
        here = np.abs(activation(2.0**near * z)).mean()
        there = np.abs(activation(2.0**far * np.linspace(-1.0, 1.0, 9))).max()
    return float(np.log(there / here)) if here > 0.0 and there < np.inf else np.inf


def _thin(edges: Array, spacing: float) -> Array:
    """Leave out edges so that cells of at most `spacing` are joined up to that length."""
    if edges.size < 3 or spacing == 0.0:
        return edges
    kept = [float(edges[0])]
    for low, high in zip(edges[:-1].tolist(), edges[1:].tolist(), strict=True):
        if low > kept[-1] and high - kept[-1] > spacing:
            kept.append(low)
    kept.append(float(edges[-1]))
    return np.array(kept)


def span(
    activation: Activation, power: int, order: int, deviation: float, tail: float = 9.0
) -> float:
    """How many standard deviations of a Gaussian of width `deviation` matter.

    For integrands that grow no faster than ``|sigma^(j)|^power``, ``j <= order``; what is left
    out is as small as a Gaussian `tail` standard deviations out.

    Raises
    ------
    ValueError
        if they do not decay: the moments diverge.
    """
    # rounded upwards so that neighbouring kernels share one search
    step = float(np.ceil(2.0 * np.log2(deviation)))
    found = _span(activation, power, order, 2.0 ** (step / 2.0), tail)
    if found is None:
        found = _span(activation, power, order, deviation, tail)
    if found is None:
        raise ValueError(
            f"the Gaussian moments of activation {activation.name!r} diverge at this kernel: "
            f"its power {power} outgrows a Gaussian of variance {deviation**2:.6g}"
        )
    return found


@lru_cache(maxsize=1024)
def _span(
    activation: Activation, power: int, order: int, deviation: float, tail: float
) -> float | None:
    z = np.arange(0.125, _FARTHEST, 0.25)
    z = np.concatenate([-z[::-1], z])
    with np.errstate(over="ignore", invalid="ignore", divide="ignore"):
        values = np.abs(activation.derivatives(deviation * z, order))
    known = np.all(np.isfinite(values), axis=0)
    z, values = z[known], values[:, known]
    weight = np.exp(-0.5 * z * z)
    # overflowing squares far out must not hide how fast the rest grows
    near = np.abs(z) < 4.0
    typical = np.sqrt((values[:, near] ** 2 * weight[near]).sum(axis=1) / weight.sum())
    typical = np.where(typical > 0.0, typical, values.max(axis=1))
    with np.errstate(divide="ignore", invalid="ignore"):
        growth = np.log(values / typical[:, None])
    growth = np.where(np.isnan(growth), 0.0, growth)
    log = power * np.maximum(growth.max(axis=0), 0.0) - 0.5 * z * z
    matters = np.abs(z[log > log.max() - 0.5 * tail**2 - 3.5])
    farthest = float(matters.max()) + 0.25
    return farthest if farthest < float(np.abs(z).max()) - 0.5 else None
