"""The susceptibility: how the next layer's kernel answers to this layer's, entry by entry.

    chi_{A;B} = dK_0^(l)_A / dK_0^(l-1)_B        on unordered pairs, A = (a, b)

``K_0(a, b)`` depends on the entries aa, ab and bb alone. Ordered with the diagonal pairs first the
matrix is therefore triangular: its eigenvalues are ``chi_par`` of every input and
``C_W <sigma'_a sigma'_b>`` of every pair of inputs, its diagonal.
"""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import ArrayLike

from nneft import conventions
from nneft.activations import Activation
from nneft.criticality.averages import averages
from nneft.criticality.checks import check_variances, checked
from nneft.gaussian import expectations
from nneft.gaussian.base import Array
from nneft.network import Network

#: Most bytes that the matrix may take.
MOST_BYTES = 2 * 2**30
#: Most numbers of a kind in the words for it.
SHOWN = 6


@dataclass(frozen=True, eq=False)
class Susceptibility:
    """``chi`` at one kernel; N inputs, P = N(N+1)/2 unordered pairs.

    Attributes
    ----------
    matrix : (P, P)
        ``dK_A/dK_B`` by the unordered entry, rows and columns in the order of `pairs`.
    pairs
        The P pairs, as `nneft.conventions.pairs` lists them.
    kernel : (N, N)
        Where it was taken.
    image : (N, N)
        The next layer's kernel, ``C_b + C_W <sigma_a sigma_b>_K``.
    parallel, perpendicular
        ``C_W/2 <(sigma^2)''>`` and ``C_W <sigma'^2>``: numbers for one input, else (N,).
    error
        Estimate of the largest absolute error of an entry.
    """

    matrix: Array
    pairs: tuple[tuple[int, int], ...]
    kernel: Array
    image: Array
    parallel: float | Array
    perpendicular: float | Array
    error: float

    def __str__(self) -> str:
        count = len(self.kernel)
        inputs = f"{count} input{'s' * (count > 1)}"
        lines = [
            f"chi on the kernel of {inputs}: {self.distance:.6g} off the identity "
            "(max_A sum_B |chi_AB - delta_AB|, 0 at a critical point)"
        ]
        for name, values in (
            ("chi_par", np.atleast_1d(self.parallel)),
            ("chi_perp", np.atleast_1d(self.perpendicular)),
            ("spectrum", self.spectrum),
            ("depth scales", self.depth_scales),
        ):
            some = ", ".join(f"{value:.7g}" for value in values[:SHOWN])
            lines.append(f"  {name:<14}{some}{', ..' * (len(values) > SHOWN)}")
        return "\n".join(lines)

    @property
    def bilocal(self) -> Array:
        """(N, N, N, N): ``chi(x1,x2;y1,y2) = (C_W/2) <d^2 Delta/dphi(y1) dphi(y2)>``, BCCZ (A.32).

        Over ordered arguments: for y1 != y2 the matrix's entry is the sum of two of these.
        """
        size = len(self.kernel)
        found = np.zeros((size,) * 4)
        for p, (a, b) in enumerate(self.pairs):
            for q, (c, d) in enumerate(self.pairs):
                value = self.matrix[p, q] if c == d else 0.5 * self.matrix[p, q]
                found[a, b, c, d] = found[b, a, c, d] = value
                found[a, b, d, c] = found[b, a, d, c] = value
        return found

    @property
    def spectrum(self) -> Array:
        """(P,) eigenvalues, descending: all real."""
        return np.sort(np.diag(self.matrix))[::-1]

    @property
    def depth_scales(self) -> Array:
        """(P,) ``xi = -1/ln |chi|`` in layers, one for each of the `spectrum`.

        Negative where perturbations grow, infinite at chi = 1, 0 at chi = 0.
        """
        with np.errstate(divide="ignore"):
            return np.asarray(depth_scale(self.spectrum))

    @property
    def distance(self) -> float:
        """How far chi is from the identity, BCCZ (31): ``max_A sum_B |chi_AB - delta_AB|``.

        The most that an entry of the kernel can be off after a layer if none was off by more than
        one before; 0 at a critical point.
        """
        return float(np.abs(self.matrix - np.eye(len(self.matrix))).sum(axis=1).max())


def depth_scale(chi: Array) -> Array:
    """``xi = -1/ln |chi|``: infinite at 1, 0 at 0, negative above 1."""
    with np.errstate(divide="ignore"):
        log = np.log(np.abs(chi))
        return np.asarray(np.where(log == 0.0, np.inf, -1.0 / np.where(log == 0.0, 1.0, log)))


def susceptibility(
    activation: str | Activation | Callable[[Any], Any],
    *,
    C_W: float,
    C_b: float = 0.0,
    kernel: ArrayLike,
) -> Susceptibility:
    """The susceptibility of one layer at a given kernel.

    Parameters
    ----------
    activation
        A name, an expression, an `Activation`, or a callable on arrays.
    C_W, C_b
        Variances of weights and biases, in the convention of `nneft.conventions`.
    kernel
        A number, or (N, N) positive semi-definite, singular or not.

    Returns
    -------
    Susceptibility
        With the delta functions of kinked activations.

    Raises
    ------
    ValueError, TypeError
        Variances, kernel or activation that make no sense; more pairs than fit into memory.
    nneft.NumericsError
        An expectation cannot be had to the accuracy promised.

    Notes
    -----
    BCCZ (24), (A.32); how the two normalisations differ: `nneft.conventions`.
    """
    sigma = checked(activation)
    w, b = check_variances(C_W, C_b)
    K = Network((1, 1), sigma, w, b).first_kernel(kernel=kernel)
    _check_memory(len(K))
    one = expectations.singles(sigma, np.diag(K), [((2,), (0,)), ((2,), (2,))])
    at = averages(sigma, np.diag(K))
    orders = ((0, 0), (1, 1), (2, 0), (0, 2))
    two = expectations.pairs(sigma, K, [((1, 1), r) for r in orders])
    product, mixed, first, second = two.values
    np.fill_diagonal(product, one.values[0])
    listed = tuple(conventions.pairs(len(K)))
    index = {pair: p for p, pair in enumerate(listed)}
    matrix = np.zeros((len(listed), len(listed)))
    for p, (i, j) in enumerate(listed):
        if i == j:
            # d<sigma^2>/dK = 1/2 <(sigma^2)''>
            matrix[p, p] = 0.5 * w * one.values[1, i]
        else:
            # d<f>/dK_cd = <d_c d_d f>, d<f>/dK_cc = 1/2 <d_c^2 f>
            matrix[p, p] = w * mixed[i, j]
            matrix[p, index[i, i]] = 0.5 * w * first[i, j]
            matrix[p, index[j, j]] = 0.5 * w * second[i, j]
    single = len(K) == 1
    parallel, perpendicular = w * one.values[1] / 2.0, w * at.gradient
    return Susceptibility(
        matrix,
        listed,
        K,
        b + w * product,
        float(parallel[0]) if single else parallel,
        float(perpendicular[0]) if single else perpendicular,
        w * float(max(one.errors.max(), two.errors.max(initial=0.0))),
    )


def _check_memory(size: int) -> None:
    needed = 8 * (size * (size + 1) // 2) ** 2
    if needed > MOST_BYTES:
        raise ValueError(
            f"the susceptibility of {size} inputs would take {needed / 2**30:.3g} GiB, more than "
            f"{MOST_BYTES / 2**30:.3g} GiB; take fewer inputs"
        )
