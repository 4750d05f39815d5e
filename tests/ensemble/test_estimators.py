"""Third and fourth cumulants: exact sums, unbiasedness by enumeration, coverage of the errors."""

import itertools
from dataclasses import replace
from fractions import Fraction
from functools import cache

import numpy as np
import pytest
from scipy import stats

from nneft.ensemble import Ensemble, sample
from nneft.ensemble.accumulate import Moments
from nneft.ensemble.cumulants import (
    GROUPS,
    CentralSums,
    cumulant_estimate,
    jackknife_error,
    k_statistic,
    normal_variance,
)
from nneft.ensemble.places import dense_places, multisets, rank
from nneft.network import Network

COMPONENTS = 3


def samples(count, seed=0, offset=0.0, scale=1.0, layers=2):
    """Skewed, correlated samples (count, layers, 3)."""
    x = np.random.default_rng(seed).standard_exponential((count, layers, COMPONENTS))
    x[..., 1] += 0.5 * x[..., 0]
    return offset + scale * x


def exact_sums(x):
    """The mean and the central sums of x (count, P), k = 2, 3, 4, in rational arithmetic."""
    rows = [[Fraction(float(v)) for v in row] for row in x]
    mean = [sum(column) / len(rows) for column in zip(*rows, strict=True)]
    d = [[v - m for v, m in zip(row, mean, strict=True)] for row in rows]
    found = []
    for k in (2, 3, 4):
        sets = itertools.combinations_with_replacement(range(len(mean)), k)
        found.append([sum(product(row[i] for i in s) for row in d) for s in sets])
    return mean, found


def product(values):
    result = Fraction(1)
    for value in values:
        result *= value
    return result


def pooled(held):
    return held.pooled(np.zeros(1, dtype=np.intp))


def in_pieces(x, cuts, order=4):
    parts = [CentralSums.of(part, order) for part in np.split(x, cuts)]
    total = parts[0]
    for part in parts[1:]:
        total = total.merge(part)
    return total


def assert_exact(held, x, rtol, scale=1.0, repeats=1):
    plain = pooled(held).in_units(np.zeros(x.shape[1], dtype=np.int64))
    assert plain.samples == repeats * len(x)
    for layer in range(x.shape[1]):
        mean, sums = exact_sums(x[:, layer] / scale)
        np.testing.assert_allclose(plain.mean[0, layer] / scale, [float(m) for m in mean], 1e-15)
        for k, (ours, exact) in enumerate(zip(plain.sums, sums, strict=True), start=2):
            expected = np.array([float(repeats * s) for s in exact])
            bound = rtol * np.abs(expected).max()
            np.testing.assert_allclose(ours[0, layer] / scale**k, expected, rtol=0, atol=bound)


# The samples are rounded at the offset, which their exact sums share; what is left is the rounding
# of the groups' means, 1e-10 of the spread.
@pytest.mark.parametrize(("offset", "rtol"), [(0.0, 1e-14), (1e6, 1e-9)])
@pytest.mark.parametrize("cuts", [[], [1, 2, 40, 41], [150]])
def test_sums_are_exact_however_they_were_merged(offset, rtol, cuts):
    x = samples(200, offset=offset)
    assert_exact(in_pieces(x, cuts), x, rtol)


def test_a_thousand_million_samples_at_an_offset_of_a_million():
    """A record merged with itself 20 times: 1e9 samples whose exact sums are 2^20 times the first.

    Negative control: raw powers at that offset keep no digit of the third cumulant.
    """
    x = samples(1000, offset=1e6, layers=1)
    held = CentralSums.of(x, 4)
    for _ in range(20):
        held = held.merge(held)
    assert held.samples == 1000 * 2**20
    assert len(held.count) <= GROUPS
    assert_exact(held, x, 1e-9, repeats=2**20)
    exact = float(exact_sums(x[:, 0])[1][1][0]) / len(x)
    y = x[:, 0, 0]
    m1, m2, m3 = (np.mean(y**k) for k in (1, 2, 3))
    assert abs(m3 - 3 * m1 * m2 + 2 * m1**3 - exact) > exact


@pytest.mark.parametrize("scale", [1e-70, 1e-18, 1e70])
def test_eighth_points_neither_overflow_nor_underflow(scale):
    x = samples(60, scale=scale)
    assert_exact(in_pieces(x, [20]), x, 1e-12, scale=scale)


