"""Feynman diagrams of the connected correlators: enumeration, weights, formulas, pictures."""

from nneft.feynman.container import Diagrams, diagrams
from nneft.feynman.diagram import Diagram, SymmetryOrigins, Vertex, parse

__all__ = ["Diagram", "Diagrams", "SymmetryOrigins", "Vertex", "diagrams", "parse"]
