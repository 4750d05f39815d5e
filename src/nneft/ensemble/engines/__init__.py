"""Where and with whose arithmetic blocks of an ensemble are sampled."""

from nneft.ensemble.engines.base import Engine, EngineLost

__all__ = ["Engine", "EngineLost"]
