"""The network: widths, activation, initialization, and the kernel of its first layer."""

from __future__ import annotations

import operator
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import Any, final

import numpy as np
from numpy.typing import ArrayLike, NDArray

from nneft.activations import Activation, resolve

__all__ = ["Network"]

FloatArray = NDArray[np.float64]

#: What a kernel may miss symmetry or positivity by, relative to its size, per input.
ROUNDING = 1e-12


@final
@dataclass(frozen=True, init=False, eq=False)
class Network:
    """A fully connected network, drawn at random (BCCZ 1).

    Parameters
    ----------
    widths
        ``n_0, n_1, .., n_L``: the inputs' dimension, then the width of every layer.
    activation
        A name (``"tanh"``), an expression in ``x`` (``"x*sigmoid(1.702*x)"``), an
        :class:`~nneft.activations.Activation`, or a callable on arrays.
    C_W, C_b
        ``W^(l)_ij ~ N(0, C_W^(l)/n_{l-1})``, ``b^(l)_i ~ N(0, C_b^(l))``: a number, or one for
        each of the layers ``1..L``.

    Attributes
    ----------
    widths
        tuple of ``L + 1`` ints.
    activation
        :class:`~nneft.activations.Activation`.
    C_W, C_b
        (L,) float64, read-only; index 0 is layer 1.
    depth
        ``L``.

    Raises
    ------
    ValueError, TypeError
        for widths that are not positive integers, fewer than two of them, negative or non-finite
        ``C_W`` or ``C_b`` or a wrong number of them, an unknown activation.
    """

    widths: tuple[int, ...]
    activation: Activation
    C_W: FloatArray
    C_b: FloatArray

    def __init__(
        self,
        widths: Iterable[int],
        activation: str | Activation | Callable[[Any], Any],
        C_W: ArrayLike,
        C_b: ArrayLike = 0.0,
    ) -> None:
        sizes = _positive_integers(widths)
        depth = len(sizes) - 1
        object.__setattr__(self, "widths", sizes)
        object.__setattr__(self, "activation", resolve(activation))
        object.__setattr__(self, "C_W", _per_layer("C_W", C_W, depth))
        object.__setattr__(self, "C_b", _per_layer("C_b", C_b, depth))

    @property
    def depth(self) -> int:
        """Number of layers, ``L``."""
        return len(self.widths) - 1

    def first_kernel(
        self, inputs: ArrayLike | None = None, kernel: ArrayLike | None = None
    ) -> FloatArray:
        """``G^(1)``, from the inputs or given as it is.

        Parameters
        ----------
        inputs
            (N, n_0), or (n_0,) for one input.
        kernel
            (N, N), the kernel of the first layer itself, or a number for one input.

        Returns
        -------
        (N, N) float64, exactly symmetric: ``C_b + C_W x_a.x_b / n_0`` (BCCZ 3).

        Raises
        ------
        ValueError
            unless exactly one of the two is given, with the right shape, at least one input,
            finite entries, and for a kernel symmetric and positive semi-definite to rounding.
        """
        if (inputs is None) == (kernel is None):
            came = "neither" if inputs is None else "both"
            raise ValueError(f"give either inputs= or kernel= (the first layer's), got {came}")
        if inputs is None:
            return _checked_kernel(_real("kernel", kernel))
        x = _checked_inputs(_real("inputs", inputs), self.widths[0])
        # BCCZ (3): G^(1)_ab = C_b + C_W x_a.x_b / n_0
        with np.errstate(over="ignore", invalid="ignore"):
            g = _symmetrised(self.C_b[0] + self.C_W[0] * (x @ x.T) / self.widths[0])
        if not np.all(np.isfinite(g)):
            raise ValueError(
                "the first kernel overflows double precision: the inputs are too large; scale them"
            )
        return g


