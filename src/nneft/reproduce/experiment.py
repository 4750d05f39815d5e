"""What is simulated: the networks, inputs and components of Figures 1-5 of BCCZ."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from nneft.network import Network

#: Inputs ``x_1 .. x_4`` of BCCZ's experiment.
INPUTS = ((1.0, 1.0), (-1.4, 2.0), (-2.0, -3.0), (0.6, -0.5))

#: Four-point components shown, as indices of inputs from 0: V(11;11), V(12;12), ...
COMPONENTS = (
    (0, 0, 0, 0),
    (0, 1, 0, 1),
    (0, 0, 2, 2),
    (0, 1, 0, 3),
    (0, 0, 2, 3),
    (0, 1, 2, 3),
)


@dataclass(frozen=True)
class Setting:
    """One ensemble of the experiment: an activation at one initialization variance."""

    activation: str
    regime: str
    C_W: float

    @property
    def name(self) -> str:
        """``relu-critical``: part of file names."""
        return f"{self.activation}-{self.regime}"


@dataclass(frozen=True)
class Experiment:
    """Widths, inputs and initializations of one experiment; the default is BCCZ's.

    Parameters
    ----------
    width
        Width of every hidden layer.
    depth
        Number of layers ``L``.
    inputs
        (4, n_0): the components shown take four inputs.
    critical
        ``(activation, critical C_W)`` two by two; each is run at 1/4, 1 and 4 times it, C_b = 0.

    Raises
    ------
    ValueError
        for fewer than two layers or a number of inputs that is not four; what is wrong with a
        network is said by `nneft.Network`.
    """

    width: int = 300
    depth: int = 30
    inputs: tuple[tuple[float, ...], ...] = INPUTS
    critical: tuple[tuple[str, float], ...] = (("relu", 2.0), ("tanh", 1.0))

    def __post_init__(self) -> None:
        if self.depth < 2:
            raise ValueError(f"the experiment needs 2 layers or more, got depth {self.depth}")
        if len(self.inputs) != 4:
            raise ValueError(f"the experiment takes four inputs, got {len(self.inputs)}")

    @property
    def x(self) -> NDArray[np.float64]:
        """(4, n_0) inputs."""
        return np.array(self.inputs)

    @property
    def settings(self) -> tuple[Setting, ...]:
        """The ensembles, activation by activation: ordered, critical, chaotic."""
        regimes = (("ordered", 0.25), ("critical", 1.0), ("chaotic", 4.0))
        return tuple(
            Setting(activation, regime, factor * critical)
            for activation, critical in self.critical
            for regime, factor in regimes
        )

    def network(self, setting: Setting) -> Network:
        """The network of one setting."""
        widths = (len(self.inputs[0]), *[self.width] * self.depth)
        return Network(widths, setting.activation, setting.C_W, 0.0)


#: The experiment of BCCZ, Figs. 1-5.
PAPER = Experiment()
