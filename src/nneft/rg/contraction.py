"""The step of the recursion by Feynman diagrams, for all components and any order in 1/n.

With ``delta = G^(l-1) - K_0`` the law of total cumulance gives the cumulants of ``G^(l)`` as the
sum over all connected diagrams of blobs ``F(m, r)`` and vertices, the cumulants of delta::

    kappa_k,q(A_1 .. A_k) = Sym  sum_diagrams  multiplicity * S'
                            * sum_{C_1, C_2, ..} prod_blobs F(m, r) prod_vertices kappa_k',q'

in powers of ``eps = 1/n_{l-1}``: the coefficient of ``eps^(k-1+q)``. S' is the symmetry factor
without the 1/2 of each double line, which derivatives by unordered entries hold; every C runs over
the unordered pairs of inputs. At leading order these are BCCZ (25)-(27), (A.25)-(A.27), at the
next one (A.19)-(A.22).
"""

from collections.abc import Callable, Iterator, Mapping
from functools import lru_cache
from itertools import combinations_with_replacement
from math import prod

import numpy as np
from numpy.typing import NDArray

from nneft.errors import NumericsError
from nneft.gaussian.base import Array
from nneft.rg.contraction_plan import (
    BlobKind,
    Term,
    VertexKind,
    bytes_needed,
    diagram_count,
    monomials,
    needed,
    outputs,
    terms,
)

__all__ = ["bytes_needed", "contracted", "contracted_bound", "diagram_count", "needed", "outputs"]

#: ``F(m, r)``: shape ``(count,) * (m + r)``.
Tensors = Callable[[int, int], Array]
Cumulants = Mapping[VertexKind, Array]

#: Rounding of a sum of products, in units of the machine's and of the sum of absolute values.
ROUNDING = 16.0 * float(np.finfo(float).eps)


def contracted(
    tensors: Tensors, below: Cumulants, order: int, count: int
) -> dict[VertexKind, Array]:
    """The cumulants of a layer's kernel from those of the layer below.

    Parameters
    ----------
    tensors
        ``tensors(m, r)`` of shape ``(count,) * (m + r)``: the joint cumulant of m entries' summands
        ``C_b [m=1] + C_W s_A`` at the mean kernel of infinite width, differentiated by r unordered
        entries of the kernel; symmetric in its first m and in its last r axes. Asked for once
        each, and only where a diagram needs it: not for derivatives that only multiply vertices
        that vanish.
    below
        ``(k, q)`` to the coefficient of ``eps^(k-1+q)``, ``eps = 1/n_{l-1}``, in the joint
        cumulant of k entries of ``G^(l-1)``: symmetric, of shape ``(count,) * k``; ``(1, q)`` from
        q = 1 on is K_q. Empty where ``G^(l-1)`` does not fluctuate.
    order
        P, the highest power of ``eps``.
    count
        Number of unordered pairs of inputs.

    Returns
    -------
    dict
        As `below`: ``(1, q)`` for q = 0..P, where (1, 0) is ``K_0``, and ``(k, q)`` for
        k = 2..P+1 and q = 0..P+1-k. Exactly symmetric.

    Raises
    ------
    ValueError
        Tensors or cumulants of other shapes, or some that are missing.
    nneft.NumericsError
        A sum that overflows, or what came was not finite.
    """
    _check(below, order, count)
    known = _Known(tensors, below, count)
    # What overflows is told by name, not by a warning.
    with np.errstate(over="ignore", invalid="ignore", under="ignore"):
        found = {(k, q): _cumulant(known, k, q) for k, q in outputs(order)}
    for (k, q), value in found.items():
        if not np.all(np.isfinite(value)):
            raise NumericsError(
                f"the diagrams of the {2 * k}-point correlator at order {q} in 1/n overflow "
                "double precision, or are made of something that is not finite"
            )
    return found


def contracted_bound(
    tensors: Tensors,
    below: Cumulants,
    tensor_errors: Tensors,
    below_errors: Cumulants,
    order: int,
    count: int,
) -> dict[VertexKind, Array]:
    """Bounds on the absolute errors of `contracted`, from those of what goes into it.

    To first order, one factor of each product uncertain at a time, all with the same sign, and
    the rounding of the sums themselves. Costs twice as much as the values, and asks twice for each
    tensor.

    Parameters
    ----------
    tensors, below, order, count
        As of `contracted`.
    tensor_errors, below_errors
        Bounds on the absolute errors of either, of the same shapes.

    Returns
    -------
    dict
        Of the shapes of what `contracted` returns.

    Raises
    ------
    ValueError, nneft.NumericsError
        As `contracted`.
    """
    _check(below, order, count)
    _check(below_errors, order, count)
    if bool(below) != bool(below_errors):
        raise ValueError("cumulants below and their errors must both be given, or both be empty")
    sizes = {key: np.abs(below[key]) for key in outputs(order)[1:] if below}
    ratios = [_ratio(below_errors[key], size) for key, size in sizes.items()]

    def error_of(m: int, r: int) -> Array:
        error = np.asarray(tensor_errors(m, r), dtype=float)
        _check_shape(f"tensor_errors({m}, {r})", error, m + r, count)
        return error

    def absolute(m: int, r: int) -> Array:
        size: Array = np.abs(tensors(m, r))
        ratios.append(_ratio(error_of(m, r), size))
        return size

    base = contracted(absolute, sizes, order, count)
    # A sum f of products of |x| and its derivatives only grow with |x|: along the errors e,
    # (f(|x| + t e) - f(|x|)) / t is never less than the derivative of f. As large a t as keeps
    # the next order small, for rounding's sake.
    t = max(1.0, 2.0**-20 / max(2.0**-40, *ratios))

    def moved(m: int, r: int) -> Array:
        size: Array = np.abs(tensors(m, r))
        size += t * error_of(m, r)
        return size

    errors = {key: size + t * below_errors[key] for key, size in sizes.items()}
    following = contracted(moved, errors, order, count)
    return {
        key: np.maximum(following[key] - size, 0.0) / t + ROUNDING * size
        for key, size in base.items()
    }


