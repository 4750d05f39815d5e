"""Nested panels against closed forms, mpmath, other coordinates, and themselves in a limit."""

import mpmath as mp
import numpy as np
import pytest
from gaussian.conditioned import PIECES, one_factor, pair_derivative, polar
from hypothesis import given, settings
from hypothesis import strategies as st

from nneft.activations import resolve
from nneft.activations.base import Activation
from nneft.errors import NumericsError
from nneft.gaussian.nested import moments

VARIANCES = [1e-20, 1e-3, 1.0, 50.0]
CLOSE = [1 - 1e-4, -1 + 1e-8, 1 - 1e-12, -1 + 1e-12]
CORRELATIONS = [0.0, 0.3, -0.95, *CLOSE, 1.0, -1.0]
CLIPPED = "max(-1, min(1, x))"
PLAIN = {3: ((2, 1, 1), (0, 0, 0)), 4: ((1, 1, 1, 1), (0, 0, 0, 0))}


def correlated(a, b, rho):
    # squares of representable deviations, so that rho = 1 is singular exactly
    s, t = np.sqrt(a), np.sqrt(b)
    return np.array([[s * s, rho * (s * t)], [rho * (s * t), t * t]])


def check(found, truth, norm, *, promised=1e-10, fair=1e3):
    """Accuracy promised, and an error estimate that holds without being empty."""
    truth, norm = np.asarray(truth, dtype=float), np.asarray(norm, dtype=float)
    missed = np.abs(found.values - truth)
    assert np.all(missed <= promised * norm), (found, truth)
    # truths are double precision too
    assert np.all(missed <= 10.0 * found.errors + 4e-15 * norm), (found, truth)
    assert np.all(found.errors <= np.maximum(fair * missed, promised * norm)), (found, truth)


# One input


@pytest.mark.parametrize("variance", VARIANCES)
def test_one_relu_with_its_delta_functions(variance):
    terms = [
        ((p,), (r,)) for p, r in [(2, 0), (2, 2), (2, 4), (4, 0), (1, 2), (1, 3), (1, 4), (2, 3)]
    ]
    p = 1.0 / np.sqrt(2 * np.pi * variance)
    exact = [0.5 * variance, 1.0, 0.0, 1.5 * variance**2, p, 0.0, -p / variance, 2 * p]
    found = moments(resolve("relu"), np.array([[variance]]), terms)
    np.testing.assert_allclose(found.values, exact, rtol=3e-15)
    assert np.all(found.errors <= 1e-14 * np.abs(exact))


@pytest.mark.parametrize("name", ["tanh", "elu", "selu", "gelu", "softplus", CLIPPED])
@pytest.mark.parametrize("variance", [1e-20, 0.3, 50.0, 100.0])
@mp.workdps(20)
def test_one_input_in_multiple_precision(name, variance):
    activation = resolve(name)
    functions = {
        "tanh": mp.tanh,
        "elu": lambda x: x if x > 0 else mp.expm1(x),
        "selu": lambda x: PIECES["selu"][0] * x if x > 0 else PIECES["selu"][1] * mp.expm1(x),
        "gelu": lambda x: x * mp.ncdf(x),
        "softplus": lambda x: mp.log1p(mp.exp(x)),
        CLIPPED: lambda x: max(-1, min(1, x)),
    }
    s = mp.sqrt(mp.mpf(variance))
    places = {-12.0, -5.0, 0.0, 5.0, 12.0, *(float(x / s) for x in (-8, -3, -1, 1, 3, 8))}
    ends = sorted(z for z in places if abs(z) <= 12.0)
    found = moments(activation, np.array([[variance]]), [((1,), (0,)), ((2,), (0,)), ((4,), (0,))])
    exact = [
        s**p * mp.quad(lambda z, p=p: (functions[name](s * z) / s) ** p * mp.npdf(z), ends)
        for p in (1, 2, 4)
    ]
    norms = [abs(float(exact[1])) ** 0.5, float(exact[1]), float(exact[2])]
    check(found, exact, norms, promised=2e-14)


