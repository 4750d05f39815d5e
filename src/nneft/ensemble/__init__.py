"""Ensembles of random networks: sampling, one-pass moments, estimates with standard errors."""

from nneft.ensemble.ensemble import Ensemble, Source
from nneft.ensemble.estimate import Estimate
from nneft.ensemble.sampling import sample, sample_blocks

__all__ = ["Ensemble", "Estimate", "Source", "sample", "sample_blocks"]