@pytest.mark.parametrize("first", [1e-90, 0.0])
def test_a_later_block_may_be_larger_by_any_factor(first):
    """Fourth powers of the second would overflow in units of the first."""
    x = np.concatenate([first * samples(30), samples(30, seed=1)])
    with np.errstate(over="raise", invalid="raise"):
        assert_exact(in_pieces(x, [30]), x, 1e-12)
        assert_exact(in_pieces(x[::-1], [30]), x[::-1], 1e-12)
        both = Moments.of(x[:30]).merge(Moments.of(x[30:]))
    whole = Moments.of(x)
    np.testing.assert_array_equal(both.exponent, whole.exponent)
    np.testing.assert_allclose(both.co.m22, whole.co.m22, rtol=1e-12)


@pytest.mark.parametrize("scale", [1e-70])
def test_a_block_that_vanishes_has_no_unit(scale):
    x = np.concatenate([np.zeros((20, 2, 3)), samples(40, scale=scale)])
    assert_exact(in_pieces(x, [20]), x, 1e-12, scale=scale)


def test_groups_are_bounded_and_of_one_size():
    held = CentralSums.of(samples(100), 3)
    for seed in range(1, 60):
        held = held.merge(CentralSums.of(samples(100, seed), 3))
        assert held.samples == 100 * (seed + 1)
        assert len(held.count) <= GROUPS
        assert held.count[:-1].min() >= held.size
    assert held.count.max() < 2.1 * held.size


#: A skewed law of two correlated numbers: values (x, y) with their probabilities.
LAW = {(0, 1): Fraction(1, 2), (1, 3): Fraction(1, 3), (4, 0): Fraction(1, 6)}


def joint_cumulant(indices):
    """Of the law, by the sum over set partitions: sum (-1)^(b-1) (b-1)! prod <block>."""
    total = Fraction(0)
    for blocks in partitions(list(range(len(indices)))):
        term = Fraction((-1) ** (len(blocks) - 1))
        for factor in range(1, len(blocks)):
            term *= factor
        for block in blocks:
            term *= sum(p * product(Fraction(v[indices[i]]) for i in block) for v, p in LAW.items())
        total += term
    return total


def partitions(items):
    if not items:
        yield []
        return
    first, rest = items[0], items[1:]
    for others in partitions(rest):
        yield [[first], *others]
        for i, block in enumerate(others):
            yield [*others[:i], [first, *block], *others[i + 1 :]]


@pytest.mark.parametrize(("k", "count"), [(2, 3), (3, 3), (3, 5), (4, 4), (4, 6)])
def test_k_statistics_are_unbiased(k, count):
    """Their mean over all samples of a finite law is the joint cumulant; the plain ones' is not."""
    draws = list(itertools.product(LAW, repeat=count))
    weights = np.array([float(product(LAW[v] for v in draw)) for draw in draws])
    expected = [float(joint_cumulant(s)) for s in multisets(2, k).tolist()]
    found = np.zeros(len(expected))
    biased = np.zeros(len(expected))
    for draw, weight in zip(draws, weights, strict=True):
        held = pooled(CentralSums.of(np.array(draw, dtype=np.float64)[:, None], max(k, 3)))
        unit = np.ldexp(1.0, k * held.exponent[0])
        found += weight * unit * k_statistic(k, held)[0, 0]
        biased += weight * unit * held.sums[k - 2][0, 0] / count
    np.testing.assert_allclose(found, expected, rtol=1e-12, atol=1e-13)
    assert np.abs(biased - expected).max() > 1e-2


def test_leaving_one_out_is_what_it_says():
    x = samples(96, offset=50.0)
    held = CentralSums.of(x, 4)
    left = held.one_left_out()
    edges = np.concatenate([[0], np.cumsum(held.count)])
    for group in (0, 7, len(held.count) - 1):
        rest = np.delete(x, np.s_[edges[group] : edges[group + 1]], axis=0)
        direct = pooled(CentralSums.of(rest, 4)).in_units(held.exponent)
        assert left.count[group] == len(rest)
        np.testing.assert_allclose(left.mean[group], direct.mean[0], rtol=1e-15)
        for ours, expected in zip(left.sums, direct.sums, strict=True):
            np.testing.assert_allclose(ours[group], expected[0], rtol=1e-11, atol=1e-13)


DEGREES, SHAPE = 200, 100.0
SIGMA = np.array([[1.0, 0.6], [0.6, 1.0]])


