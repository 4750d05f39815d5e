"""Theory against ensemble, component by component, in standard errors."""

from __future__ import annotations

import os
from dataclasses import dataclass, fields, replace
from math import comb, factorial
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from nneft._version import __version__
from nneft.conventions import pairs
from nneft.ensemble import Ensemble, Estimate
from nneft.ensemble.estimate import written
from nneft.ensemble.higher import distinct_components
from nneft.ensemble.places import multisets

if TYPE_CHECKING:
    import xarray

    from nneft.rg.flow import Flow

__all__ = ["Comparison", "Row", "compare"]

Array = NDArray[np.float64]
Integers = NDArray[np.int64]

#: Rounding of a component relative to its size: no difference is measured better than that.
ROUNDING = 1e-13
#: Components of V_6 or V_8 that are compared; of more, those of the first inputs alone.
MOST_COMPONENTS = 5000
#: Entries of a dense array up to which components are read off one.
DENSE = 2_000_000
KIND = "comparison"
#: Rows that a printed table shows before it keeps to the worst ones.
SHOWN = 24


class Row(NamedTuple):
    """One component: what the theory says, what the ensemble says, and how far apart they are."""

    quantity: str
    layer: int
    inputs: tuple[int, ...]
    theory: float
    measured: float
    error: float
    pull: float
    neglected: float


@dataclass(frozen=True, eq=False)
class Comparison:
    """Theory against ensemble for every component of ``<G>``, ``V_4`` .. ``V_8``, layers 2..L.

    Layer 1 is not random and the same in both. The columns are arrays with one entry a row.

    Attributes
    ----------
    quantity
        ``"<G>"``, ``"V_4"``, ``"V_6"`` or ``"V_8"``.
    layer
        From 2.
    inputs
        (rows, 4), more with ``V_6`` and ``V_8``: the component's inputs, -1 beyond the last.
    theory
        The flow's value, summed over the orders held at the network's own widths.
    measured, error
        The ensemble's estimate and its standard error, or the rounding of both sides where that
        is larger, as where a reduced ensemble has no other error.
    neglected
        Expected size of the first order in 1/n that the flow does not hold.
    networks, order
        What ``measured`` and ``theory`` come from.
    """

    quantity: NDArray[np.str_]
    layer: Integers
    inputs: Integers
    theory: Array
    measured: Array
    error: Array
    neglected: Array
    networks: int
    order: int

    @property
    def pull(self) -> Array:
        """``(measured - theory) / error``: standard normal where the theory is exact."""
        return _ratio(self.measured - self.theory, self.error)

    @property
    def max_pull(self) -> float:
        """Largest ``|pull|``."""
        return float(np.abs(self.pull).max(initial=0.0))

    @property
    def chi2(self) -> float:
        """Mean squared pull: about 1 where the theory is exact (components are correlated)."""
        return float(np.mean(self.pull**2)) if len(self.layer) else 0.0

    @property
    def max_unexplained(self) -> float:
        """Largest ``|measured - theory| / (error + neglected)``: a few, if these explain it all."""
        difference = np.abs(self.measured - self.theory)
        return float(_ratio(difference, self.error + self.neglected).max(initial=0.0))

    @property
    def rows(self) -> list[Row]:
        """Row by row: ``<G>``, then ``V_4`` and so on, each by layer and component."""
        numbers = (self.theory, self.measured, self.error, self.pull, self.neglected)
        inputs = [tuple(i for i in row if i >= 0) for row in self.inputs.tolist()]
        columns = (self.quantity.tolist(), self.layer.tolist(), inputs)
        return [Row(*row) for row in zip(*columns, *(n.tolist() for n in numbers), strict=True)]

    def where(self, *, quantity: str | None = None, layer: int | None = None) -> Comparison:
        """The rows of one quantity, of one layer, or of both."""
        keep = np.ones(len(self.layer), dtype=bool)
        if quantity is not None:
            keep &= self.quantity == quantity
        if layer is not None:
            keep &= self.layer == layer
        return self._only(np.flatnonzero(keep))

    def _only(self, rows: NDArray[np.intp]) -> Comparison:
        columns = {f.name: getattr(self, f.name) for f in fields(self)}
        return replace(self, **{k: v[rows] for k, v in columns.items() if np.ndim(v)})

    def __str__(self) -> str:
        shown, note = self, ""
        if len(self.layer) > SHOWN:
            worst = np.argsort(-np.abs(self.pull), kind="stable")[:SHOWN]
            shown = self._only(np.sort(worst))
            note = f"\nthe {SHOWN} largest pulls of {len(self.layer)} components"
        head = f"theory to order {self.order} in 1/n, {self.networks} networks{note}"
        foot = (
            f"largest |pull| {self.max_pull:.1f}, mean squared pull {self.chi2:.2f}; largest "
            f"|measured - theory| is {self.max_unexplained:.1f} (error + neglected)"
        )
        return "\n".join([head, *_table(shown.rows), foot])

    def to_xarray(self) -> xarray.Dataset:
        """The columns over ``row``, and the summary as attributes; `from_xarray` reads them."""
        import xarray

        columns = {f.name: getattr(self, f.name) for f in fields(self)} | {"pull": self.pull}
        variables: dict[str, Any] = {
            name: (("row", "position")[: column.ndim], column)
            for name, column in columns.items()
            if np.ndim(column)
        }
        summary = ("networks", "order", "max_pull", "chi2", "max_unexplained")
        attributes = {name: getattr(self, name) for name in summary}
        made = {"kind": KIND, "nneft_version": __version__}
        return xarray.Dataset(variables, attrs=made | attributes)

    @classmethod
    def from_xarray(cls, dataset: xarray.Dataset) -> Comparison:
        """The comparison that :meth:`to_xarray` wrote.

        Raises
        ------
        ValueError
            if the dataset is no comparison.
        """
        if dataset.attrs.get("kind") != KIND:
            raise ValueError(
                f"a dataset of kind {KIND!r} was wanted, got kind {dataset.attrs.get('kind')!r}"
            )
        counts = {name: int(dataset.attrs[name]) for name in ("networks", "order")}
        names = [f.name for f in fields(cls) if f.name not in counts]
        columns: dict[str, Any] = {name: np.array(dataset[name].values) for name in names}
        columns["quantity"] = columns["quantity"].astype(str)
        return cls(**columns | counts)

    def save(self, path: str | os.PathLike[str]) -> None:
        """Write one netCDF file, all or nothing; :func:`nneft.load` reads it back.

        Raises
        ------
        ValueError
            if the path cannot be written; nothing is left behind.
        """
        from nneft.storage import save

        save(self.to_xarray(), os.fspath(path))