def test_the_kernel_of_the_paper_for_tanh():
    # inputs (1,1) and (-1.4,2) at C_W = 1: K_0(11) and K_0(12) at the second layer
    kernel = np.array([[1.0, 0.3], [0.3, 2.98]])
    [square] = moments(resolve("tanh"), kernel[:1, :1], [((2,), (0,))]).values
    [product] = moments(resolve("tanh"), kernel, [((1, 1), (0, 0))]).values
    assert square == pytest.approx(0.3942944904, abs=5e-11)
    assert product == pytest.approx(0.0749866329, abs=5e-11)


# Two inputs

ORDER_ONE = [(0, 0), (1, 1), (2, 0), (0, 2), (4, 0), (3, 1), (2, 2), (1, 3), (0, 4)]


@mp.workdps(40)
def relu_pair(kernel):
    """Arc-cosine kernels: <s s>, <s' s'>, <s'' s>, <s'' s''>, <s^2 s^2>."""
    a, b, c = (mp.mpf(float(kernel[i])) for i in ((0, 0), (1, 1), (0, 1)))
    determinant = max(a * b - c * c, mp.mpf(0))
    angle = mp.atan2(mp.sqrt(determinant), c)
    root, two_pi = mp.sqrt(determinant), 2 * mp.pi
    exact = [
        (root + (mp.pi - angle) * c) / two_pi,
        (mp.pi - angle) / two_pi,
        root / a / two_pi,
        1 / root / two_pi if determinant else mp.mpf(0),
        (3 * root * c + (mp.pi - angle) * (a * b + 2 * c * c)) / two_pi,
    ]
    return [float(x) for x in exact]


@pytest.mark.parametrize("rho", CORRELATIONS)
@pytest.mark.parametrize("variances", [(1e-20, 1e-20), (1.0, 2.25), (50.0, 50.0), (1e-6, 4.0)])
def test_relu_pairs(variances, rho):
    kernel = correlated(*variances, rho)
    orders = [(0, 0), (1, 1), (2, 0), (2, 2)]
    terms = [*(((1, 1), r) for r in orders), ((2, 2), (0, 0))]
    found = moments(resolve("relu"), kernel, terms)
    exact = relu_pair(kernel)
    a, b = kernel[0, 0], kernel[1, 1]
    norms = [0.5 * np.sqrt(a * b), 0.5, 0.5 * np.sqrt(b / a), abs(exact[3]), 1.5 * a * b]
    check(found, exact, norms, promised=2e-14)
    if rho not in (1.0, -1.0):
        # the last digits count too: values this small have to be right
        np.testing.assert_allclose(found.values, exact, rtol=1e-9)


@pytest.mark.parametrize(("name", "rho"), [("selu", 0.3), ("elu", 1 - 1e-12)])
@mp.workdps(20)
def test_kinked_derivatives_in_multiple_precision(name, rho):
    kernel = correlated(0.5, 2.0, rho)
    orders = [(1, 1), (3, 1)]
    found = moments(resolve(name), kernel, [((1, 1), r) for r in orders])
    exact = [float(pair_derivative(PIECES[name], kernel, r)) for r in orders]
    np.testing.assert_allclose(found.values, exact, rtol=1e-12)
    check(found, exact, np.abs(exact), promised=1e-12)


@pytest.mark.parametrize("rho", [0.0, 0.6, -0.99, 1 - 1e-12, -1.0])
@pytest.mark.parametrize("variance", [1e-20, 1.0, 50.0])
@pytest.mark.parametrize("name", ["tanh", "gelu", "mish"])
def test_smooth_pairs_by_the_trapezoidal_rule(name, variance, rho):
    activation = resolve(name)
    kernel = correlated(variance, variance, rho)
    s = np.sqrt(variance)
    # the error is exp(-2 pi scale / (s step)), times (2 pi / step)^4 for the derivatives' poles
    step = 0.02 if variance > 1 else 0.1
    z = step * np.arange(-round(9.5 / step), round(9.5 / step) + 1)
    weight = step * np.exp(-0.5 * z * z) / np.sqrt(2 * np.pi)
    first = activation.derivatives(s * z, 4)
    other = rho * z[:, None] + np.sqrt((1 - rho) * (1 + rho)) * z
    second = np.einsum("rij,j->ri", activation.derivatives(s * other, 4), weight)
    table = np.einsum("ri,i,ti->rt", first, weight, second)
    sizes = np.sqrt(np.einsum("ri,i->r", first**2, weight))
    found = moments(activation, kernel, [((1, 1), r) for r in ORDER_ONE])
    exact = [table[r] for r in ORDER_ONE]
    check(found, exact, [sizes[i] * sizes[j] for i, j in ORDER_ONE], promised=2e-13)


