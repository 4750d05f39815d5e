"""A flow as a labelled dataset, and back."""

import numpy as np
import xarray as xr

from nneft.conventions import pairs
from nneft.gaussian.base import Array
from nneft.rg.flow import Flow
from nneft.rg.reduction import Reduction
from nneft.rg.state import LayerState
from nneft.storage import network_attributes, network_from

KIND = "flow"
LABELS = {
    "K_0": "mean kernel at infinite width",
    "K_1": "coefficient of 1/n_{l-1} in the mean kernel",
    "V_4": "n_{l-1} Cov(G_12, G_34) at leading order",
}


def to_xarray(flow: Flow) -> xr.Dataset:
    """Dataset over ``layer`` and inputs ``x1 .. x4`` with everything that the flow holds."""
    axes = ("layer", "x1", "x2", "x3", "x4")
    held = {"K_0": flow.K(0)}
    if flow.order >= 1:
        held |= {"K_1": flow.K(1), "V_4": flow.V(4)}
    variables: dict[str, tuple[tuple[str, ...], Array, dict[str, str]]] = {}
    for name, values in held.items():
        dimensions = axes[: values.ndim]
        variables[name] = (dimensions, values, {"long_name": LABELS[name]})
        label = {"long_name": f"bound on the numerical error of {name}"}
        variables[f"error_{name}"] = (dimensions, flow.errors(name), label)
    variables["error"] = (("layer",), flow.error, {"long_name": "largest relative error bound"})
    count = len(flow.reduction.of)
    return xr.Dataset(
        variables,
        coords={"layer": np.arange(1, flow.network.depth + 1)}
        | {x: np.arange(count) for x in axes[1 : 5 if flow.order else 3]},
        attrs={"kind": KIND, "order": flow.order, **network_attributes(flow.network)},
    )


def from_xarray(dataset: xr.Dataset) -> Flow:
    """The flow that `to_xarray` wrote; every input counts as distinct in it."""
    order = int(dataset.attrs["order"])
    K_0 = dataset["K_0"].values
    count = K_0.shape[1]
    upper = np.triu_indices(count)
    a, b = np.array(pairs(count)).T
    states = []
    for i in range(len(K_0)):
        if order == 0:
            states.append(LayerState(i + 1, K_0[i], dataset["error_K_0"].values[i]))
            continue
        parts = [dataset[name].values[i] for name in ("K_1", "V_4", "error_K_1", "error_V_4")]
        K_1, e_K = (parts[j][upper] for j in (0, 2))
        V_4, e_V = (parts[j][a[:, None], b[:, None], a, b] for j in (1, 3))
        error = dataset["error_K_0"].values[i]
        states.append(LayerState(i + 1, K_0[i], error, K_1, V_4, e_K, e_V))
    return Flow(
        network=network_from(dataset.attrs),
        order=order,
        states=tuple(states),
        reduction=Reduction(K_0[0], np.arange(count), np.ones(count)),
    )
