"""Where and with whose arithmetic blocks of an ensemble are sampled."""

from nneft.ensemble.engines.base import Engine, EngineLost
from nneft.ensemble.engines.cluster import Dask

__all__ = ["Dask", "Engine", "EngineLost"]