@pytest.mark.parametrize(
    "name", ["selu", CLIPPED, "where(x > 1, x^2, x)", "abs(x)^3", "max(x, x^2-1)"]
)
def test_derivatives_by_the_kernel(name):
    # d/dK_ab <f g> = <f' g'>, and by K_aa half <f'' g>: delta functions included
    activation = resolve(name)
    kernel = np.array([[1.3, 0.4], [0.4, 0.7]])
    step = 1e-4

    def value(change, term=((1, 1), (0, 0))):
        return moments(activation, kernel + np.array(change), [term]).values[0]

    def slope(change, term=((1, 1), (0, 0))):
        change = step * np.array(change)
        far = value(2 * change, term) - value(-2 * change, term)
        return (8 * (value(change, term) - value(-change, term)) - far) / (12 * step)

    off, first, second = [[0, 1], [1, 0]], [[1, 0], [0, 0]], [[0, 0], [0, 1]]
    terms = [((1, 1), r) for r in [(1, 1), (2, 0), (0, 2), (2, 2), (3, 1), (4, 0)]]
    found = moments(activation, kernel, terms).values
    exact = [
        slope(off),
        2 * slope(first),
        2 * slope(second),
        slope(off, terms[0]),
        2 * slope(first, terms[0]),
        2 * slope(first, terms[1]),
    ]
    np.testing.assert_allclose(found, exact, rtol=1e-9, atol=1e-9)


@pytest.mark.parametrize("name", ["elu", CLIPPED, "where(x > 0.5, 1, 0)", "tanh"])
@pytest.mark.parametrize("sign", [1, -1])
def test_singular_pairs_are_the_limit_of_close_ones(name, sign):
    activation = resolve(name)
    terms = [((1, 1), (0, 0)), ((2, 1), (0, 0)), ((2, 2), (0, 0))]
    exact = moments(activation, correlated(1.0, 2.25, sign), terms)
    power = 1.0 if name.startswith("where") else 2.0
    for gap in (1e-4, 1e-8, 1e-12):
        close = moments(activation, correlated(1.0, 2.25, sign * (1 - gap)), terms)
        # a step is smeared over the conditional width, what is continuous over its square
        assert np.all(np.abs(close.values - exact.values) < 10.0 * gap ** (power / 2))
    single = [activation(x) * activation(1.5 * sign * x) for x in np.linspace(-2, 2, 5)]
    assert np.all(np.isfinite(single))


def test_at_a_singular_kernel_what_diverges_is_left_out():
    kernel = correlated(1.0, 1.0, 1.0)
    found = moments(resolve("relu"), kernel, [((1, 1), r) for r in [(2, 2), (2, 1), (2, 0)]])
    # <delta step> = p(0)/2, the mean of both sides
    np.testing.assert_allclose(found.values, [0.0, 0.5 / np.sqrt(2 * np.pi), 0.0], atol=1e-15)


