"""What is left after order P falls as ``n^-(P+1)``: against the exact law of one input's kernel."""

from math import comb

import numpy as np
import pytest

import nneft

SCALES = (32, 64, 128, 256, 512)
#: Highest order held.
HIGHEST = 4
LAYER = 4
# activation, C_W, C_b
NETWORKS = [
    ("tanh", 2.0, 0.1),
    ("gelu", 2.0, 0.1),
    ("relu", 2.0, 0.1),
    ("erf", 1.5, 0.0),
    ("selu", 1.0, 0.0),
]


def network(name: str, C_W: float, C_b: float, n: int) -> nneft.Network:
    """Unequal widths, in ratios that do not change."""
    return nneft.Network((1, n, 2 * n, 3 * n // 2, n), name, C_W, C_b)


def cumulants(moments) -> list[float]:
    """``kappa_0 = 0, kappa_1, ..`` from ``E[G], E[G^2], ..``."""
    mean, found = [1.0, *moments], [0.0]
    for k in range(1, len(mean)):
        lower = sum(comb(k - 1, j - 1) * found[j] * mean[k - j] for j in range(1, k))
        found.append(mean[k] - lower)
    return found


@pytest.fixture(scope="module", params=NETWORKS, ids=lambda case: case[0])
def data(request):
    """For each width the exact cumulants with their errors, and the flow."""
    found = []
    for n in SCALES:
        net = network(*request.param, n)
        law = nneft.exact(net, kernel=1.0, moments=HIGHEST + 1)
        moments = law.moments[:, LAYER - 1]
        # What cancels when cumulants are taken: all products of moments are at most this.
        noise = 3e-15 * 2.0 ** np.arange(HIGHEST + 2) * max(1.0, moments[0]) ** HIGHEST
        flow = nneft.flow(net, kernel=1.0, order=HIGHEST)
        found.append((cumulants(moments), noise, flow))
    return found


def terms(flow, k: int):
    """Of kappa_k, by powers of the inverse width."""
    below = float(flow.network.widths[LAYER - 1])
    held = range(HIGHEST + 2 - k)
    if k == 1:
        return [flow.K(p)[LAYER - 1, 0, 0] / below**p for p in range(HIGHEST + 1)]
    at = (0,) * (2 * k)
    return [flow.V(2 * k, q, at=at)[LAYER - 1] / below ** (k - 1 + q) for q in held]


def slope(rows) -> float:
    """Of the log of what is left against that of n, with a term in 1/n for the next order."""
    clear = [(n, r) for n, r, noise in rows if abs(r) > 100.0 * noise]
    if len(clear) < 3:
        return np.nan
    n, left = np.array(clear).T
    columns = np.stack([np.log(n), 1.0 / n, np.ones(len(n))], axis=1)
    # what is widest is nearest to the limit
    found = np.linalg.lstsq(columns * n[:, None], np.log(np.abs(left)) * n, rcond=None)[0]
    return float(found[0])


@pytest.mark.parametrize("P", range(HIGHEST + 1))
def test_slopes(data, P):
    fitted = 0
    for k in range(1, P + 2):
        rows, off = [], []
        for n, (kappa, noise, flow) in zip(SCALES, data, strict=True):
            here = terms(flow, k)[: P + 2 - k]
            rows.append((n, kappa[k] - sum(here), noise[k]))
            off.append((n, kappa[k] - sum(here) + 0.2 * here[-1], noise[k]))
        found = slope(rows)
        if np.isnan(found):
            continue
        fitted += 1
        assert abs(found + P + 1) < 0.1, (k, found, rows)
        # The control: 20% off in the last coefficient, and the order is lost.
        assert abs(slope(off) + P + 1) > 0.1, (k, slope(off), off)
    # (ReLU's mean kernel has no corrections.)
    assert fitted >= 1 or (data[0][2].network.activation.name, P) == ("relu", 0)


def test_sums_are_those_of_the_terms(data):
    for _, _, flow in data:
        for k in range(1, HIGHEST + 2):
            one = flow.cumulant(2 * k, at=(0,) * 2 * k)[LAYER - 1]
            assert one == pytest.approx(sum(terms(flow, k)), rel=1e-13)