def wishart(generator, count, repeats):
    """(count, repeats, 3) entries 11, 12, 22 of S = X X^T / n with covariance SIGMA (Bartlett)."""
    root = np.linalg.cholesky(SIGMA / DEGREES)
    first = np.sqrt(2 * generator.standard_gamma(DEGREES / 2, (count, repeats)))
    second = np.sqrt(2 * generator.standard_gamma((DEGREES - 1) / 2, (count, repeats)))
    below = generator.standard_normal((count, repeats))
    x = root[0, 0] * first
    y, z = root[1, 0] * first + root[1, 1] * below, root[1, 1] * second
    return np.stack([x * x, x * y, y * y + z * z], axis=-1)


def wishart_cumulant(indices):
    """kappa_k = n^(1-k) 2^(k-1) times the sum over cyclic orders, symmetrised: tr of k matrices.

    ``log E exp(tr T S) = -n/2 log det(1 - 2 T Sigma / n)``, so kappa_k of ``tr T_i S`` is
    ``2^(k-1) n^(1-k) sum over (k-1)! orders of tr(T_1 Sigma T_p2 Sigma ..)``.
    """
    basis = []
    for a, b in ((0, 0), (0, 1), (1, 1)):
        t = np.zeros((2, 2))
        t[a, b] += 0.5
        t[b, a] += 0.5
        basis.append(t @ SIGMA)
    first, *rest = (basis[i] for i in indices)
    k = len(indices)
    traces = [
        np.trace(np.linalg.multi_dot([first, *order])) for order in itertools.permutations(rest)
    ]
    return (2 / DEGREES) ** (k - 1) * sum(traces)


def gamma(generator, count, repeats):
    return generator.standard_gamma(SHAPE, (count, repeats, 1))


LAWS = {
    "gamma": (gamma, lambda s: SHAPE * float(np.prod(range(1, len(s))))),
    "wishart": (wishart, wishart_cumulant),
}
REPEATS, TOGETHER = 1000, 25