@settings(max_examples=40)
@given(
    st.sampled_from(["elu", CLIPPED, "where(x > 0.5, x, -1)", "silu"]),
    st.floats(-12, 1.5),
    st.floats(-12, 1.5),
    st.floats(0, 12),
    st.booleans(),
)
def test_pairs_are_symmetric(name, first, second, gap, opposite):
    rho = (1 - 10.0**-gap) * (-1 if opposite else 1)
    kernel = correlated(10.0**first, 10.0**second, rho)
    orders = [(0, 0), (1, 0), (2, 0), (3, 1), (1, 1), (2, 2)]
    found = moments(resolve(name), kernel, [((1, 2), r) for r in orders])
    other = moments(resolve(name), kernel[::-1, ::-1], [((2, 1), r[::-1]) for r in orders])
    assert np.all(np.abs(found.values - other.values) <= 10 * (found.errors + other.errors))
    assert np.all(np.isfinite(found.errors))


# Three and four inputs


def draw(seed, size):
    """A kernel ``v v^T + diag(t^2)``, narrow noise now and then."""
    rng = np.random.default_rng(seed)
    t = np.abs(rng.normal(size=size)) * np.where(
        rng.random(size) < 0.4, 10.0 ** -rng.uniform(0, 4), 1
    )
    v = rng.normal(size=size)
    scale = np.exp(0.3 * rng.normal(size=size)) / np.sqrt(v * v + t * t)
    return v * scale, t * scale


@pytest.mark.parametrize("variance", [1e-2, 1.0, 10.0])
@pytest.mark.parametrize("name", list(PIECES))
@pytest.mark.parametrize("size", [3, 4])
def test_one_common_factor(size, name, variance):
    pieces, term = PIECES[name], PLAIN[size]
    estimates = []
    for seed in range(4 if size == 3 else 3):
        v, t = (np.sqrt(variance) * x for x in draw(100 * seed + size, size))
        found = moments(resolve(name), np.outer(v, v) + np.diag(t * t), [term])
        exact = one_factor(v, t, pieces, term[0])
        norm = (
            np.prod([one_factor([a], [b], pieces, (2,)) for a, b in zip(v, t, strict=True)]) ** 0.5
        )
        missed = abs(found.values[0] - exact) / norm
        assert missed < (1e-10 if size == 3 else 1e-7)
        assert missed <= 10 * found.errors[0] / norm + 1e-14
        estimates.append((found.errors[0] / norm, missed))
    # a single error may happen to vanish; estimates are judged together
    estimate, missed = np.median(np.array(estimates), axis=0)
    assert estimate < max(1e3 * missed, 1e-12)


@pytest.mark.parametrize("name", ["relu", "selu", "abs(x) + x/3", "tanh"])
@pytest.mark.parametrize("size", [3, 4])
def test_kernels_of_rank_two_in_polar_coordinates(size, name):
    activation = resolve(name)
    for seed in range(3):
        rows = np.random.default_rng(seed).normal(size=(size, 2))
        if seed == 1:
            rows[1] = -rows[0]
        if seed == 2:
            rows[2] = 1.5 * rows[0]
        exact = polar(rows, activation, PLAIN[size][0])
        norm = np.prod([np.sqrt(polar(rows[[i]], activation, (2,))) for i in range(size)])
        found = moments(activation, rows @ rows.T, [PLAIN[size]])
        assert abs(found.values[0] - exact) < 1e-6 * norm
        assert abs(found.values[0] - exact) <= 10 * found.errors[0]


@pytest.mark.parametrize("name", ["elu", CLIPPED, "where(x > 0.5, 1, 0)"])
def test_independent_pairs_factorise(name):
    activation = resolve(name)
    first, second = correlated(1.0, 2.0, 0.9), correlated(0.3, 5.0, -0.999)
    kernel = np.zeros((4, 4))
    kernel[np.ix_([0, 2], [0, 2])], kernel[np.ix_([1, 3], [1, 3])] = first, second
    one, two = (moments(activation, k, [((1, 1), (0, 0))]).values[0] for k in (first, second))
    found = moments(activation, kernel, [PLAIN[4]])
    assert found.values[0] == pytest.approx(one * two, abs=1e-6)
    assert abs(found.values[0] - one * two) <= 10 * found.errors[0]