def compare(flow: Flow, ensemble: Ensemble) -> Comparison:
    """Compare every component of ``<G>``, and of ``V_4``, ``V_6``, ``V_8`` where both hold them.

    Each distinct component once; of more than 5000 of ``V_6`` or ``V_8`` those of the first inputs
    alone. The order neglected is judged by the coupling of the layer below, whose fluctuations make
    it, ``g = max_a V_4(aa;aa) / (n K_0(aa)^2)`` there: it is ``sqrt(K_aa K_bb) g^(order+1)`` for
    ``<G>_ab``, ``sqrt(V_AA V_BB) g^order`` for ``V_4(A;B)``, and for ``V_2k`` in general
    ``(k!/2) sqrt(V_AA V_BB ..) u^(k/2-1) g^(order-k+2)``, u the same ratio times n of the layer
    itself: sizes that do not cross zero. At layer 2 there is none: the first layer's kernel does
    not fluctuate.

    Parameters
    ----------
    flow
        Theory, of any order.
    ensemble
        Of the same network and first kernel, two networks or more.

    Raises
    ------
    TypeError
        if they are not a flow and an ensemble.
    ValueError
        if the two are not of one network and one first kernel, saying what differs.
    """
    if not isinstance(ensemble, Ensemble) or isinstance(flow, Ensemble):
        raise TypeError(
            "compare wants a flow and an ensemble, in this order, got "
            f"{type(flow).__name__} and {type(ensemble).__name__}"
        )
    _check_same(flow, ensemble)
    a, b = np.array(pairs(len(ensemble.first_kernel))).T
    own, floor, order = _coupling(flow, ensemble), _floor(flow, ensemble), flow.order
    # Of the layer below, 0 for the first.
    g = np.concatenate([[0.0], own[:-1]])[:, None]
    n = np.array(flow.network.widths[:-1], dtype=np.float64)[:, None]
    K_size = _size(np.einsum("laa->la", flow.K(0)))
    size, mean = K_size[:, a] * K_size[:, b], flow.mean()[:, a, b]
    inputs = np.stack([a, b], axis=1)
    measured = ensemble.kernel[:, a, b]
    held = [_columns("<G>", inputs, mean, measured, size, size * g ** (order + 1), floor)]
    # (L, P): sqrt(V_4(A;A))
    V_size = _size(n * flow.cumulant(4)[:, a, b, a, b]) if order >= 1 else size
    for k in range(2, min(order + 1, ensemble.points // 2) + 1):
        used, components = _components(len(ensemble.first_kernel), k)
        inputs = np.stack([a, b], axis=1)[used][components].reshape(-1, 2 * k)
        theory = n ** (k - 1) * _theory(flow, inputs)
        measured = _measured(ensemble, k, used, inputs)
        # V_2k of a linear network: 3 u^2 K^3, 16 u^3 K^4 with u = V_4 / K^2.
        u = n * own[:, None]
        size = factorial(k) / 2 * V_size[:, used][:, components].prod(axis=-1) * u ** (k / 2 - 1)
        small = size * g ** (order - k + 2)
        held.append(_columns(f"V_{2 * k}", inputs, theory, measured, size, small, floor))
    widest = max(part["inputs"].shape[1] for part in held)
    for part in held:
        spare = (0, widest - part["inputs"].shape[1])
        part["inputs"] = np.pad(part["inputs"], ((0, 0), spare), constant_values=-1)
    columns = {name: np.concatenate([part[name] for part in held]) for name in held[0]}
    return Comparison(**columns, networks=ensemble.networks, order=order)


def _components(count: int, k: int) -> tuple[NDArray[np.intp], NDArray[np.intp]]:
    """Places of the pairs that are compared, and which k of them make a component, (M, k)."""
    some = count
    while k > 2 and some > 1 and comb(some * (some + 1) // 2 + k - 1, k) > MOST_COMPONENTS:
        some -= 1
    used = np.array([p for p, pair in enumerate(pairs(count)) if max(pair) < some])
    return used, multisets(len(used), k)


def _theory(flow: Flow, inputs: Integers) -> Array:
    """(L, M) the cumulants of G at these inputs, (M, 2k)."""
    points, first = inputs.shape[1], flow.K(0)
    if points == 4 or first.shape[1] ** points * len(first) <= DENSE:
        dense: Array = flow.cumulant(points)[(slice(None), *inputs.T)]
        return dense
    return np.stack([flow.cumulant(points, at=tuple(row)) for row in inputs.tolist()], axis=1)


def _measured(ensemble: Ensemble, k: int, used: NDArray[np.intp], inputs: Integers) -> Estimate:
    """(L, M) ``V_2k`` of the components of these pairs."""
    if k == 2 or ensemble.cumulants is None:
        return ensemble.V(4)[(slice(None), *inputs.T)]
    return distinct_components(ensemble.cumulants.of_components(used), ensemble.widths, k)


def _floor(flow: Flow, ensemble: Ensemble) -> Array:
    """(L, 1) what both sides are off by, relative to their sizes, by their arithmetic alone."""
    # Errors of conditional means add up from layer to layer.
    each = 0.0 if ensemble.reduction is None else ensemble.reduction.accuracy
    floor = np.maximum(ROUNDING, each * np.arange(len(flow.error)))
    return np.asarray(np.maximum(floor, flow.error))[:, None]


def _columns(
    quantity: str,
    inputs: Integers,
    theory: Array,
    measured: Estimate,
    size: Array,
    neglected: Array,
    floor: Array,
) -> dict[str, Any]:
    """The rows of one quantity: arrays (L, components), layer 1 left out, flattened."""
    depth, count = theory.shape
    where = np.full((count, max(4, inputs.shape[1])), -1)
    where[:, : inputs.shape[1]] = inputs
    return {
        "quantity": np.full((depth - 1) * count, quantity),
        "layer": np.repeat(np.arange(2, depth + 1), count),
        "inputs": np.tile(where, (depth - 1, 1)),
        "theory": theory[1:].ravel(),
        "measured": measured.mean[1:].ravel(),
        "error": np.maximum(measured.error, floor * size)[1:].ravel(),
        "neglected": neglected[1:].ravel(),
    }


def _coupling(flow: Flow, ensemble: Ensemble) -> Array:
    """(L,) ``max_a V_4(aa;aa) / (n K_0(aa)^2)``, measured where the flow holds no V_4."""
    K = np.einsum("laa->la", flow.K(0))
    if flow.order >= 1:
        below = np.array(flow.network.widths[:-1], dtype=np.float64)[:, None]
        variance = np.einsum("laaaa->la", flow.V(4)) / below
    else:
        spread = np.einsum("laa->la", ensemble.plain.kernel.error)
        variance = ensemble.networks * spread**2
    # Divided twice: K^2 may underflow where the ratio does not.
    own: Array = _ratio(_ratio(variance, K), K).max(axis=1)
    return own


def _check_same(flow: Flow, ensemble: Ensemble) -> None:
    net = flow.network
    theirs = {
        "widths": (net.widths, ensemble.widths),
        "activation": (net.activation.name, ensemble.activation),
        "C_W": (tuple(net.C_W.tolist()), ensemble.C_W),
        "C_b": (tuple(net.C_b.tolist()), ensemble.C_b),
        "number of inputs": (flow.K(0).shape[1], len(ensemble.first_kernel)),
    }
    for name, (one, other) in theirs.items():
        if one != other:
            raise ValueError(
                f"flow and ensemble must be of the same network and inputs, but their {name} "
                f"differ: {_short(one)} and {_short(other)}"
            )
    one, other = flow.K(0)[0], ensemble.first_kernel
    gap, size = np.abs(one - other), _size(np.diag(other))
    if np.any(gap > 1e-10 * size[:, None] * size):
        a, b = np.unravel_index(int(np.argmax(gap)), gap.shape)
        raise ValueError(
            "flow and ensemble must start from the same first kernel, but its entries "
            f"({a}, {b}) are {one[a, b]:.10g} and {other[a, b]:.10g}"
        )


def _size(variance: Array) -> Array:
    """Square roots; a variance that rounding made negative counts as none."""
    root: Array = np.sqrt(np.maximum(variance, 0.0))
    return root


def _ratio(numerator: Array, denominator: Array) -> Array:
    """``numerator / denominator``, 0 where the denominator is not positive."""
    positive = denominator > 0.0
    ratio: Array = np.where(positive, numerator, 0.0) / np.where(positive, denominator, 1.0)
    return ratio


def _short(value: object) -> str:
    text = str(value)
    return text if len(text) <= 60 else f"{text[:57]}..."


def _table(rows: list[Row]) -> list[str]:
    cells = [("quantity", "layer", "inputs", "theory", "measured", "pull", "neglected")]
    for row in rows:
        two_by_two = zip(row.inputs[::2], row.inputs[1::2], strict=True)
        text = ";".join(f"{a},{b}" for a, b in two_by_two)
        numbers = (f"{row.theory:.6g}", written(row.measured, row.error))
        small = (f"{row.pull:+.1f}", f"{row.neglected:.1g}")
        cells.append((row.quantity, str(row.layer), text, *numbers, *small))
    widths = [max(map(len, column)) for column in zip(*cells, strict=True)]
    return ["  ".join(map(str.rjust, line, widths)) for line in cells]
