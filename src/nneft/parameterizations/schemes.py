"""Every way of writing an initialization down that has a name, as variances and back.

A weight of layer l has variance ``C_W^(l)/n_{l-1}``, a bias ``C_b^(l)``. Libraries speak of gains
and fans instead, ``fan_in = n_{l-1}`` and ``fan_out = n_l``: the variance is ``scale / fan``.
"""

from abc import ABC, abstractmethod
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import final

import numpy as np
from numpy.typing import NDArray

Array = NDArray[np.float64]
Numbers = Mapping[str, Array]
Choices = Mapping[str, str]

#: `torch.nn.init.calculate_gain`, but for leaky_relu, whose gain is a function of its slope.
GAINS = {
    "linear": 1.0,
    "conv1d": 1.0,
    "conv2d": 1.0,
    "conv3d": 1.0,
    "conv_transpose1d": 1.0,
    "conv_transpose2d": 1.0,
    "conv_transpose3d": 1.0,
    "sigmoid": 1.0,
    "tanh": 5.0 / 3.0,
    "relu": 2.0**0.5,
    "selu": 0.75,
}
#: Keras' names for how weights are drawn, and what they are.
DISTRIBUTIONS = {
    "truncated_normal": "truncated normal",
    "untruncated_normal": "normal",
    "uniform": "uniform",
}


@dataclass(frozen=True)
class Fans:
    """``n_{l-1}`` and ``n_l`` of every layer: (L,) each."""

    fan_in: Array
    fan_out: Array

    def of(self, mode: str) -> Array:
        """The fan that a mode divides by."""
        if mode == "fan_avg":
            return 0.5 * (self.fan_in + self.fan_out)
        return {"fan_in": self.fan_in, "fan_out": self.fan_out}.get(mode, np.ones_like(self.fan_in))


@dataclass(frozen=True)
class Scheme(ABC):
    """Variances of one weight and one bias from a library's numbers, and back.

    Attributes
    ----------
    call
        What to type for one layer: a format string over numbers, choices, fan_in and fan_out.
    numbers
        Numbers with their defaults; None where there is none.
    choices
        Words with what they may be, the default first.
    """

    call: str
    numbers: Mapping[str, float | None]
    choices: Mapping[str, tuple[str, ...]]

    @abstractmethod
    def variances(self, fans: Fans, numbers: Numbers, choices: Choices) -> tuple[Array, Array]:
        """Variance of one weight and of one bias: (L,) each."""

    @abstractmethod
    def solved(self, fans: Fans, weight: Array, bias: Array, choices: Choices) -> dict[str, Array]:
        """The numbers that give these variances; NaN where none do."""

    @abstractmethod
    def law(self, choices: Choices) -> str:
        """How weights are drawn: "normal", "uniform" or "truncated normal"."""


@final
@dataclass(frozen=True)
class Pair(Scheme):
    """Two numbers whose `power` is ``C_W`` and ``C_b``."""

    power: int = 1

    def variances(self, fans: Fans, numbers: Numbers, choices: Choices) -> tuple[Array, Array]:
        """``number^power / fan_in`` and ``number^power``."""
        w, b = (numbers[name] ** self.power for name in self.numbers)
        return w / fans.fan_in, b

    def solved(self, fans: Fans, weight: Array, bias: Array, choices: Choices) -> dict[str, Array]:
        """Always possible."""
        found = (weight * fans.fan_in, bias)
        return {name: c ** (1.0 / self.power) for name, c in zip(self.numbers, found)}

    def law(self, choices: Choices) -> str:
        """Normal."""
        return "normal"


@final
@dataclass(frozen=True)
class Scaled(Scheme):
    """A weight's variance is ``scale / fan``; biases have a standard deviation of their own.

    Attributes
    ----------
    scale, inverse
        From the scheme's first number to the scale and back; a fixed scale where it has none.
    fan
        What to divide by, unless there is a choice; "none" for nothing.
    drawn
        How weights are drawn, unless there is a choice.
    """

    scale: Callable[[Array], Array] | float
    inverse: Callable[[Array], Array] | None
    fan: str
    drawn: str

    def variances(self, fans: Fans, numbers: Numbers, choices: Choices) -> tuple[Array, Array]:
        """``scale / fan`` and ``bias_std^2``."""
        fan = fans.of(choices.get("mode", self.fan))
        gain, bias = GAINS.get(choices.get("nonlinearity", "")), numbers["bias_std"] ** 2
        if gain is not None:
            return gain**2 / fan, bias
        if callable(self.scale):
            return self.scale(numbers[next(iter(self.numbers))]) / fan, bias
        return self.scale / fan, bias

    def solved(self, fans: Fans, weight: Array, bias: Array, choices: Choices) -> dict[str, Array]:
        """The first number, if the scheme has one, and the biases' standard deviation."""
        found = {"bias_std": np.sqrt(bias)}
        if self.inverse is not None and choices.get("nonlinearity", "") not in GAINS:
            with np.errstate(invalid="ignore", divide="ignore"):
                scale = weight * fans.of(choices.get("mode", self.fan))
                found[next(iter(self.numbers))] = self.inverse(scale)
        return found

    def law(self, choices: Choices) -> str:
        """As chosen, where there is a choice."""
        return DISTRIBUTIONS.get(choices.get("distribution", ""), self.drawn)


@final
@dataclass(frozen=True)
class TorchLinear(Scheme):
    """`torch.nn.Linear` as it comes: Kaiming uniform with ``a = sqrt(5)``, biases likewise."""

    def variances(self, fans: Fans, numbers: Numbers, choices: Choices) -> tuple[Array, Array]:
        """Of ``U(-1/sqrt(fan_in), 1/sqrt(fan_in))``, both."""
        variance = 1.0 / (3.0 * fans.fan_in)
        return variance, variance

    def solved(self, fans: Fans, weight: Array, bias: Array, choices: Choices) -> dict[str, Array]:
        """Nothing to type."""
        return {}

    def law(self, choices: Choices) -> str:
        """Uniform, biases too."""
        return "uniform"
