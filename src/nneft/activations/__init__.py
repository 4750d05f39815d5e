"""Activation functions: values, exact derivatives, and the structure methods choose from."""

from nneft.activations.base import Activation
from nneft.activations.builtin import leaky_relu, polynomial
from nneft.activations.polyexp import PolyExp
from nneft.activations.resolving import names, resolve

__all__ = ["Activation", "PolyExp", "leaky_relu", "names", "polynomial", "resolve"]
