"""Theory against ensemble, component by component, in standard errors."""

from __future__ import annotations

from dataclasses import dataclass, fields, replace
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from nneft._version import __version__
from nneft.conventions import pairs
from nneft.ensemble import Ensemble, Estimate
from nneft.ensemble.estimate import written

if TYPE_CHECKING:
    import xarray

    from nneft.rg.flow import Flow

__all__ = ["Comparison", "Row", "compare"]

Array = NDArray[np.float64]
Integers = NDArray[np.int64]

#: Rounding of a component relative to its size: no difference is measured better than that.
ROUNDING = 1e-13
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
    """Theory against ensemble for every component of ``<G>`` and ``V_4``, layers 2..L.

    Layer 1 is not random and the same in both. The columns are arrays with one entry a row.

    Attributes
    ----------
    quantity
        ``"<G>"`` or ``"V_4"``.
    layer
        From 2.
    inputs
        (rows, 4): the component's inputs; the last two are -1 for ``<G>``.
    theory
        The flow's value, summed over the orders held at the network's own widths.
    measured, error
        The ensemble's estimate and its standard error.
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
        """Row by row: ``<G>``, then ``V_4``, each by layer and component."""
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
        """The columns over ``row``, and the summary as attributes."""
        import xarray

        columns = {f.name: getattr(self, f.name) for f in fields(self)} | {"pull": self.pull}
        variables: dict[str, Any] = {
            name: (("row", "position")[: column.ndim], column)
            for name, column in columns.items()
            if np.ndim(column)
        }
        summary = ("networks", "order", "max_pull", "chi2", "max_unexplained")
        attributes = {name: getattr(self, name) for name in summary}
        made = {"kind": "comparison", "nneft_version": __version__}
        return xarray.Dataset(variables, attrs=made | attributes)


def compare(flow: Flow, ensemble: Ensemble) -> Comparison:
    """Compare every component of ``<G>``, and of ``V_4`` where both hold it.

    The order neglected is judged by the coupling of the layer below, whose fluctuations make it,
    ``g = max_a V_4(aa;aa) / (n K_0(aa)^2)`` there: it is ``sqrt(K_aa K_bb) g^(order+1)`` for
    ``<G>_ab`` and ``sqrt(V_AA V_BB) g^order`` for ``V_4(A;B)``, sizes that do not cross zero. At
    layer 2 there is none: the first layer's kernel does not fluctuate.

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
    measured = ensemble.kernel
    K_size = _size(np.einsum("laa->la", flow.K(0)))
    a, b = np.array(pairs(K_size.shape[1])).T
    g = _coupling(flow, measured)[:, None]
    held = [
        _columns(
            "<G>",
            np.stack([a, b], axis=1),
            flow.mean()[:, a, b],
            measured[:, a, b],
            K_size[:, a] * K_size[:, b],
            g ** (flow.order + 1),
        )
    ]
    if flow.order >= 1 and ensemble.moments.co is not None:
        below = np.array(flow.network.widths[:-1], dtype=np.float64)[:, None, None]
        covariance, v4 = flow.cumulant(4), ensemble.V(4)
        V_size = _size(below[:, 0] * covariance[:, a, b, a, b])
        A, B = np.array(pairs(len(a))).T
        at = (slice(None), a[A], b[A], a[B], b[B])
        held.append(
            _columns(
                "V_4",
                np.stack(at[1:], axis=1),
                below[:, 0] * covariance[at],
                v4[at],
                V_size[:, A] * V_size[:, B],
                g**flow.order,
            )
        )
    columns = {name: np.concatenate([part[name] for part in held]) for name in held[0]}
    return Comparison(**columns, networks=ensemble.networks, order=flow.order)


def _columns(
    quantity: str, inputs: Integers, theory: Array, measured: Estimate, size: Array, small: Array
) -> dict[str, Any]:
    """The rows of one quantity: arrays (L, components), layer 1 left out, flattened."""
    depth, count = theory.shape
    where = np.full((count, 4), -1)
    where[:, : inputs.shape[1]] = inputs
    return {
        "quantity": np.full((depth - 1) * count, quantity),
        "layer": np.repeat(np.arange(2, depth + 1), count),
        "inputs": np.tile(where, (depth - 1, 1)),
        "theory": theory[1:].ravel(),
        "measured": measured.mean[1:].ravel(),
        "error": np.maximum(measured.error, ROUNDING * size)[1:].ravel(),
        "neglected": (size * small)[1:].ravel(),
    }


def _coupling(flow: Flow, measured: Estimate) -> Array:
    """(L,) ``max_a V_4(aa;aa) / (n K_0(aa)^2)`` of the layer below, 0 for the first.

    Measured where the flow holds no V_4.
    """
    K = np.einsum("laa->la", flow.K(0))
    if flow.order >= 1:
        below = np.array(flow.network.widths[:-1], dtype=np.float64)[:, None]
        variance = np.einsum("laaaa->la", flow.V(4)) / below
    else:
        variance = measured.count * np.einsum("laa->la", measured.error) ** 2
    # Divided twice: K^2 may underflow where the ratio does not.
    own: Array = _ratio(_ratio(variance, K), K).max(axis=1)
    return np.concatenate([[0.0], own[:-1]])


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
        text = ",".join(map(str, row.inputs[:2]))
        if len(row.inputs) == 4:
            text += ";" + ",".join(map(str, row.inputs[2:]))
        numbers = (f"{row.theory:.6g}", written(row.measured, row.error))
        small = (f"{row.pull:+.1f}", f"{row.neglected:.1g}")
        cells.append((row.quantity, str(row.layer), text, *numbers, *small))
    widths = [max(map(len, column)) for column in zip(*cells, strict=True)]
    return ["  ".join(map(str.rjust, line, widths)) for line in cells]