class _Known:
    """The tensors of one step, each found once, when a diagram first needs it."""

    def __init__(self, tensors: Tensors, below: Cumulants, count: int) -> None:
        self._tensors, self._below, self.count = tensors, below, count
        self._blobs: dict[BlobKind, Array | None] = {}
        self._alive = frozenset(key for key, value in below.items() if np.any(value))

    def operands(self, term: Term) -> list[Array] | None:
        """The tensors of a term; None where one of them vanishes."""
        if not self._alive.issuperset(term.vertices):
            return None
        found = []
        for kind in term.blobs:
            tensor = self._blob(kind)
            if tensor is None:
                return None
            found.append(tensor)
        return found + [self._below[kind] for kind in term.vertices]

    def _blob(self, kind: BlobKind) -> Array | None:
        if kind not in self._blobs:
            tensor = np.asarray(self._tensors(*kind), dtype=float)
            _check_shape(f"tensors{kind}", tensor, sum(kind), self.count)
            self._blobs[kind] = tensor if np.any(tensor) else None
        return self._blobs[kind]


def _cumulant(known: _Known, k: int, q: int) -> Array:
    if known.count == 1:
        return np.full((1,) * k, sum(_products(known, monomials(k, q))))
    total = np.zeros((known.count,) * k)
    for term in terms(k, q):
        operands = known.operands(term)
        if operands is not None:
            total += term.weight * _contract(operands, term)
    return _symmetrised(total)


def _products(known: _Known, found: tuple[Term, ...]) -> Iterator[float]:
    """One input: every tensor is a number."""
    for term in found:
        operands = known.operands(term)
        if operands is not None:
            yield term.weight * prod(operand.item() for operand in operands)


def _contract(operands: list[Array], term: Term) -> Array:
    held: dict[int, Array] = dict(enumerate(operands))
    for place, step in enumerate(term.steps, start=len(operands)):
        held[place] = np.tensordot(held.pop(step.left), held.pop(step.right), step.axes)
    (result,) = held.values()
    return result


def _symmetrised(total: Array) -> Array:
    """The mean over all orders of the indices; multiplicity counts those that differ."""
    group, sizes = _multisets(len(total), total.ndim)
    mean = np.bincount(group, weights=total.ravel()) / sizes
    return mean[group].reshape(total.shape)


@lru_cache(maxsize=32)
def _multisets(count: int, k: int) -> tuple[NDArray[np.intp], NDArray[np.intp]]:
    """Number of the sorted multiset of each k indices, in C order, and how many have it."""
    ordered = np.sort(np.indices((count,) * k).reshape(k, -1), axis=0)
    keys = np.ravel_multi_index(tuple(ordered), (count,) * k)
    wanted = np.array(list(combinations_with_replacement(range(count), k)))
    places = np.ravel_multi_index(tuple(wanted.T), (count,) * k)
    group = np.searchsorted(places, keys)
    return group, np.bincount(group)


def _ratio(error: Array, size: Array) -> float:
    """The largest error over the largest entry; none of a tensor that vanishes."""
    largest = float(np.max(size))
    return float(np.max(error)) / largest if largest > 0.0 else 0.0


def _check(below: Cumulants, order: int, count: int) -> None:
    if order < 0 or count < 1:
        raise ValueError(
            f"order must be 0 or more and count 1 or more, got order {order} and count {count}"
        )
    if not below:
        return
    for key in outputs(order)[1:]:
        if key not in below:
            raise ValueError(
                f"order {order} needs the cumulant {key} of the layer below, got only "
                f"{sorted(below)}; give none at all where it does not fluctuate"
            )
        _check_shape(f"below[{key}]", below[key], key[0], count)


def _check_shape(name: str, array: Array, rank: int, count: int) -> None:
    if array.shape != (count,) * rank:
        raise ValueError(f"{name} must have shape {(count,) * rank}, got {array.shape}")
