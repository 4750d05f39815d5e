"""Criticality: fixed points of the kernel, phases, universality classes and susceptibilities."""

from nneft.criticality.asymptotics import Scaling, scaling
from nneft.criticality.border import EdgePoint, edge_of_chaos
from nneft.criticality.chi import Susceptibility, susceptibility
from nneft.criticality.close import ClosePair, close_pair
from nneft.criticality.compromise import Compromise
from nneft.criticality.correlation import Correlation
from nneft.criticality.decay import Rate, Rates, rates
from nneft.criticality.edge import Edge
from nneft.criticality.fits import Exponent, Exponents, critical_exponents
from nneft.criticality.fixed import FixedPoint, FixedPoints, fixed_points
from nneft.criticality.laws import Law
from nneft.criticality.phases import phase_diagram
from nneft.criticality.point import CriticalPoint, critical_point

__all__ = [
    "ClosePair",
    "Compromise",
    "Correlation",
    "CriticalPoint",
    "Edge",
    "EdgePoint",
    "Exponent",
    "Exponents",
    "FixedPoint",
    "FixedPoints",
    "Law",
    "Rate",
    "Rates",
    "Scaling",
    "Susceptibility",
    "close_pair",
    "critical_exponents",
    "critical_point",
    "edge_of_chaos",
    "fixed_points",
    "phase_diagram",
    "rates",
    "scaling",
    "susceptibility",
]
