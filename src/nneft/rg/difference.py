"""Two inputs of a ReLU-like network in difference coordinates.

For two inputs at an angle theta, derivatives of ``<sigma_1 sigma_2>`` by the kernel go as
``theta^(3-2r)`` along ``delta_dd = delta_11 + delta_22 - 2 delta_12``, whose cumulants vanish as
powers of ``theta^2``. In the coordinates (11, 12, 22) everything cancels then, and digits are lost
as ``theta^(3-4P)`` at order P. The recursion is covariant under linear changes of the inputs: over
``phi_1`` and ``phi_d = (phi_1 - phi_2)/t``, t near theta, every blob and every cumulant is of order
one, held to relative accuracy, and nothing cancels. Results are brought back in the end.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from functools import lru_cache
from math import frexp, log, sqrt

import numpy as np

from nneft.conventions import pairs
from nneft.gaussian.base import Array
from nneft.network import Network
from nneft.rg.difference_moments import derivatives
from nneft.rg.expansion import EPS, Cut, Expansion, cumulants_of, monomial_factors
from nneft.rg.multisets import Places, dense_places, multisets, number
from nneft.rg.state import LayerState

#: Pairs of two inputs: (11, 1d, dd); the number of d's in each is its place.
COUNT = 3
#: Squared sine of the angle between ``phi_1`` and ``phi_d`` below which the kernel is singular.
SINGULAR = 1e-12

Cumulants = tuple[Array, ...]


@dataclass(frozen=True)
class Differences:
    """The coordinates ``phi_1, phi_d = (phi_1 - phi_2)/scale`` of two inputs.

    Attributes
    ----------
    network
        Its activation is positively homogeneous, with a kink.
    kernels : (L, 3)
        ``K_0`` of all layers over (11, 1d, dd), not scaled.
    scale
        A power of two near the angle between the inputs.
    """

    network: Network
    kernels: Array
    scale: float

    @property
    def bias(self) -> Array:
        """(3,): what is ``C_b`` times this of each pair's; biases are equal for both inputs."""
        return np.array([1.0, 0.0, 0.0])

    def expansions(self, cut: Cut) -> Iterator[tuple[int, Expansion]]:
        """The blobs of layers 2, 3, .., each with its layer."""
        for layer in range(2, len(self.kernels) + 1):
            here = Cut(cut.order, layer > 2, cut.extra)
            yield layer, expand(self.network, self.kernels[layer - 2], self.scale, here)

    def into(self, k: int) -> Array:
        """(multisets, multisets): symmetric tensors over k pairs (11, 12, 22) to (11, 1d, dd)."""
        return _power(self._into, k)

    def inside(self, state: LayerState) -> LayerState:
        """The first layer's state over (11, 1d, dd)."""
        values, errors = state.cumulants(), state.cumulants(errors=True)
        moved, uncertain = _moved(values, self._into), _moved(errors, np.abs(self._into))
        moved[0][:, 0] = self.kernels[0] / self.scale ** np.arange(COUNT)
        return LayerState.of_cumulants(1, moved, uncertain)

    def changed(self, cumulants: Cumulants) -> Cumulants:
        """Changes of cumulants, (.., multisets, Q + 1) for each k, back to (11, 12, 22)."""
        return _moved(cumulants, self._back)

    def outside(self, values: Cumulants, errors: Cumulants) -> tuple[Cumulants, Cumulants]:
        """Cumulants over (11, 1d, dd), and bounds on their errors, to those over (11, 12, 22)."""
        moved, uncertain = _moved(values, self._back), _moved(errors, np.abs(self._back))
        return moved, tuple(e + 4.0 * EPS * np.abs(v) for e, v in zip(uncertain, moved))

    @property
    def _into(self) -> Array:
        # G_1d = (G_11 - G_12)/t, G_dd = (G_11 - 2 G_12 + G_22)/t^2.
        t = self.scale
        return np.array([[1.0, 0.0, 0.0], [1.0 / t, -1.0 / t, 0.0], [t**-2, -2.0 * t**-2, t**-2]])

    @property
    def _back(self) -> Array:
        # G_12 = G_11 - t G_1d, G_22 = G_11 - 2 t G_1d + t^2 G_dd.
        t = self.scale
        return np.array([[1.0, 0.0, 0.0], [1.0, -t, 0.0], [1.0, -2.0 * t, t * t]])


