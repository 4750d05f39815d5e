"""The effective action's couplings against exact laws of G^-1, quadrature and sampled networks."""

import numpy as np
import pytest
from actions.laws import Wishart, exact_couplings, exponent, inverse_wishart, size, tanh_flow

import nneft
from nneft import NumericsError
from nneft.actions import effective_action

K = np.array([[1.0, 0.3, -0.2], [0.3, 0.8, 0.1], [-0.2, 0.1, 1.4]])


@pytest.mark.parametrize(("ghosts", "wanted"), [(True, -0.02), (False, -0.22)])
def test_one_input_of_a_linear_network(ghosts, wanted):
    # G = chi2_n / n: <G^-1> = n / (n - 2), with the weight G^(-n_l/2) n / (n - n_l - 2).
    flow = nneft.flow(nneft.Network((1, 100, 20), "linear", 1.0), kernel=1.0, order=1)
    found = effective_action(flow, 2, ghosts=ghosts)
    assert 1 / found.quadratic.item() - 1 == pytest.approx(wanted, abs=1e-13)
    exact = 100 / (100 - (0 if ghosts else 20) - 2)
    assert found.quadratic.item() == pytest.approx(exact, rel=1e-12)
    assert found.lambda_.item() == pytest.approx(0.02, rel=1e-12)


@pytest.mark.parametrize("p", [1, 2, 3])
def test_with_ghosts_a_wishart_matrix_has_these_couplings_to_first_order(p):
    widths = np.array([100, 200, 400])
    left_mu, left_lambda = [], []
    for n in widths:
        net = nneft.Network((p, int(n), 37), "linear", 1.0)
        found = effective_action(nneft.flow(net, kernel=K[:p, :p], order=1), 2)
        mean, covariance = inverse_wishart(K[:p, :p], n)
        # (K_0 + mu)^-1 is exact here: mu = -(p + 1) K_0 / n
        np.testing.assert_allclose(found.quadratic, mean, rtol=1e-11)
        left_mu.append(size(np.linalg.inv(mean) - K[:p, :p] - found.mu) + 1e-30)
        left_lambda.append(size(covariance - found.lambda_))
    assert max(left_mu) < 1e-12
    assert exponent(widths, left_lambda) == pytest.approx(-2.0, abs=0.15)


@pytest.mark.parametrize("p", [1, 2, 3])
def test_without_ghosts_a_wishart_matrix_has_these_couplings(p):
    # n large, so that what is left over is of the next order in n_l/n.
    n, ratios = 10**8, np.array([0.01, 0.02, 0.04])
    left, leading = [], []
    for ratio in ratios:
        n_l = round(ratio * n)
        held = Wishart(K[:p, :p], n, n_l)
        mean, covariance = inverse_wishart(K[:p, :p], n, n_l)
        found = effective_action(held, 2, ghosts=False)
        np.testing.assert_allclose(found.quadratic, mean, rtol=1e-6)
        assert found.lambda_order == 1
        left.append(size(found.lambda_ - covariance) * n)
        leading.append(size(effective_action(held, 2).lambda_ - covariance) * n)
    assert exponent(ratios, left) == pytest.approx(2.0, abs=0.15)
    assert exponent(ratios, leading) == pytest.approx(1.0, abs=0.15)


def test_a_flow_of_order_two_gives_the_quartic_coupling_without_ghosts():
    net = nneft.Network((2, 200, 20), "linear", 1.0)
    flow = nneft.flow(net, kernel=K[:2, :2], order=2)
    found = effective_action(flow, 2, ghosts=False)
    wanted = effective_action(Wishart(K[:2, :2], 200, 20), 2, ghosts=False)
    assert found.lambda_order == 1
    np.testing.assert_allclose(found.lambda_, wanted.lambda_, rtol=1e-10, atol=1e-14)


def test_the_couplings_of_tanh_with_ghosts_to_first_order():
    widths = np.array([40, 80, 160])
    left_mu, left_lambda, bare = [], [], []
    for n in widths:
        mean, variance, _ = exact_couplings(int(n))
        found = effective_action(tanh_flow(int(n), 3), 2)
        left_mu.append(abs(1 / mean - found.K_0.item() - found.mu.item()))
        left_lambda.append(abs(variance - found.lambda_.item()))
        bare.append(abs(1 / mean - found.K_0.item()))
    assert exponent(widths, left_mu) == pytest.approx(-2.0, abs=0.15)
    assert exponent(widths, left_lambda) == pytest.approx(-2.0, abs=0.15)
    assert exponent(widths, bare) == pytest.approx(-1.0, abs=0.15)


