"""Coefficients in 1/n from several widths, where they are known in closed form."""

import numpy as np
import pytest

from nneft.ensemble import sample
from nneft.ensemble.widths import extrapolate
from nneft.network import Network

WIDTHS = (6, 8, 12, 20, 40)


def quadratic(x):
    return x + 0.3 * x * x


def ensembles(activation, C_W, depth=3, networks=150_000, widths=WIDTHS, points=4, **settings):
    return [
        sample(
            Network((2, *[n] * depth), activation, C_W),
            kernel=[[1.0, 0.4], [0.4, 0.8]],
            networks=networks,
            seed=seed,
            points=points,
            **settings,
        )
        for seed, n in enumerate(widths, start=50)
    ]


def mean_of_quadratic(G, V):
    """<sigma_a sigma_b> averaged over G of mean G and covariance V, sigma = x + a x^2, a = 0.3.

    Given G it is ``G_ab + a^2 (G_aa G_bb + 2 G_ab^2)`` by Wick; of second degree, so that mean and
    covariance say all.
    """
    d = np.diagonal(G)
    mean = G + 0.09 * (np.outer(d, d) + 2 * G**2)
    return mean, 0.09 * (np.einsum("aabb->ab", V) + 2 * np.einsum("abab->ab", V))


def test_k1_of_a_polynomial_network():
    """<G^(3)> = K_0 + K_1/n exactly: K_2 = 0, K_1 from V_4 of layer 2 by Wick's theorem."""
    found = ensembles("x + 0.3*x**2", 1.0)
    K = found[0].first_kernel
    K2, none = mean_of_quadratic(K, np.zeros((2,) * 4))
    # V_4^(2) = <(sigma_a sigma_b)(sigma_c sigma_d)> - <..><..>, by quadrature exact for degree 8.
    nodes, weights = np.polynomial.hermite_e.hermegauss(12)
    z = np.stack(np.meshgrid(nodes, nodes, indexing="ij")).reshape(2, -1)
    w = np.outer(weights, weights).ravel() / weights.sum() ** 2
    s = quadratic(np.linalg.cholesky(K) @ z)
    V = np.einsum("z,az,bz,cz,dz->abcd", w, s, s, s, s) - np.einsum("ab,cd->abcd", K2, K2)
    K3, K1 = mean_of_quadratic(K2, V)
    fit = extrapolate(found)
    np.testing.assert_array_equal(fit[0].mean[0], K)
    np.testing.assert_array_equal(fit.coefficients.error[:, 0], 0.0)
    for p, expected in enumerate((K3, K1, np.zeros((2, 2)))):
        assert np.abs(fit[p][2].pull(expected)).max() < 4
        assert np.abs(fit[p][1].pull((K2, none, none)[p])).max() < 4
    assert fit.freedom == 2
    assert fit.chi2.max() < 20
    # Knowing K_0 makes K_1 precise enough to tell it from one 20 % off.
    leading = np.stack([K, K2, K3])
    better = extrapolate(found, 1, leading=leading)
    assert np.abs(better[1][2].pull(K1)).max() < 4
    assert np.abs(better[1][2].pull(1.2 * K1)).max() > 4
    assert np.all(better[1].error[1:] < fit[1].error[1:])


def test_orders_of_v4_of_a_linear_network():
    """n [(1 + 2/n)^2 - 1] = 4 + 4/n at layer 3, K = 1; chi2 shows an order left out."""
    found = [
        sample(Network((1, n, n, n), "linear", 1.0), kernel=1.0, networks=150_000, seed=n)
        for n in (2, 3, 5, 10, 30)
    ]
    fit = extrapolate(found, 1, of=lambda e: e.V(4, at=(0, 0, 0, 0)))
    assert abs(fit[0][2].pull(4.0)) < 4
    assert abs(fit[1][2].pull(4.0)) < 4
    assert fit.chi2[2] < 20
    short = extrapolate(found, 1, of=lambda e: e.V(4, at=(0, 0, 0, 0)) * (1 / e.widths[1]))
    assert short.chi2[2] > 100


def test_errors_cover():
    """Pulls of 300 fits at layer 2, where <G> does not depend on n and K_1 = K_2 = 0."""
    pulls = []
    for repeat in range(300):
        found = [
            sample(
                Network((1, n, n), "relu", 2.0), kernel=1.0, networks=1000, seed=100 * repeat + n
            )
            for n in (5, 10, 20, 40)
        ]
        fit = extrapolate(found, 2)
        pulls.append([fit[p][1].pull(float(p == 0))[0, 0] for p in range(3)])
    spread = np.std(pulls, axis=0)
    assert np.all(np.abs(spread - 1) < 4 * 0.041)
    assert np.all(np.abs(np.mean(pulls, axis=0)) < 4 * 0.058)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lambda e: extrapolate(e[:2], 2), "3 different widths or more, got 2"),
        (lambda e: extrapolate([*e, *e]), "share random numbers"),
        (lambda e: extrapolate([*e, sample(OTHER, kernel=e[0].first_kernel, networks=2)]), "C_W"),
        (lambda e: extrapolate([*e, sample(SKEW, kernel=e[0].first_kernel, networks=2)]), "common"),
        (lambda e: extrapolate([*e, sample(SKEW, kernel=np.eye(2), networks=2)]), "first kernels"),
    ],
)
def test_wrong_calls(change, message):
    with pytest.raises(ValueError, match=message):
        change(ensembles("tanh", 1.0, depth=3, networks=10))


OTHER = Network((2, 5, 5, 5), "tanh", 1.5)
SKEW = Network((2, 5, 6, 5), "tanh", 1.0)
