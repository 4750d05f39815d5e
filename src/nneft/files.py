"""Reading results back, whichever kind they are."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from nneft import storage
from nneft.comparison import Comparison
from nneft.ensemble import Ensemble, NeuronEnsemble
from nneft.rg.flow import Flow

if TYPE_CHECKING:
    import xarray as xr

#: What `nneft.phase_diagram` calls its datasets, and what each of them holds.
PHASES = "phase diagram"
_HELD = ("phase", "kernel", "fixed_points", "correlation", "edge_kernel", "edge_C_W", "edge_C_b")


def save_phase_diagram(data: xr.Dataset, path: str | Path) -> None:
    """Write what `nneft.phase_diagram` returned as netCDF; `load` reads it back.

    Raises
    ------
    ValueError
        The path cannot be written to, or the dataset is none of `nneft.phase_diagram`.
    """
    if data.attrs.get("kind") != PHASES:
        raise ValueError(f"wanted a dataset of nneft.phase_diagram, got {data.attrs.get('kind')!r}")
    storage.save(data, path)


def load(path: str | Path) -> Flow | Ensemble | NeuronEnsemble | Comparison | xr.Dataset:
    """Read a result from the netCDF file it was saved to.

    Returns
    -------
    Flow, Ensemble, NeuronEnsemble, Comparison or xarray.Dataset
        The last a phase diagram as `nneft.phase_diagram` returned it.

    Raises
    ------
    ValueError
        No such file, one that nneft did not write, or one whose activation was a callable.
    """
    from nneft import comparison
    from nneft.ensemble import dataset as ensembles
    from nneft.ensemble import neurons
    from nneft.rg import storage as flows

    dataset = storage.open_dataset(path)
    kind = dataset.attrs.get("kind")
    try:
        if kind == flows.KIND:
            return flows.from_xarray(dataset)
        if kind == ensembles.KIND:
            return ensembles.from_xarray(dataset)
        if kind == neurons.KIND:
            return NeuronEnsemble.from_xarray(dataset)
        if kind == comparison.KIND:
            return Comparison.from_xarray(dataset)
        if kind == PHASES:
            return _phase_diagram(dataset)
    except KeyError as missing:
        raise ValueError(f"{path} is not whole: {missing.args[0]}") from missing
    raise ValueError(
        f"{path} holds neither a flow, an ensemble, a comparison nor a phase diagram, but {kind!r}"
    )


def _phase_diagram(dataset: xr.Dataset) -> xr.Dataset:
    for name in _HELD:
        dataset[name]
    values = dataset.phase.attrs["flag_values"]  # the file holds an array for the list
    dataset.phase.attrs["flag_values"] = [int(value) for value in values]
    return dataset
