"""ReLU-like closed forms against mpmath, nested quadrature, planes of exact angles, and laws."""

from itertools import permutations
from math import pi, sqrt

import mpmath as mp
import numpy as np
import pytest
from gaussian.stein import mean
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.special import erf

from nneft.gaussian import homogeneous
from nneft.gaussian.orthant import absolute_product
from nneft.gaussian.sign import root_determinant

RELU, LEAKY, ABS, LINEAR = (0.0, 1.0), (-0.3, 1.2), (-1.0, 1.0), (1.0, 1.0)
SLOPES = (RELU, LEAKY, ABS, LINEAR)
DERIVATIVES = [(0, 0), (1, 1), (2, 0), (0, 2), (4, 0), (3, 1), (2, 2), (1, 3), (0, 4)]
PAPER = np.array([[1, 1], [-1.4, 2], [-2, -3], [0.6, -0.5]])


def value(slopes, kernel, powers, derivatives=None):
    """One moment and its error."""
    derivatives = (0,) * len(powers) if derivatives is None else derivatives
    found = homogeneous.moments(slopes, np.asarray(kernel), [(tuple(powers), tuple(derivatives))])
    return found.values[0], found.errors[0]


def in_the_plane(slopes, vectors, powers):
    """The exact moment of ``x_i = v_i . z`` in two dimensions: Gauss on arcs between kinks."""
    angles = np.arctan2(vectors[:, 1], vectors[:, 0])
    breaks = np.sort(np.concatenate([angles + pi / 2, angles - pi / 2]) % (2 * pi))
    breaks = np.append(breaks, breaks[0] + 2 * pi)
    node, weight = np.polynomial.legendre.leggauss(16)
    half = np.diff(breaks)[:, None] / 2
    at = breaks[:-1, None] + half * (1 + node)
    product = np.ones_like(at)
    for (x, y), p in zip(vectors, powers, strict=True):
        u = x * np.cos(at) + y * np.sin(at)
        product *= np.where(u > 0, slopes[1], slopes[0]) ** p * u**p
    # <r^4> = 8, <r^2> = 2 in the plane
    return {2: 2, 4: 8}[sum(powers)] * np.sum(product * half * weight) / (2 * pi)


def nested(slopes, kernel, powers):
    """Gauss-Legendre panels broken at the kinks; the last input, of power 1, integrated exactly."""
    lower, d = np.linalg.cholesky(kernel), len(kernel)
    node, weight = np.polynomial.legendre.leggauss(12)
    panels = (np.arange(5)[:, None] + (1 + node) / 2).ravel() / 5
    wide, end = np.tile(weight, 5) / 10, 9.0
    z, w = np.zeros((1, 0)), np.ones(1)
    for i in range(d - 1):
        # x_i changes sign at z_i = kink; panels on both sides
        kink = np.clip(-(z @ lower[i, :i]) / lower[i, i], -end, end)[:, None]
        new = np.concatenate([kink - (kink + end) * panels, kink + (end - kink) * panels], axis=1)
        step = np.concatenate([(kink + end) * wide, (end - kink) * wide], axis=1)
        w = (w[:, None] * step * np.exp(-(new**2) / 2) / sqrt(2 * pi)).ravel()
        z = np.concatenate([np.repeat(z, new.shape[1], axis=0), new.reshape(-1, 1)], axis=1)
    for i, p in enumerate(powers[:-1]):
        x = z @ lower[i, : d - 1]
        w = w * (np.where(x > 0, slopes[1], slopes[0]) * x) ** p
    centre, s = z @ lower[-1, :-1], lower[-1, -1]
    p, q = (slopes[1] + slopes[0]) / 2, (slopes[1] - slopes[0]) / 2
    ratio = centre / s
    folded = s * sqrt(2 / pi) * np.exp(-(ratio**2) / 2) + centre * erf(ratio / sqrt(2))
    return np.sum(w * (p * centre + q * folded))


def random_kernel(seed, size, rank=None, closeness=1.0):
    """Unit vectors, those beyond the first `rank` directions shrunk by `closeness`."""
    rng = np.random.default_rng(seed)
    vectors = rng.normal(size=(size, size))
    vectors[:, rank if rank is not None else size :] *= closeness
    vectors /= np.linalg.norm(vectors, axis=1)[:, None]
    return vectors * rng.choice([-1, 1], size)[:, None], rng.uniform(0.5, 2, size)


@st.composite
def vectors(draw, size):
    """Inputs with any rank, parallel and opposite ones among them, over many scales."""
    rank = draw(st.integers(1, size))
    seed = draw(st.integers(0, 2**32 - 1))
    closeness = draw(st.sampled_from([0.0, 1e-9, 1e-6, 1e-3, 1e-1]))
    unit, scale = random_kernel(seed, size, rank, closeness)
    return unit * scale[:, None] * 10.0 ** draw(st.sampled_from([-10, -3, 0, 1.5]))