def test_the_couplings_of_tanh_without_ghosts_to_first_order():
    # n_l fixed: n_l/n is of first order too.
    widths = np.array([80, 160, 320])
    left, mixed = [], []
    for n in widths:
        mean = exact_couplings(int(n), 3)[0]
        flow = tanh_flow(int(n), 3)
        for ghosts, kept in ((False, left), (True, mixed)):
            found = effective_action(flow, 2, ghosts=ghosts)
            kept.append(abs(1 / mean - found.K_0.item() - found.mu.item()))
    assert exponent(widths, left) == pytest.approx(-2.0, abs=0.15)
    assert exponent(widths, mixed) == pytest.approx(-1.0, abs=0.15)


def sampled_inverse(net, kernel, networks, rng):
    """Inverse of G^(3) of networks whose fields are drawn layer by layer."""
    G = np.broadcast_to(kernel, (networks, *kernel.shape))
    for l in (1, 2):
        n = net.widths[l]
        phi = np.linalg.cholesky(G) @ rng.normal(size=(networks, len(kernel), n))
        s = net.activation(phi)
        G = net.C_b[l] + net.C_W[l] / n * s @ s.swapaxes(-1, -2)
    return np.linalg.inv(G)


def test_two_inputs_against_sampled_networks():
    kernel, rng = K[:2, :2], np.random.default_rng(7)
    widths, networks = np.array([32, 48, 72]), 240_000
    left_mean, left_covariance, bare = [], [], []
    for n in widths:
        net = nneft.Network((2, int(n), int(n), 5), "tanh", 1.5, 0.2)
        found = effective_action(nneft.flow(net, kernel=kernel, order=1), 3)
        inverse = np.concatenate([
            sampled_inverse(net, kernel, networks // 16, rng) for _ in range(16)
        ])  # fmt: skip
        mean = inverse.mean(axis=0)
        K_0 = np.linalg.inv(found.K_0)
        bare.append(size(mean - K_0))
        left_mean.append(size(mean - (K_0 - K_0 @ found.mu @ K_0)))
        products = np.einsum("bij,bkl->bijkl", inverse - mean, inverse - mean)
        left_covariance.append(size(products.mean(axis=0) - found.lambda_))
        # What is left over stands out of the noise, so that its slope means something.
        assert left_mean[-1] > 5 * size(inverse.std(axis=0)) / np.sqrt(networks)
        assert left_covariance[-1] > 5 * size(products.std(axis=0)) / np.sqrt(networks)
    assert exponent(widths, left_mean) == pytest.approx(-2.0, abs=0.4)
    assert exponent(widths, left_covariance) == pytest.approx(-2.0, abs=0.4)
    assert exponent(widths, bare) == pytest.approx(-1.0, abs=0.4)


# Inputs that are singular, of any size, and wrong.


@pytest.mark.parametrize("ghosts", [True, False])
def test_a_singular_kernel_has_couplings_on_its_support(ghosts):
    # x, y, x + y of a linear network: phi_3 = phi_1 + phi_2, so that only phi_1, phi_2 count.
    net = nneft.Network((2, 50, 10), "linear", 1.0)
    lift = np.array([[1.0, 0.0], [0.0, 1.0], [1.0, 1.0]])
    few = effective_action(nneft.flow(net, kernel=K[:2, :2]), 2, ghosts=ghosts)
    many = effective_action(nneft.flow(net, kernel=lift @ K[:2, :2] @ lift.T), 2, ghosts=ghosts)
    np.testing.assert_allclose(many.mu, lift @ few.mu @ lift.T, atol=1e-13)
    np.testing.assert_allclose(lift.T @ many.quadratic @ lift, few.quadratic, rtol=1e-10)
    quartic = np.einsum("abcd,ae,bf,cg,dh->efgh", many.lambda_, lift, lift, lift, lift)
    np.testing.assert_allclose(quartic, few.lambda_, rtol=1e-9, atol=1e-12)
    # Moore-Penrose: nothing off the support.
    off = np.array([1.0, 1.0, -1.0])
    assert size(many.quadratic @ off) < 1e-12
    assert size(many.lambda_ @ off) < 1e-12


def test_equal_inputs_and_inputs_of_zero_take_no_part():
    net = nneft.Network((2, 50, 10), "tanh", 1.4)
    x = np.array([[1.0, 0.5], [0.3, -1.0]])
    few = effective_action(nneft.flow(net, x), 2)
    repeated = effective_action(nneft.flow(net, np.vstack([x, x[:1], 0 * x[:1]])), 2)
    assert size(repeated.mu[3]) == size(repeated.lambda_[3]) == size(repeated.quadratic[3]) == 0
    np.testing.assert_allclose(repeated.mu[:2, :2], few.mu, rtol=1e-10)
    # 1/2 phi^T A phi with phi_3 = phi_1
    lift = np.array([[1.0, 0.0], [0.0, 1.0], [1.0, 0.0], [0.0, 0.0]])
    np.testing.assert_allclose(lift.T @ repeated.quadratic @ lift, few.quadratic, rtol=1e-9)


@pytest.mark.parametrize("length", [1e-70, 1e-9, 1e60])
def test_couplings_scale_with_the_inputs(length):
    d = np.array([1.0, length])
    net = nneft.Network((2, 50, 10), "relu", 2.0)
    one = effective_action(nneft.flow(net, kernel=K[:2, :2]), 2)
    other = effective_action(nneft.flow(net, kernel=K[:2, :2] * np.outer(d, d)), 2)
    np.testing.assert_allclose(other.mu, one.mu * np.outer(d, d), rtol=1e-12)
    np.testing.assert_allclose(other.quadratic, one.quadratic / np.outer(d, d), rtol=1e-12)
    four = np.einsum("a,b,c,d->abcd", d, d, d, d)
    np.testing.assert_allclose(other.lambda_, one.lambda_ / four, rtol=1e-10)


def test_the_first_layer_has_no_couplings():
    flow = nneft.flow(nneft.Network((2, 50, 10), "tanh", 1.4), kernel=K[:2, :2])
    found = effective_action(flow, 1, ghosts=False)
    assert size(found.mu) == size(found.lambda_) == 0
    assert (found.width, found.width_below, found.ratio) == (50, 2, 25)
    np.testing.assert_allclose(found.quadratic, np.linalg.inv(K[:2, :2]), rtol=1e-13)
    assert repr(found) == "EffectiveAction(layer 1, without ghosts, 2 inputs, n_l/n_(l-1)=50/2)"


def test_wrong_calls_are_refused():
    net = nneft.Network((2, 50, 10), "tanh", 1.4)
    flow = nneft.flow(net, kernel=np.eye(2))
    for layer in (0, 3):
        with pytest.raises(ValueError, match=f"layer must be from 1 to 2, got {layer}"):
            effective_action(flow, layer)
    for layer in (1.5, True):
        with pytest.raises(TypeError, match="layer must be an integer"):
            effective_action(flow, layer)
    with pytest.raises(TypeError, match="ghosts must be True or False"):
        effective_action(flow, 2, ghosts="no")
    with pytest.raises(ValueError, match="K.1. is not held by a flow of order 0"):
        effective_action(nneft.flow(net, kernel=np.eye(2), order=0), 2)


def test_where_first_order_ends_is_named():
    # mu' = -(n_l + 2)/n K_0: with n_l >= n no density is left.
    flow = nneft.flow(nneft.Network((1, 50, 50), "linear", 1.0), kernel=1.0)
    assert effective_action(flow, 2).quadratic.item() > 0
    with pytest.raises(NumericsError, match=r"K_0 \+ mu of layer 2 is not positive: .*n_l = 50"):
        effective_action(flow, 2, ghosts=False).quadratic  # noqa: B018
    tiny = nneft.flow(nneft.Network((1, 50, 50), "linear", 1.0), kernel=1e-90)
    assert effective_action(tiny, 2).lambda_.item() == pytest.approx(2 / 50 * 1e180)


def test_couplings_that_overflow_are_named():
    flow = Wishart([[1e-157]], 50, 5)
    with pytest.raises(NumericsError, match="lambda of layer 2 overflows"):
        effective_action(flow, 2)