def differences(network: Network, kernel: Array, order: int) -> Differences | None:
    """Difference coordinates of two distinct inputs, where they can be had and pay.

    Parameters
    ----------
    kernel : (2, 2)
        Of the first layer.

    Returns
    -------
    None for other numbers of inputs, activations without slopes or kink, inputs that are parallel,
    or zero, below layer 1, and inputs so far apart that plain coordinates keep more digits.
    """
    activation = network.activation
    if len(kernel) != 2 or activation.slopes is None or activation.polynomial is not None:
        return None
    if not np.all(np.diag(kernel) > 0.0):
        return None
    # K_11 - K_12 is exact where the two are close.
    left, right = kernel[0, 0] - kernel[0, 1], kernel[1, 1] - kernel[0, 1]
    every = _kernels(network, np.array([kernel[0, 0], left, left + right]))
    xx, xd, dd = every[1:].T
    with np.errstate(over="ignore", under="ignore", invalid="ignore"):
        regular = (xx > 0.0) & (dd > 0.0) & (xx * dd - xd * xd > SINGULAR * xx * dd)
    if not (np.all(np.isfinite(every)) and np.all(regular) and _pays(every[1:], order)):
        return None
    last = every[min(1, len(every) - 1)]
    return Differences(network, every, _power_of_two(sqrt(abs(last[2] / last[0]))))


def _kernels(network: Network, first: Array) -> Array:
    """``K_0`` of all layers over (11, 1d, dd), not scaled; of those before it overflows."""
    slopes = network.activation.slopes
    assert slopes is not None
    found = [first]
    for C_W, C_b in zip(network.C_W[1:], network.C_b[1:], strict=True):
        means = derivatives(slopes, found[-1], 1.0, [0])[0][:, 0, 0]
        with np.errstate(over="ignore", under="ignore"):
            found.append(C_W * means + C_b * np.array([1.0, 0.0, 0.0]))
        if not np.all(np.isfinite(found[-1])):
            break
    return np.array(found)


def _pays(kernels: Array, order: int) -> bool:
    """Whether more digits are lost over (11, 12, 22) than where a much shorter input is added.

    As ``theta^(3-4P)`` against powers of the ratio of the inputs' variances.
    """
    if not len(kernels):
        return False
    xx, xd, dd = kernels.T
    yy = xx - 2.0 * xd + dd
    smaller, larger = np.minimum(xx, yy), np.maximum(xx, yy)
    if not np.all(smaller > 0.0):
        return False
    distance = float(np.sqrt(np.min(dd / larger)))
    ratio = float(np.max(larger / smaller))
    return bool((4 * order - 3) * log(distance) + (2 * order + 1) * log(ratio) < 0.0)


def expand(network: Network, kernel: Array, scale: float, cut: Cut) -> Expansion:
    """Polynomials of the blobs of one layer, whose kernel below is given over (11, 1d, dd)."""
    slopes = network.activation.slopes
    assert slopes is not None
    degrees = [cut.degree(m) for m in range(cut.order + 1)]
    found = derivatives(slopes, kernel, scale, degrees)
    factors = monomial_factors(COUNT, pairs(2), degrees[0])
    moments, errors = [], []
    for m, (values, degree) in enumerate(zip(found, degrees, strict=True), start=1):
        q, r, l = _places(m, degree)
        moments.append(values[q[:, None], r, l] * factors[: len(r)])
        errors.append(2.0 * EPS * np.abs(moments[-1]))
    return cumulants_of(COUNT, cut, moments, errors)


@lru_cache(maxsize=64)
def _places(m: int, degree: int) -> tuple[Places, Places, Places]:
    """How many d's each block of m pairs has; and each monomial's degree, and how many d's."""
    blocks = multisets(COUNT, m).sum(axis=1)
    rows = [multisets(COUNT, r) for r in range(degree + 1)]
    r = np.concatenate([np.full(len(row), row.shape[1], dtype=np.intp) for row in rows])
    return blocks, r, np.concatenate([row.sum(axis=1, dtype=np.intp) for row in rows])


def _moved(cumulants: Cumulants, into: Array) -> Cumulants:
    """Symmetric tensors over pairs, (multisets, Q + 1) for each k, in other coordinates."""
    return tuple(_power(into, k) @ v for k, v in enumerate(cumulants, start=1))


def _power(into: Array, k: int) -> Array:
    """(multisets, multisets): k-fold product of a matrix, on symmetric tensors."""
    rows = multisets(COUNT, k)
    dense = np.ones((len(rows), 1))
    for column in rows.T:
        dense = (dense[:, :, None] * into[column][:, None, :]).reshape(len(rows), -1)
    found = np.zeros((len(rows), number(COUNT, k)))
    np.add.at(found.T, dense_places(COUNT, k).ravel(), dense.T)
    return found


def _power_of_two(value: float) -> float:
    return 2.0 ** (frexp(value)[1] - 1)