@pytest.mark.parametrize("size", [3, 4])
@pytest.mark.parametrize("name", ["selu", CLIPPED, "tanh"])
def test_orders_of_the_inputs_agree(name, size):
    factor = np.random.default_rng(size).normal(size=(size, size))
    kernel = factor @ factor.T / size
    values = []
    for shift in range(size):
        order = np.roll(np.arange(size), shift)
        powers = tuple(int(PLAIN[size][0][a]) for a in order)
        found = moments(resolve(name), kernel[np.ix_(order, order)], [(powers, (0,) * size)])
        values.append((found.values[0], found.errors[0]))
    value, error = np.array(values).T
    assert np.ptp(value) <= 10 * error.max()


def test_many_singular_kernels_are_the_limit_of_close_ones():
    rows = np.array([[1.0, 0.0], [0.8, 0.6], [-1.0, 0.1], [0.3, -1.2]])
    noise = np.random.default_rng(5).normal(size=(4, 4))
    for name in ("elu", CLIPPED):
        singular = moments(resolve(name), rows @ rows.T, [PLAIN[4]])
        for gap in (1e-2, 1e-4):
            kernel = rows @ rows.T + gap**2 * (noise @ noise.T)
            close = moments(resolve(name), kernel, [PLAIN[4]])
            assert abs(close.values[0] - singular.values[0]) < 20 * gap**2 + 1e-7


@pytest.mark.parametrize("order", [0, 1])
def test_absolute_values_to_the_third_power(order):
    # |x| of opposite inputs: <|x|^3 |x|^3 x^2> and its relatives are moments of one Gaussian
    activation = resolve("abs(x)^3")
    kernel = 0.7 * np.array([[1.0, -1.0, 2.0], [-1.0, 1.0, -2.0], [2.0, -2.0, 4.0]])
    found = moments(activation, kernel, [((2, 1, 1), (order, 0, 0))])
    # <|x|^12> 2^3, and <(x^6)' ..> = 0 by parity
    exact = 0.0 if order else 8 * 10395 * 0.7**6
    assert found.values[0] == pytest.approx(exact, rel=1e-9, abs=1e-4)


# Inputs that do not fluctuate, and calls that cannot be answered


@pytest.mark.parametrize("size", [1, 2, 3, 4])
def test_inputs_without_variance_are_numbers(size):
    activation = resolve("where(x > 0, x + 1, x)")
    kernel = np.zeros((size + 1, size + 1))
    kernel[:size, :size] = 0.5 * np.eye(size) + 0.2
    powers = (1,) * size
    rest = moments(activation, kernel[:size, :size], [(powers, (0,) * size)])
    # the mean of 0 and 1 on the two sides
    found = moments(activation, kernel, [((*powers, 1), (0,) * (size + 1))])
    assert found.values[0] == pytest.approx(0.5 * rest.values[0], rel=1e-15)
    nothing = moments(activation, np.zeros((size, size)), [(powers, (0,) * size)])
    assert nothing.values[0] == 0.5**size


def test_moments_that_diverge_are_refused():
    with pytest.raises(ValueError, match="diverge"):
        moments(resolve("exp(x^2/10)"), np.array([[4.0]]), [((2,), (0,))])


def test_delta_functions_of_three_inputs_are_refused():
    with pytest.raises(NumericsError, match="delta functions"):
        moments(resolve("relu"), np.eye(3), [((1, 1, 1), (2, 0, 0))])
    [value] = moments(resolve("relu"), np.eye(3), [((1, 1, 1), (1, 1, 1))]).values
    assert value == pytest.approx(1 / 8, rel=1e-12)


def test_derivatives_found_by_differences_come_with_their_errors():
    made = Activation(lambda x: np.where(x > 0, x, np.expm1(x)), kinks=(0.0,))
    for variance in (1e-20, 1.0):
        kernel = correlated(variance, variance, -0.9)
        terms = [((1, 1), r) for r in ORDER_ONE]
        found, exact = moments(made, kernel, terms), moments(resolve("elu"), kernel, terms)
        assert np.all(np.abs(found.values - exact.values) <= 10 * found.errors)
        # values alone are as good as the function
        assert found.errors[0] <= 1e-14 * variance
