"""What a network does to differences between inputs: the signal that tuning must not give up.

Two inputs of equal length and correlation r leave layer L at correlation F(r), at infinite width.
Layer by layer the map of correlations is a power series in r with coefficients that are not
negative, the squared Hermite coefficients of the activation (Poole et al., arXiv:1606.05340), and
so is F: convex with F(1) = 1 for r >= 0, so that its chords to (1, 1) grow steeper with r,

    s_r = ln((1 - F(r)) / (1 - r))   does not fall with r:

between r = 1/2 and 0.99 it lies between its values there, and these two tell what moves. It is
negative where differences are lost (ordered phase, or biases instead of weights), positive where
near inputs are parted (chaotic phase).
"""

from dataclasses import dataclass

import numpy as np

from nneft.criticality import susceptibility
from nneft.criticality.averages import averages
from nneft.errors import NumericsError
from nneft.gaussian.base import Array
from nneft.network import Network
from nneft.rg.step import at_layer

#: The correlations looked at.
REFERENCES = (0.5, 0.99)
#: The first input with itself and each of the others, the second of which is nearer.
FIRST = np.array([[1.0, 0.5, 0.99], [0.5, 1.0, 0.495], [0.99, 0.495, 1.0]])
#: What ``s_r`` may move more than without tuning.
ALLOWANCE = 0.01
#: ``1 - F`` below this is rounding.
ROUNDING = 1e-15


@dataclass(frozen=True, eq=False)
class Signal:
    """At infinite width; index 0 is layer 1.

    Attributes
    ----------
    correlations : (L, 2)
        Of two inputs that enter at 0.5 and at 0.99.
    parallel, perpendicular : (L - 1,)
        ``chi_par``, ``chi_perp`` from each layer to the next, at the mean length of the inputs.
    """

    correlations: Array
    parallel: Array
    perpendicular: Array

    @property
    def moved(self) -> Array:
        """(2,) ``s_r``."""
        return _moved(self.correlations[-1])

    @property
    def rates(self) -> tuple[float, float]:
        """Geometric means of ``|chi_par|`` and ``|chi_perp|`` over layers: 1 at criticality."""
        tiny = np.finfo(float).tiny
        found = [
            float(np.exp(np.mean(np.log(np.maximum(np.abs(chi), tiny))))) if len(chi) else 1.0
            for chi in (self.parallel, self.perpendicular)
        ]
        return found[0], found[1]


def signal(network: Network, size: float) -> Signal:
    """Of a network whose inputs have first kernel ``size``.

    Raises
    ------
    ValueError, nneft.NumericsError
        As of `nneft.susceptibility`.
    """
    kernel = size * FIRST
    correlations, parallel, perpendicular = [_correlations(kernel)], [], []
    for layer in range(2, network.depth + 1):
        C_W, C_b = float(network.C_W[layer - 1]), float(network.C_b[layer - 1])
        with at_layer(layer):
            # chi_par = C_W d<sigma^2>/dK, chi_perp = C_W <sigma'^2>
            at = averages(network.activation, kernel[:1, 0])
            parallel.append(C_W * float(at.slope[0]))
            perpendicular.append(C_W * float(at.gradient[0]))
            kernel = susceptibility(network.activation, C_W=C_W, C_b=C_b, kernel=kernel).image
        correlations.append(_correlations(kernel))
    return Signal(np.array(correlations), np.array(parallel), np.array(perpendicular))


def moved(network: Network, size: float) -> tuple[Array, Array]:
    """(2,) ``s_r`` and (2, 2 (L - 1)) its derivatives by C_W and C_b of layer 2, of layer 3, ..

    Errors as of `signal`.
    """
    kernel, upper = size * FIRST, np.triu_indices(3)
    # Of the six entries of the kernel, carried forward through the layers.
    change = np.zeros((2 * (network.depth - 1), 6))
    for l in range(1, network.depth):
        C_W, C_b = float(network.C_W[l]), float(network.C_b[l])
        with at_layer(l + 1):
            chi = susceptibility(network.activation, C_W=C_W, C_b=C_b, kernel=kernel)
        kernel, change = chi.image, change @ chi.matrix.T
        # K = C_b + C_W <sigma sigma>
        change[2 * l - 2] = (kernel[upper] - C_b) / C_W
        change[2 * l - 1] = 1.0
    dense = np.zeros((len(change), 3, 3))
    dense[:, upper[0], upper[1]] = dense[:, upper[1], upper[0]] = change
    c = _correlations(kernel)
    slopes = []
    for r, other in enumerate((1, 2)):
        own = dense[:, 0, 0] / kernel[0, 0] + dense[:, other, other] / kernel[other, other]
        cross = dense[:, 0, other] / np.sqrt(kernel[0, 0] * kernel[other, other])
        # ds = - dc / (1 - c)
        slopes.append((0.5 * c[r] * own - cross) / max(1.0 - c[r], ROUNDING))
    return _moved(c), np.array(slopes)


def _correlations(kernel: Array) -> Array:
    diagonal = np.diag(kernel)
    if not np.all(np.isfinite(kernel)) or np.any(diagonal <= 0.0):
        raise NumericsError("the kernel at infinite width is not finite and positive")
    found: Array = kernel[0, 1:] / np.sqrt(diagonal[0] * diagonal[1:])
    return found


def _moved(correlations: Array) -> Array:
    left = np.maximum(1.0 - correlations, ROUNDING) / (1.0 - np.array(REFERENCES))
    return np.asarray(np.log(left))
