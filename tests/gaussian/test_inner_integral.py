"""Three smooth inputs, of which one is integrated out first: against the plain rule in all three.

What the inner integral misses is the same on the whole lattice and on its every second node, which
judge all the rest: it has to be small, and told, by itself.
"""

import numpy as np
import pytest

from nneft.activations import resolve
from nneft.gaussian import lattice
from nneft.gaussian.factors import factor_values

SQUARES = [((2, 1, 1), (0, 0, 0)), ((1, 2, 1), (0, 0, 0)), ((1, 1, 2), (0, 0, 0))]
#: Deviations from 3 to 0.4, in which the last input is left almost to itself.
WIDE = [
    [6.783018610, 2.956313787, -0.089051956],
    [2.956313787, 7.656418700, 0.216832540],
    [-0.089051956, 0.216832540, 0.156221790],
]
CLOSE = [[1.0, 0.9, 0.3], [0.9, 1.2, 0.5], [0.3, 0.5, 0.7]]


def plain(activation, kernel, terms, step):
    """The trapezoidal rule on the whole of (-9.5, 9.5)^3, by planes, and of absolute values."""
    root = np.linalg.cholesky(kernel)
    z = step * np.arange(-np.ceil(9.5 / step), np.ceil(9.5 / step) + 1)
    w = np.exp(-0.5 * z**2) / np.sum(np.exp(-0.5 * z**2))
    planes = []
    used = {f for powers, orders in terms for f in zip(powers, orders, strict=True)}
    for at, weight in zip(z, w, strict=True):
        fields = [
            np.full((1, 1), root[0, 0] * at),
            (root[1, 0] * at + root[1, 1] * z)[:, None],
            root[2, 0] * at + root[2, 1] * z[:, None] + root[2, 2] * z,
        ]
        known = [factor_values(activation, phi, used) for phi in fields]
        each = [
            np.prod(np.broadcast_arrays(*(k[f] for k, f in zip(known, zip(*term), strict=True))), 0)
            for term in terms
        ]
        planes.append([(weight * (w @ f @ w), weight * (w @ np.abs(f) @ w)) for f in each])
    return np.moveaxis(np.sum(planes, axis=0), -1, 0)


@pytest.mark.parametrize(
    ("name", "kernel"),
    [
        ("gelu", WIDE),
        ("gelu", CLOSE),
        ("tanh", CLOSE),
        ("softplus", WIDE),
        ("swish", WIDE),
        ("swish", CLOSE),
    ],
)
def test_bounds_hold(name, kernel):
    activation, kernel = resolve(name), np.array(kernel)
    terms = [*SQUARES, ((1, 1, 2), (2, 0, 0))] if name != "tanh" else SQUARES
    found = lattice.moments(activation, kernel, terms)
    wanted, norms = plain(activation, kernel, terms, 0.16)
    finer, _ = plain(activation, kernel, terms, 0.12)
    # The reference is as good as that.
    own = np.abs(wanted - finer) + 1e-14 * norms
    assert np.all(own < 1e-12 * norms)
    assert np.all(np.abs(found.values - finer) <= 4.0 * found.errors + own)
    assert np.all(found.errors <= 3e-13 * norms)


def test_values_do_not_depend_on_what_else_is_asked():
    activation, kernel = resolve("gelu"), np.array(WIDE)
    alone = lattice.moments(activation, kernel, SQUARES)
    among = lattice.moments(activation, kernel, [*SQUARES, ((1, 1, 2), (2, 0, 2))])
    apart = np.abs(alone.values - among.values[:3])
    assert np.all(apart <= 2.0 * (alone.errors + among.errors[:3]))
