"""Other ways of writing an initialization down: torch, Keras, neural-tangents, the literature."""

from nneft.parameterizations.convert import (
    Initialization,
    Recipe,
    calculate_gain,
    initialization,
    recipe,
)

__all__ = ["Initialization", "Recipe", "calculate_gain", "initialization", "recipe"]
