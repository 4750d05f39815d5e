"""From an expression in ``x`` to an activation with all that is known of it."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

import numpy as np

from nneft.activations import values
from nneft.activations.base import Activation
from nneft.activations.builder import Builder
from nneft.activations.facts import as_polyexp, is_entire, measured_scale, parity_of, slopes_of
from nneft.activations.nodes import Node, evaluate
from nneft.activations.pieces import check_finite, cut
from nneft.activations.structure import AnalyticPiece, Structure
from nneft.activations.syntax import parse
from nneft.activations.taylor import FUNCTIONS, power

__all__ = ["from_expression", "structure_of", "values_of"]

#: Two pieces whose derivatives agree to this order, and this well, are one.
SMOOTH_ORDER = 16
_TAYLOR: Mapping[str, Callable[..., Any]] = {**FUNCTIONS, "power": power}


def from_expression(text: str) -> Activation:
    """The activation written as ``text``.

    Raises
    ------
    ValueError
        if it cannot be read (a caret points at the character), or if it is not finite on the
        whole real axis, naming where.
    """
    builder = Builder()
    root = parse(text, builder)
    try:
        structure = structure_of(root, builder)
    except ValueError as error:
        raise ValueError(f"the activation {text!r} cannot be used: {error}") from None
    return Activation._known(text.strip(), values_of(root), structure)


def structure_of(root: Node, builder: Builder, scale: float | None = None) -> Structure:
    """Kinks, pieces, parity, homogeneity, closed forms and scale of a formula."""
    kinks, pieces = cut(root, builder)
    check_finite(kinks, pieces, root)
    bare = Structure(kinks, tuple(_piece(p) for p in pieces), 1.0)
    kept = _true_kinks(bare)
    kinks = tuple(kinks[i] for i in kept)
    pieces = [*(pieces[i] for i in kept), pieces[-1]]
    bare = Structure(kinks, tuple(_piece(p) for p in pieces), 1.0)
    if scale is None:
        scale = measured_scale(bare, all(is_entire(p) for p in pieces))
    polyexp = as_polyexp(pieces[0]) if not kinks else None
    return Structure(
        kinks=kinks,
        pieces=bare.pieces,
        scale=scale,
        parity=parity_of(bare),
        slopes=slopes_of(kinks, pieces),
        polyexp=polyexp,
        polynomial=polyexp.as_polynomial() if polyexp else None,
    )


def _piece(node: Node) -> AnalyticPiece:
    return AnalyticPiece(lambda x: evaluate(node, x, _TAYLOR))


def _true_kinks(structure: Structure) -> list[int]:
    """Which kinks are: some derivative jumps there."""
    kinks = np.array(structure.kinks)
    right, left = (structure.derivatives(kinks, SMOOTH_ORDER, side) for side in (1, -1))
    if not np.all(np.isfinite(right) & np.isfinite(left)):
        bad = kinks[~np.all(np.isfinite(right) & np.isfinite(left), axis=0)][0]
        raise ValueError(f"its derivatives are not finite at the kink x = {bad:.6g}")
    size = np.maximum.accumulate(np.abs(right) + np.abs(left), axis=0)
    return [int(i) for i in np.flatnonzero(np.any(np.abs(right - left) > 1e-12 * size, axis=0))]


def values_of(root: Node) -> Callable[[Any, Any], Any]:
    """The formula as a function of an array and its namespace."""

    def call(x: Any, xp: Any) -> Any:
        if xp is np:
            with np.errstate(all="ignore"):
                out = evaluate(root, x, values.algebra(np))
        else:
            out = evaluate(root, x, values.algebra(xp))
        return xp.full_like(x, out) if isinstance(out, float) else out

    return call
