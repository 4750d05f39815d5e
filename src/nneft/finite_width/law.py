"""Laws of one real variable as Gauss quadratures: sums of independent ones, and mixtures.

A law is held as m nodes and weights that integrate every polynomial of degree ``2m - 1`` against
it exactly. The sum of two independent variables has the m^2 sums of nodes; Lanczos' process, which
finds the Gauss quadrature of any discrete measure stably, brings it back to m without losing a
moment up to that degree. So do mixtures. Nothing is ever a density, so atoms, edges and
singularities of the law do no harm.
"""

from typing import NamedTuple

import numpy as np

from nneft.gaussian.base import Array


class Law(NamedTuple):
    """Nodes and weights of a batch of laws, (..., m) each; the weights add up to one."""

    nodes: Array
    weights: Array


def gauss(law: Law, count: int) -> Law:
    """The Gauss quadrature of `count` nodes of each law, by Lanczos with reorthogonalisation."""
    x, w = law
    centre = np.sum(w * x, axis=-1, keepdims=True)
    spread = np.sqrt(np.sum(w * (x - centre) ** 2, axis=-1, keepdims=True))
    safe = np.where(spread > 0.0, spread, 1.0)
    y = (x - centre) / safe
    count = min(count, x.shape[-1])
    batch = x.shape[:-1]
    basis = np.zeros((*batch, count, x.shape[-1]))
    diagonal, off = np.zeros((*batch, count)), np.zeros((*batch, count))
    vector = np.sqrt(w)
    for j in range(count):
        basis[..., j, :] = vector
        # beta_{j+1} q_{j+1} = (y - alpha_j) q_j - beta_j q_{j-1}
        image = y * vector
        diagonal[..., j] = np.sum(vector * image, axis=-1)
        held = basis[..., : j + 1, :]
        for _ in range(2):
            image = image - np.einsum(
                "...jx,...j->...x", held, np.einsum("...jx,...x->...j", held, image)
            )
        norm = np.sqrt(np.sum(image**2, axis=-1))
        # Fewer distinct nodes than asked for: what is left is rounding.
        norm = np.where(norm > 1e-13, norm, 0.0)
        off[..., j] = norm
        vector = image / np.where(norm > 0.0, norm, 1.0)[..., None]
        vector = np.where(norm[..., None] > 0.0, vector, 0.0)
    matrix = np.zeros((*batch, count, count))
    index = np.arange(count)
    matrix[..., index, index] = diagonal
    matrix[..., index[1:], index[:-1]] = off[..., :-1]
    nodes, vectors = np.linalg.eigh(matrix)
    weights = vectors[..., 0, :] ** 2
    return Law(centre + safe * nodes, weights / np.sum(weights, axis=-1, keepdims=True))


def sum_of(left: Law, right: Law, count: int) -> Law:
    """Law of the sum of two independent variables."""
    nodes = left.nodes[..., :, None] + right.nodes[..., None, :]
    weights = left.weights[..., :, None] * right.weights[..., None, :]
    shape = (*nodes.shape[:-2], -1)
    return gauss(Law(nodes.reshape(shape), weights.reshape(shape)), count)


def mean_of(law: Law, terms: int, count: int) -> Law:
    """Law of the mean of many independent copies, by repeated doubling of their sum."""
    total: Law | None = None
    power = law
    left = terms
    while left:
        if left % 2:
            total = power if total is None else sum_of(total, power, count)
        left //= 2
        if left:
            power = sum_of(power, power, count)
    assert total is not None
    return Law(total.nodes / terms, total.weights)


def mixture(laws: Law, weights: Array, count: int) -> Law:
    """Law of a variable whose law is itself drawn: `laws` (g, m), `weights` (g,)."""
    mixed = weights[:, None] * laws.weights
    return gauss(Law(laws.nodes.ravel(), mixed.ravel()), count)
