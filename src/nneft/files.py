"""Reading results back, whichever kind they are."""

from pathlib import Path

from nneft import storage
from nneft.ensemble import Ensemble
from nneft.rg.flow import Flow


def load(path: str | Path) -> Flow | Ensemble:
    """Read a `Flow` or an `Ensemble` from the netCDF file that its ``save`` wrote.

    Raises
    ------
    ValueError
        No such file, one that nneft did not write, or one whose activation was a callable.
    """
    from nneft.ensemble import dataset as ensembles
    from nneft.rg import storage as flows

    dataset = storage.open_dataset(path)
    kind = dataset.attrs.get("kind")
    try:
        if kind == flows.KIND:
            return flows.from_xarray(dataset)
        if kind == ensembles.KIND:
            return ensembles.from_xarray(dataset)
    except KeyError as missing:
        raise ValueError(f"{path} is not whole: {missing.args[0]}") from missing
    raise ValueError(f"{path} holds neither a flow nor an ensemble, but {kind!r}")