class TestPairs:
    @pytest.mark.parametrize("scale", [1e-20, 1.0, 1e3])
    @pytest.mark.parametrize("gap", [1.0, 0.2, 1e-3, 1e-12])
    @pytest.mark.parametrize("side", [1, -1])
    @pytest.mark.parametrize("orders", DERIVATIVES)
    def test_derivatives_are_those_of_mpmath(self, scale, gap, side, orders):
        """<d_x^i d_y^j f> from finite differences of the pair function, at 80 digits."""
        kernel = np.array([[scale, 0], [0, 2.3 * scale]])
        kernel[0, 1] = kernel[1, 0] = side * (1 - gap) * sqrt(2.3) * scale
        p, q = (LEAKY[1] + LEAKY[0]) / 2, (LEAKY[1] - LEAKY[0]) / 2
        with mp.workdps(80):

            def pair(xx, yy, xy):
                arc = mp.asin(xy / mp.sqrt(xx * yy))
                return p**2 * xy + q**2 * 2 / mp.pi * (mp.sqrt(xx * yy - xy**2) + xy * arc)

            at = [mp.mpf(kernel[i]) for i in ((0, 0), (1, 1), (0, 1))]
            # 2 d/dK_xx for two derivatives by x, d/dK_xy for one by each
            mixed = min(orders)
            counts = ((orders[0] - mixed) // 2, (orders[1] - mixed) // 2, mixed)
            factor = 2 ** (counts[0] + counts[1])
            step = mp.mpf(scale) * gap * mp.mpf(10) ** -25
            true = factor * mp.diff(pair, at, counts, h=step) if sum(counts) else pair(*at)
        found, error = value(LEAKY, kernel, (1, 1), orders)
        assert abs(found - true) <= 10 * error
        assert error <= 1e-13 * abs(true)

    @pytest.mark.parametrize("slopes", SLOPES)
    @pytest.mark.parametrize("powers", [(1, 1), (2, 2), (3, 1), (1, 3)])
    @given(vectors=vectors(2))
    @settings(max_examples=25, deadline=None)
    def test_products_are_those_of_the_plane(self, slopes, powers, vectors):
        kernel = vectors @ vectors.T
        found, error = value(slopes, kernel, powers)
        true = in_the_plane(slopes, vectors, powers)
        norm = np.prod([k ** (p / 2) for k, p in zip(np.diag(kernel), powers, strict=True)])
        assert abs(found - true) <= 1e-14 * norm
        assert error <= 1e-13 * norm

    def test_determinant_keeps_its_digits(self):
        rng = np.random.default_rng(1)
        xx, yy = 10.0 ** rng.uniform(-140, 140, (2, 200))
        xy = np.sqrt(xx) * np.sqrt(yy) * (1 - 10.0 ** rng.uniform(-14, -1, 200))
        found = root_determinant(xx, yy, xy)
        with mp.workdps(400):
            for i, root in enumerate(found):
                true = mp.sqrt(mp.mpf(xx[i]) * mp.mpf(yy[i]) - mp.mpf(xy[i]) ** 2)
                assert abs(root / true - 1) < 1e-15

    @pytest.mark.parametrize("slopes", SLOPES)
    def test_all_pairs_at_once(self, slopes):
        points = np.random.default_rng(0).normal(size=(6, 3))
        points[3], points[4], points[5] = 2 * points[0], -points[1], 0
        kernel = points @ points.T
        found = homogeneous.pair_products(slopes, kernel)
        for a, b in np.ndindex(6, 6):
            two = kernel[np.ix_([a, b], [a, b])]
            one, error = value(slopes, two, (1, 1))
            assert found.values[a, b] == pytest.approx(one, rel=1e-14, abs=1e-15)
            assert found.errors[a, b] <= error

    @pytest.mark.parametrize("orders", DERIVATIVES)
    @pytest.mark.parametrize("second", [1.0, 3.0, -0.5, 0.0])
    def test_singular_kernels_leave_the_regular_part(self, orders, second):
        p, q = (LEAKY[1] + LEAKY[0]) / 2, (LEAKY[1] - LEAKY[0]) / 2
        limit = {
            (0, 0): p**2 * second + q**2 * abs(second),
            (1, 1): p**2 + np.sign(second) * q**2,
        }.get(orders, 0.0)
        found, error = value(LEAKY, [[1, second], [second, second**2]], (1, 1), orders)
        assert found == pytest.approx(limit, rel=1e-14, abs=1e-15)
        assert np.isfinite(error)


class TestOneInput:
    @pytest.mark.parametrize("slopes", SLOPES)
    @pytest.mark.parametrize("variance", [1e-20, 0.7, 1e3])
    @pytest.mark.parametrize("power", [1, 2, 4])
    @pytest.mark.parametrize("order", [0, 2, 4])
    def test_derivatives_by_the_variance(self, slopes, variance, power, order):
        """<f^(r)> = 2^n d^n <f>/dK^n, n = r/2, and <sigma^m> = K^{m/2} <sigma^m>_1."""
        node, weight = np.polynomial.legendre.leggauss(60)
        x, w = 6 * (1 + node), 6 * weight
        unit = sum(
            np.sum(w * (slope * side * x) ** power * np.exp(-(x**2) / 2))
            for slope, side in zip(slopes, (-1, 1), strict=True)
        ) / sqrt(2 * pi)
        true = unit * variance ** (power / 2)
        for n in range(order // 2):
            true *= 2 * (power / 2 - n) / variance
        found, error = value(slopes, [[variance]], (power,), (order,))
        size = variance ** ((power - order) / 2)
        assert found == pytest.approx(true, rel=1e-12, abs=1e-13 * size)
        assert error <= 1e-13 * max(abs(true), size)

    def test_no_variance(self):
        for order in (0, 2, 4):
            found, _ = value(RELU, [[0.0]], (2,), (order,))
            assert found == (1.0 if order == 2 else 0.0)
        assert value(RELU, [[0.0]], (1,), (2,)) == (0.0, 0.0)


class TestThreeAndFour:
    @pytest.mark.parametrize("slopes", SLOPES)
    @pytest.mark.parametrize("powers", [(2, 1, 1), (1, 2, 1), (1, 1, 1, 1)])
    @given(data=st.data())
    @settings(max_examples=25, deadline=None)
    def test_planes(self, slopes, powers, data):
        """Kernels of rank 2 or less, against exact arcs."""
        drawn = data.draw(vectors(len(powers)))[:, :2]
        norm = np.prod(np.linalg.norm(drawn, axis=1) ** np.array(powers))
        found, error = value(slopes, drawn @ drawn.T, powers)
        true = in_the_plane(slopes, drawn, powers)
        assert abs(found - true) <= 3e-14 * norm
        assert abs(found - true) <= 10 * error
        assert error <= 1e-13 * norm

    @pytest.mark.parametrize("slopes", [RELU, LEAKY])
    @pytest.mark.parametrize("powers", [(2, 1, 1), (1, 2, 1), (1, 1, 1, 1)])
    def test_nested_quadrature(self, slopes, powers):
        points = np.random.default_rng(5).normal(size=(len(powers), 5))
        kernel = points @ points.T
        found, error = value(slopes, kernel, powers)
        norm = np.prod(np.linalg.norm(points, axis=1) ** np.array(powers))
        assert abs(found - nested(slopes, kernel, powers)) <= 1e-10 * norm
        assert error <= 1e-13 * norm

    @pytest.mark.parametrize("seed", range(3))
    def test_stein_at_high_precision(self, seed):
        unit, _ = random_kernel(seed, 4, rank=2 + seed % 2, closeness=0.3)
        correlation = unit @ unit.T
        np.fill_diagonal(correlation, 1)
        with mp.workdps(18):
            true = mean(mp.matrix(correlation.tolist()), [(1, 1)] * 4)
        found, error = absolute_product(correlation[None])
        assert abs(found[0] - true) <= 10 * error[0]
        assert error[0] <= 3e-14

    @pytest.mark.slow
    @pytest.mark.parametrize("closeness", [1e-2, 1e-4, 1e-6])
    @pytest.mark.parametrize("rank", [1, 2, 3])
    def test_nearly_singular_at_high_precision(self, rank, closeness):
        unit, _ = random_kernel(7, 4, rank, closeness)
        correlation = unit @ unit.T
        np.fill_diagonal(correlation, 1)
        with mp.workdps(34):
            true = mean(mp.matrix(correlation.tolist()), [(1, 1)] * 4)
        found, error = absolute_product(correlation[None])
        assert abs(found[0] - true) <= 10 * error[0]

    @pytest.mark.parametrize("slopes", [RELU, LEAKY])
    @given(drawn=vectors(4))
    @settings(max_examples=25, deadline=None)
    def test_order_of_the_inputs(self, slopes, drawn):
        orders = np.array(list(permutations(range(4))))
        kernels = np.stack([drawn[o] @ drawn[o].T for o in orders])
        found = homogeneous.moments(slopes, kernels, [((1, 1, 1, 1), (0, 0, 0, 0))])
        norm = np.prod(np.linalg.norm(drawn, axis=1))
        assert np.ptp(found.values) <= 3e-14 * norm

    @pytest.mark.parametrize("powers", [(1, 1), (3, 1), (2, 1, 1), (1, 1, 1, 1)])
    @given(data=st.data(), factor=st.floats(0.01, 100))
    @settings(max_examples=25, deadline=None)
    def test_homogeneity(self, powers, data, factor):
        drawn = data.draw(vectors(len(powers)))
        grown = drawn.copy()
        grown[0] *= factor
        before, _ = value(LEAKY, drawn @ drawn.T, powers)
        after, _ = value(LEAKY, grown @ grown.T, powers)
        norm = np.prod(np.linalg.norm(grown, axis=1) ** np.array(powers))
        assert abs(after - factor ** powers[0] * before) <= 1e-13 * norm

    @pytest.mark.parametrize("powers", [(2, 1, 1), (1, 1, 1, 1)])
    @pytest.mark.parametrize("rank", [1, 2, 3])
    def test_continuity_into_singular_kernels(self, powers, rank):
        """M is Lipschitz in the inputs: no jump, at whatever distance from the singular kernel."""
        size = len(powers)
        limit, _ = random_kernel(3, size, rank, 0.0)
        toward, _ = random_kernel(4, size)
        reference, _ = value(RELU, limit @ limit.T, powers)
        for step in 10.0 ** np.arange(-15, -2):
            near = limit + step * toward
            found, _ = value(RELU, near @ near.T, powers)
            assert abs(found - reference) <= 20 * step + 1e-14

    def test_merged_inputs_lower_the_number_of_inputs(self):
        """Coinciding, parallel and opposite inputs: a 4-point function becomes a smaller one."""
        x, y, z = np.random.default_rng(2).normal(size=(3, 4))
        four, four_kernel = (1, 1, 1, 1), np.stack([x, x, y, z])
        three, _ = value(RELU, (p := np.stack([x, y, z])) @ p.T, (2, 1, 1))
        assert value(RELU, four_kernel @ four_kernel.T, four)[0] == pytest.approx(three, rel=1e-13)
        cube = np.stack([x, 2 * x, 3 * x, y])
        pair, _ = value(RELU, (p := np.stack([x, y])) @ p.T, (3, 1))
        assert value(RELU, cube @ cube.T, four)[0] == pytest.approx(6 * pair, rel=1e-13)
        opposite = np.stack([x, -x, y, z])
        assert abs(value(RELU, opposite @ opposite.T, four)[0]) <= 1e-14
        nothing = np.stack([x, 0 * x, y, z])
        assert value(LEAKY, nothing @ nothing.T, four) == (0.0, 0.0)


def test_paper_four_inputs():
    """V_4 of the second layer at BCCZ's inputs, ReLU, C_W = 2: C_W^2 <Delta_A Delta_B>."""
    kernel = 2 * PAPER @ PAPER.T / 2
    two = homogeneous.pair_products(RELU, kernel).values

    def vertex(a, b, c, d):
        inputs = sorted({a, b, c, d})
        powers = tuple([a, b, c, d].count(i) for i in inputs)
        here = [i - 1 for i in inputs]
        product, _ = value(RELU, kernel[np.ix_(here, here)], powers)
        return 4 * (product - two[a - 1, b - 1] * two[c - 1, d - 1])

    assert vertex(1, 1, 1, 1) == pytest.approx(20, rel=1e-13)
    assert vertex(1, 2, 1, 2) == pytest.approx(15.93771646, abs=6e-9)
    assert vertex(1, 1, 3, 3) == pytest.approx(-25.99868694, abs=6e-9)
    assert vertex(1, 2, 1, 4) == pytest.approx(-0.510804995, abs=6e-10)
    assert vertex(1, 1, 3, 4) == pytest.approx(-2.099318914, abs=6e-10)
    assert vertex(1, 2, 3, 4) == pytest.approx(-1.488461284, abs=6e-10)


def test_many_kernels_at_once():
    points = np.random.default_rng(0).normal(size=(3, 70, 4, 4))
    kernels = points @ points.swapaxes(-1, -2)
    term = ((1, 1, 1, 1), (0, 0, 0, 0))
    found = homogeneous.moments(LEAKY, kernels, [term])
    assert found.values.shape == (3, 70, 1)
    one = homogeneous.moments(LEAKY, kernels[1, 66], [term])
    assert found.values[1, 66] == pytest.approx(one.values, rel=1e-14)


def test_a_term_without_a_closed_form_is_refused():
    assert not homogeneous.covers(((2, 1, 1), (2, 0, 0)))
    with pytest.raises(ValueError, match="no closed form"):
        value(RELU, np.eye(3), (2, 1, 1), (2, 0, 0))