def _positive_integers(widths: Iterable[int]) -> tuple[int, ...]:
    try:
        sizes = [_positive_integer(n) for n in widths]
    except TypeError:
        raise TypeError(
            f"widths must be a sequence of positive integers n_0, n_1, .., n_L, got {widths!r}"
        ) from None
    if len(sizes) < 2:
        raise ValueError(
            f"widths must hold the inputs' dimension and at least one layer, got {tuple(sizes)}; "
            "for example (2, 300, 300)"
        )
    return tuple(sizes)


def _positive_integer(n: object) -> int:
    wrong = ValueError(f"each width must be a positive integer, got {n!r}")
    if isinstance(n, bool | np.bool_):
        raise wrong
    try:
        size = operator.index(n)  # type: ignore[arg-type]
    except TypeError:
        raise wrong from None
    if size < 1:
        raise wrong
    return size


def _real(name: str, value: object) -> FloatArray:
    try:
        array = np.array(value)
        if array.dtype.kind not in "fiu":
            raise TypeError
        return array.astype(np.float64)
    except (TypeError, ValueError):
        raise ValueError(f"{name} must be real numbers, got {_short(value)}") from None


def _short(value: object) -> str:
    text = repr(value)
    return text if len(text) <= 80 else f"{text[:77]}..."


def _per_layer(name: str, value: ArrayLike, depth: int) -> FloatArray:
    array = _real(name, value)
    if array.shape not in ((), (depth,)):
        raise ValueError(
            f"{name} must be one number or one for each of the {depth} layers, "
            f"got an array of shape {array.shape}"
        )
    if not np.all(np.isfinite(array)) or np.any(array < 0):
        raise ValueError(
            f"{name} is a variance and must be finite and not negative, got {_short(value)}"
        )
    layers: FloatArray = np.array(np.broadcast_to(array, (depth,)))
    layers.flags.writeable = False
    return layers


def _checked_inputs(x: FloatArray, dimension: int) -> FloatArray:
    if x.ndim == 1:
        x = x[np.newaxis]
    if x.ndim != 2 or x.shape[1] != dimension:
        raise ValueError(
            f"inputs must have shape (N, {dimension}), one row for each input, the first of the "
            f"widths being {dimension}; got shape {x.shape}"
        )
    if x.shape[0] == 0:
        raise ValueError("inputs must hold at least one input, got none")
    bad = ~np.isfinite(x).all(axis=1)
    if np.any(bad):
        raise ValueError(f"inputs must be finite, but input {int(np.argmax(bad))} has NaN or inf")
    return x


def _symmetrised(g: FloatArray) -> FloatArray:
    half: FloatArray = 0.5 * (g + g.T)
    return half


def _checked_kernel(g: FloatArray) -> FloatArray:
    if g.ndim == 0:
        g = g.reshape(1, 1)
    if g.ndim != 2 or g.shape[0] != g.shape[1] or g.shape[0] == 0:
        raise ValueError(
            f"kernel must be square, (N, N) with N the number of inputs, got shape {g.shape}"
        )
    if not np.all(np.isfinite(g)):
        a, b = np.argwhere(~np.isfinite(g))[0]
        raise ValueError(f"kernel must be finite, but its entry ({a}, {b}) is {g[a, b]}")
    tolerance = ROUNDING * g.shape[0] * float(np.abs(g).max())
    gap = np.abs(g - g.T)
    if gap.max() > tolerance:
        a, b = np.unravel_index(int(np.argmax(gap)), g.shape)
        raise ValueError(
            f"kernel must be symmetric, but its entries ({a}, {b}) and ({b}, {a}) are "
            f"{g[a, b]:.6g} and {g[b, a]:.6g}; use (K + K.T)/2 if that is meant"
        )
    g = _symmetrised(g)
    least = float(np.linalg.eigvalsh(g)[0])
    if least < -tolerance:
        raise ValueError(
            "kernel must be positive semi-definite (a covariance), but its most negative "
            f"eigenvalue is {least:.6g}; for example K = C_b + C_W X @ X.T / n_0"
        )
    return g
