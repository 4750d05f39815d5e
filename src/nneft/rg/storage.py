"""A flow as a labelled dataset, and back."""

import numpy as np
import xarray as xr

from nneft.conventions import pairs
from nneft.gaussian.base import Array
from nneft.rg.flow import Flow
from nneft.rg.holding import names
from nneft.rg.multisets import multisets
from nneft.rg.reduction import Reduction
from nneft.rg.state import LayerState
from nneft.storage import network_attributes, network_from

KIND = "flow"
#: Axes that HDF5 has at most; the correlator of 2 (P + 1) points has one more than points.
MOST_AXES = 32
HIGHEST_ORDER = (MOST_AXES - 3) // 2


def to_xarray(flow: Flow) -> xr.Dataset:
    """Dataset over ``layer`` and inputs ``x1, x2, ..`` with everything that the flow holds."""
    if flow.order > HIGHEST_ORDER:
        raise ValueError(
            f"a dataset holds flows up to order {HIGHEST_ORDER}, for files have {MOST_AXES} axes "
            f"at most; this one is of order {flow.order}: read it with K, V and errors"
        )
    axes = ("layer", *(f"x{i}" for i in range(1, 2 * flow.order + 3)))
    variables: dict[str, tuple[tuple[str, ...], Array, dict[str, str]]] = {}
    for name, k, order in names(flow.order):
        dimensions = axes[: 2 * k + 1]
        values = flow.K(order) if k == 1 else flow.V(2 * k, order)
        variables[name] = (dimensions, values, {"long_name": _label(k, order)})
        label = {"long_name": f"bound on the numerical error of {name}"}
        variables[f"error_{name}"] = (dimensions, flow.errors(name), label)
    variables["error"] = (("layer",), flow.error, {"long_name": "largest relative error bound"})
    count = len(flow.reduction.of)
    return xr.Dataset(
        variables,
        coords={"layer": np.arange(1, flow.network.depth + 1)}
        | {x: np.arange(count) for x in axes[1:]},
        attrs={
            "kind": KIND,
            "order": flow.order,
            "from_inputs": int(flow.from_inputs),
            **network_attributes(flow.network),
        },
    )


def from_xarray(dataset: xr.Dataset) -> Flow:
    """The flow that `to_xarray` wrote; every input counts as distinct in it."""
    order = int(dataset.attrs["order"])
    K_0 = dataset["K_0"].values
    count = K_0.shape[1]
    kernels = [[_sorted(dataset, f"{e}K_{p}", 1, count) for p in range(order + 1)] for e in _SIDES]
    correlators = [
        [
            [
                _sorted(dataset, f"{e}V_{2 * k}" + f"_{q}" * (q > 0), k, count)
                for q in range(order + 2 - k)
            ]
            for k in range(2, order + 2)
        ]
        for e in _SIDES
    ]
    states = []
    for i in range(len(K_0)):
        K, error_K = (np.stack([part[i] for part in side]) for side in kernels)
        V, error_V = (
            tuple(np.stack([part[i] for part in parts]) for parts in side) for side in correlators
        )
        states.append(LayerState(i + 1, K, V, error_K, error_V))
    return Flow(
        network=network_from(dataset.attrs),
        order=order,
        states=tuple(states),
        reduction=Reduction(K_0[0], np.arange(count), np.ones(count)),
        from_inputs=bool(dataset.attrs.get("from_inputs", 0)),
    )


#: Prefixes of values and of their error bounds.
_SIDES = ("", "error_")


def _sorted(dataset: xr.Dataset, name: str, k: int, count: int) -> Array:
    """(L, multisets) from the dense array."""
    listed = np.array(pairs(count))[multisets(count * (count + 1) // 2, k)]
    return np.asarray(dataset[name].values[:, *listed.reshape(-1, 2 * k).T], dtype=np.float64)


def _label(k: int, order: int) -> str:
    if k == 1:
        size = f"coefficient of n_{{l-1}}^-{order} in the mean kernel"
        return size if order else "mean kernel at infinite width"
    if (k, order) == (2, 0):
        return "n_{l-1} Cov(G_12, G_34) at leading order"
    correction = f", coefficient of its relative order n_{{l-1}}^-{order}" if order else ""
    return f"n_{{l-1}}^{k - 1} times the joint cumulant of {k} entries of G{correction}"