@cache
def repeats(law, k, count):
    """(1000, M_k) estimates of kappa_k with their errors from 1000 ensembles, and the truth (M_k,).

    Sums treat layers alike and apart: 25 repeats go as 25 layers.
    """
    draw, cumulant = LAWS[law]
    generator = np.random.default_rng(2305)
    means, errors = [], []
    for _ in range(REPEATS // TOGETHER):
        # Two blocks of unequal sizes: 32 groups of one size, 32 of another.
        held = in_pieces(draw(generator, count, TOGETHER), [count // 3], k)
        found = cumulant_estimate(held, k)
        means.append(found.mean)
        errors.append(found.error)
    truth = [cumulant(s) for s in multisets(held.mean.shape[-1], k).tolist()]
    return np.concatenate(means), np.concatenate(errors), np.array(truth)


# An estimate is skewed, and its error goes with it: of order sqrt(216 / count) for kappa_4 of a
# normal law, so that many are needed for a normal pull.
CASES = [
    ("gamma", 3, 6_000),
    ("wishart", 3, 6_000),
    pytest.param("gamma", 4, 60_000, marks=pytest.mark.slow),
    pytest.param("wishart", 4, 60_000, marks=pytest.mark.slow),
]


@pytest.mark.parametrize(("law", "k", "count"), CASES)
def test_pulls_of_a_known_law_are_standard_normal(law, k, count):
    """1000 pulls of every component against N(0,1) by Kolmogorov and Smirnov; wrong ones fail."""
    mean, error, truth = repeats(law, k, count)
    pulls = (mean - truth) / error
    size = len(truth)
    least = min(stats.kstest(pulls[:, c], "norm").pvalue for c in range(size))
    assert least > 1e-3 / size, pulls.mean(axis=0)
    # Errors 20 % too small, and a shift by a third of an error, must be noticed.
    for wrong in (pulls / 0.8, pulls + 1 / 3):
        assert min(stats.kstest(wrong[:, c], "norm").pvalue for c in range(size)) < 1e-3 / size


@pytest.mark.parametrize(("law", "k", "count"), CASES)
def test_errors_are_the_spread_of_the_estimates(law, k, count):
    mean, error, _ = repeats(law, k, count)
    ratio = np.sqrt((error**2).mean(axis=0)) / mean.std(axis=0, ddof=1)
    # The spread of 1000 numbers near normal is known to 2.3 %.
    assert np.all(np.abs(ratio - 1.0) < 4 * 0.023)


@pytest.mark.parametrize("k", [2, 3, 4])
def test_the_spread_of_a_normal_law(k):
    """Of three correlated normal components, over 4000 repeats of 12 samples each."""
    generator = np.random.default_rng(k)
    root = np.array([[1.0, 0.0, 0.0], [0.7, 0.5, 0.0], [-0.2, 0.4, 0.9]])
    samples = generator.standard_normal((12, 4000, 3)) @ root.T
    held = CentralSums.of(samples, k).pooled(np.zeros(1, dtype=np.intp))
    estimates = np.ldexp(k_statistic(k, held)[0], k * held.exponent[:, None])
    # With the covariances themselves; those of 12 samples would be biased in powers.
    exact = replace(
        held,
        sums=(np.array((11 * root @ root.T)[np.triu_indices(3)])[None, None], *held.sums[1:]),
    )
    spread = estimates.std(axis=0, ddof=1)
    expected = np.sqrt(normal_variance(k, exact)[0])
    # Of 4000 numbers of kurtosis 10 the spread is known to 2.5 %.
    np.testing.assert_allclose(spread, expected, rtol=4 * 0.025)


def test_few_samples_of_a_normal_law_are_not_taken_for_less():
    """Pulls of kappa_4 of 200 samples; leaving out groups alone gives them a spread of 1.15."""
    held = CentralSums.of(np.random.default_rng(5).standard_gamma(100.0, (200, 2000, 1)), 4)
    found = cumulant_estimate(held, 4)
    pulls = (found.mean - 600.0) / found.error
    assert 0.75 < np.sqrt(np.mean(pulls**2)) < 1.0
    error = jackknife_error(found.mean, *(_left_out(held, 4)))
    assert np.sqrt(np.mean(((found.mean - 600.0) / error) ** 2)) > 1.1


def _left_out(held, k):
    apart = k_statistic(k, held.one_left_out())
    return np.ldexp(apart, k * held.exponent[:, None]), held.count


def test_places():
    sets = multisets(4, 3)
    assert sets.tolist() == [list(s) for s in itertools.combinations_with_replacement(range(4), 3)]
    np.testing.assert_array_equal(rank(sets[:, ::-1], 4), np.arange(len(sets)))
    dense = dense_places(4, 3)
    for a, b, c in itertools.product(range(4), repeat=3):
        assert sets[dense[a, b, c]].tolist() == sorted([a, b, c])


INPUTS = np.array([[1.0, 1.0], [-1.4, 2.0]])
NET = Network((2, 20, 30, 20), "tanh", [1.0, 1.1, 1.2], 0.1)


@pytest.fixture(scope="module")
def ensemble():
    return sample(NET, INPUTS, networks=600, seed=3, points=8)


def test_shapes_symmetries_and_components(ensemble):
    for points in (4, 6, 8):
        dense = ensemble.V(points)
        assert dense.mean.shape == dense.error.shape == (3, *(2,) * points)
        assert dense.count == 600
        assert not dense.mean[0].any()
        assert np.all(dense.error[1:] > 0)
        np.testing.assert_array_equal(dense.mean, np.swapaxes(dense.mean, 1, 2))
        np.testing.assert_allclose(
            dense.mean, np.moveaxis(dense.mean, (1, 2), (3, 4)), rtol=1e-12, atol=1e-300
        )
        at = (0, 1, 1, 1, 1, 0, 0, 0)[:points]
        one = ensemble.V(points, at=at)
        np.testing.assert_array_equal(one.mean, dense.mean[(slice(None), *at)])
        np.testing.assert_allclose(one.error, dense.error[(slice(None), *at)], rtol=1e-12)


def test_against_the_samples_themselves():
    from nneft.ensemble.chain import chain_block
    from nneft.ensemble.plan import Plan

    plan = Plan(NET, NET.first_kernel(INPUTS), INPUTS, "chain", "float64", 5, 8)
    g = chain_block(plan, 0, 300)[:, 1]
    ensemble = sample(NET, INPUTS, networks=300, seed=5, points=8)
    diagonal = [(0, (0, 0)), (2, (1, 1))]
    for component, pair in diagonal:
        for k in (3, 4):
            expected = 30.0 ** (k - 1) * kstat(g[:, component], k)
            found = ensemble.V(2 * k, at=pair * k).mean[2]
            assert found == pytest.approx(expected, rel=1e-9)


def kstat(x, k):
    """Fisher's k3 and k4 of one variable from power sums of centred samples."""
    n, d = len(x), x - x.mean()
    s2, s3, s4 = (np.sum(d**p) for p in (2, 3, 4))
    if k == 3:
        return n * s3 / ((n - 1) * (n - 2))
    return (n * (n + 1) * s4 - 3 * (n - 1) * s2**2) / ((n - 1) * (n - 2) * (n - 3))


def test_one_input_exactly():
    """Linear, one input: log-moments of a product of chi-squares, V_6 and V_8 at layers 2 to 4."""
    n = 30
    ensemble = sample(
        Network((1, n, n, n, n), "linear", 1.0), kernel=1.0, networks=200_000, seed=8, points=8
    )
    for layer in (2, 3, 4):
        # <G^p> = prod_{j<p} (1 + 2j/n) to the power of the layers below
        m = [float(np.prod([1 + 2 * j / n for j in range(p)])) ** (layer - 1) for p in range(5)]
        k3 = m[3] - 3 * m[2] + 2
        k4 = m[4] - 4 * m[3] - 3 * m[2] ** 2 + 12 * m[2] - 6
        for points, exact in ((6, n**2 * k3), (8, n**3 * k4)):
            found = ensemble.V(points, at=(0,) * points)[layer - 1]
            assert abs(found.pull(exact)) < 4
            assert found.error < 0.2 * exact


def test_what_is_held_does_not_change_the_rest(ensemble):
    plain = sample(NET, INPUTS, networks=600, seed=3)
    np.testing.assert_array_equal(plain.V(4).mean, ensemble.V(4).mean)
    np.testing.assert_array_equal(plain.kernel.error, ensemble.kernel.error)
    assert (plain.points, ensemble.points) == (4, 8)
    with pytest.raises(ValueError, match=r"V\(6\) .*points=6.* holds <G> \(.kernel\) and V\(4\)"):
        plain.V(6)
    with pytest.raises(ValueError, match="one without V_6"):
        plain.merge(sample(NET, INPUTS, networks=5, seed=1, points=6))


def test_workers_change_nothing():
    networks = 5000
    one = sample(NET, INPUTS, networks=networks, workers=1, points=8)
    two = sample(NET, INPUTS, networks=networks, workers=3, points=8, batch=7)
    np.testing.assert_array_equal(one.V(8).error, two.V(8).error)


@pytest.mark.parametrize("points", [6, 8])
def test_a_file_gives_it_back_bit_for_bit(points, tmp_path):
    import xarray

    kept = sample(NET, INPUTS, networks=200, points=points)
    kept.save(tmp_path / "e.nc")
    with xarray.open_dataset(tmp_path / "e.nc", engine="h5netcdf") as stored:
        again = Ensemble.from_xarray(stored)
        row = stored["inputs_V_6"].values.tolist().index([0, 0, 0, 1, 1, 1])
        value = float(stored["V_6"][2, row])
    assert again.points == points
    np.testing.assert_array_equal(again.V(points).error, kept.V(points).error)
    assert value == kept.V(6, at=(0, 0, 0, 1, 1, 1)).mean[2]
    more = sample(NET, INPUTS, networks=50, seed=1, points=points)
    np.testing.assert_array_equal(again.merge(more).V(points).mean, kept.merge(more).V(points).mean)


@pytest.mark.parametrize(
    ("ask", "error", "message"),
    [
        (lambda e: e.V(8, at=(0, 1)), ValueError, "at must be 8 indices of inputs from 0 to 1"),
        (lambda e: e.V(4, at=(0, 0, 0, 2)), ValueError, "at must be 4 indices"),
        (lambda e: e.V(6, at=(0.5,) * 6), TypeError, "at must be 6 indices"),
        (lambda e: e.V(5), ValueError, r"V\(5\) was asked for, but"),
        (lambda e: e.V(10), ValueError, r"V\(10\) was asked for, but"),
    ],
)
def test_wrong_calls(ensemble, ask, error, message):
    with pytest.raises(error, match=message):
        ask(ensemble)


def test_too_few_networks():
    few = sample(NET, INPUTS, networks=4, points=8)
    with pytest.raises(ValueError, match="kappa_4 with its error needs 5 networks or more"):
        few.V(8)
    assert np.isfinite(few.V(6).error).all()
    assert "V_8: kappa_4" in few.to_xarray().attrs["left_out"]


def test_single_precision_at_six_points_warns():
    with pytest.warns(UserWarning, match="end at 5.4 standard deviations"):
        sample(NET, INPUTS, networks=5, dtype="float32", points=6)


def test_too_many_inputs_say_what_it_takes():
    x = np.random.default_rng(0).standard_normal((14, 2))
    with pytest.raises(ValueError, match=r"V_8 on 14 inputs .* needs sums of \d+ bytes"):
        sample(NET, x, networks=2, points=8)
