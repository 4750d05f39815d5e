"""Criticality: fixed points of the kernel, phases, universality classes and susceptibilities."""

from nneft.criticality.chi import Susceptibility, susceptibility
from nneft.criticality.compromise import Compromise
from nneft.criticality.correlation import Correlation
from nneft.criticality.edge import Edge
from nneft.criticality.fixed import FixedPoint, FixedPoints, fixed_points
from nneft.criticality.phases import phase_diagram
from nneft.criticality.point import CriticalPoint, critical_point

__all__ = [
    "Compromise",
    "Correlation",
    "CriticalPoint",
    "Edge",
    "FixedPoint",
    "FixedPoints",
    "Susceptibility",
    "critical_point",
    "fixed_points",
    "phase_diagram",
    "susceptibility",
]
