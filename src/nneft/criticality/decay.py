"""Off criticality everything is exponential in the depth, at rates that are multiples of ln chi.

At leading order a layer takes ``V_2k`` to ``chi_par^k V_2k`` plus what lower correlators and the
layer itself add (BCCZ 27, 30), so three things have rates, and they are not the same:

*response*   A change of ``V_2k`` alone, at one layer, is ``exp(k l ln chi_par)`` of itself l layers
             deeper, for all k: BCCZ's statement. With m pairs of differences of close inputs among
             the k it is ``exp(l [(k - m) ln chi_par + m ln chi_perp])``.
*decay*      Where ``K* = 0`` a layer adds no more than ``K_0^k``, which falls, or grows, at the
             same rate: ``V_2k ~ l^(k-1) exp(k l ln chi_par)``.
*approach*   Where ``K* > 0`` correlators tend to fixed values, and the slowest change wins: that of
             ``K_0``, so ``V_2k - V_2k* ~ exp(l ln chi_par)`` for all k; or, if the flow starts at
             K*, that of ``V_4``, ``exp(2 l ln chi_par)``.

Differences of close inputs always tend to 0 (or grow): ``K_dd ~ exp(l ln chi_perp)``,
``V_dddd ~ l exp(2 l ln chi_perp)``.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from math import log

import numpy as np

from nneft.criticality.close import ClosePair, close_pair
from nneft.criticality.fixed import FixedPoint, fixed_points
from nneft.gaussian.base import Array
from nneft.network import Network
from nneft.rg.driver import flow
from nneft.rg.flow import Flow

#: Fewest e-foldings of a flow, and fewest layers.
FOLDS, LEAST = 8.0, 20
#: Rounding of a correlator, relative; and what counts as starting at K*.
ROUNDING, AT = 2e-13, 1e-9
#: Slopes from which what still changes is judged.
SLOPES = 5
#: Least uncertainty of a rate.
FLOOR = 1e-12


@dataclass(frozen=True)
class Rate:
    """One rate per layer, measured and expected.

    Attributes
    ----------
    quantity, kind
        What changes: "response", "decay" or "approach".
    measured, uncertainty
        Of ``d log|.| / dl`` on the last layers of the flow.
    expected, formula
        In terms of ``ln chi_par`` and ``ln chi_perp`` at K*.
    """

    quantity: str
    kind: str
    measured: float
    uncertainty: float
    expected: float
    formula: str

    @property
    def agrees(self) -> bool:
        """Whether they are the same within the uncertainty."""
        return not self.excludes(self.expected)

    def excludes(self, rate: float) -> bool:
        """Whether the measured rate is not this one."""
        return abs(self.measured - rate) > self.uncertainty


@dataclass(frozen=True, eq=False)
class Rates:
    """All rates of a network off criticality.

    Attributes
    ----------
    kernel, chi_par, chi_perp
        ``K*``, and there ``C_W/2 <(sigma^2)''>`` and ``C_W <sigma'^2>``.
    rows
        The table.
    """

    kernel: float
    chi_par: float
    chi_perp: float
    rows: tuple[Rate, ...]

    def __getitem__(self, key: tuple[str, str]) -> Rate:
        for row in self.rows:
            if (row.kind, row.quantity) == key:
                return row
        raise KeyError(key)

    def __str__(self) -> str:
        lines = [
            f"K* = {self.kernel:.9g}, chi_par = {self.chi_par:.9g}, chi_perp = {self.chi_perp:.9g}",
            f"{'what':<10}{'of':<14}{'measured':>14}{'+-':>9}{'expected':>14}  formula",
        ]
        for r in self.rows:
            lines.append(
                f"{r.kind:<10}{r.quantity:<14}{r.measured:>14.9f}{r.uncertainty:>9.0e}"
                f"{r.expected:>14.9f}  {r.formula}"
            )
        return "\n".join(lines)


def rates(network: Network, *, kernel: float = 1.0, order: int = 3) -> Rates:
    """Exponential rates measured on a flow, beside ``k ln chi``.

    Parameters
    ----------
    network
        The same C_W and C_b in all layers; widths do not matter, the flow measured has equal ones.
    kernel
        Of the first layer.
    order
        P: correlators up to ``V_2(P+1)``.

    Raises
    ------
    ValueError, TypeError
        Constants that differ from layer to layer; a critical network, one too shallow for a rate,
        or one whose kernel leaves a fixed point instead of tending to it.
    nneft.NumericsError
        The flow cannot be had.

    Notes
    -----
    BCCZ (27), (30).
    """
    w, b = _constants(network)
    net = Network((1,) * (network.depth + 1), network.activation, w, b)
    made = flow(net, kernel=kernel, order=order)
    point = _reached(made, w, b)
    pair = close_pair(made)
    rows = [*_responses(made, point), *_falling(made, point), *_pairs(pair, point)]
    return Rates(point.kernel, point.chi_par, point.chi_perp, tuple(rows))


def _constants(network: Network) -> tuple[float, float]:
    if not isinstance(network, Network):
        raise TypeError(
            f"the network must be a nneft.Network, got {type(network).__name__}; "
            "make one with nneft.Network(widths, activation, C_W, C_b)"
        )
    w, b = network.C_W[1:], network.C_b[1:]
    if network.depth < LEAST:
        raise ValueError(f"rates want {LEAST} layers or more, got {network.depth}")
    if np.ptp(w) > 0.0 or np.ptp(b) > 0.0:
        raise ValueError("rates want the same C_W and C_b in every layer; they differ")
    return float(w[0]), float(b[0])


def _reached(made: Flow, w: float, b: float) -> FixedPoint:
    """The fixed point that the flow tends to, or for ReLU-like networks K* = 0."""
    found = fixed_points(made.network.activation, w, b)
    last, before = made.K(0)[[-1, -2], 0, 0]
    if not len(found):
        raise ValueError(f"kernels have no fixed point: {found.reason}")
    point = min(found, key=lambda p: abs(p.kernel - last))
    if point.chi_par == 0.0:
        raise ValueError(f"chi_par = 0 at K* = {point.kernel:.6g}: nothing of a change is left")
    if abs(log(abs(point.chi_par))) * made.network.depth < FOLDS:
        raise ValueError(
            f"chi_par = {point.chi_par:.9g} at K* = {point.kernel:.6g}: in {made.network.depth} "
            "layers nothing changes much; at critical points see critical_exponents, else take "
            "more layers"
        )
    homogeneous = made.network.activation.slopes is not None and b == 0.0
    tends = abs(last - point.kernel) <= abs(before - point.kernel) + AT * point.kernel
    if not homogeneous and not (tends and point.chi_par < 1.0):
        raise ValueError(
            f"at the last layer the kernel is {last:.6g} and leaves K* = {point.kernel:.6g}, where "
            f"chi_par = {point.chi_par:.6g}; take more layers, or start elsewhere"
        )
    return point


def _responses(made: Flow, point: FixedPoint) -> Iterator[Rate]:
    """``ln dV_2k^(l)/dV_2k^(l-1)`` at the last layer."""
    depth = made.network.depth
    for k in range(1, made.order + 2):
        layers = range(depth - SLOPES + 1, depth + 1)
        s = np.log(np.abs([made.response(2 * k, layer).matrix[0, 0] for layer in layers]))
        name = "K_0" if k == 1 else f"V_{2 * k}"
        yield _rate(name, "response", float(s[-1]), _remaining(s), point, k, 0)


def _falling(made: Flow, point: FixedPoint) -> Iterator[Rate]:
    """Of the kernel and the correlators themselves."""
    K = made.K(0).ravel()
    correlators = [(k, made.V(2 * k).ravel()) for k in range(2, made.order + 2)]
    if point.kernel == 0.0:
        yield _rate("K_0", "decay", *_settled(np.log(K)), point, 1, 0)
        for k, V in correlators:
            if _keeps_sign(V):
                yield _rate(f"V_{2 * k}", "decay", *_slope(_log(V)), point, k, 0)
        return
    at = abs(K[0] - point.kernel) <= AT * point.kernel
    if not at:
        yield _rate("K_0", "approach", *_differences(K), point, 1, 0)
    for k, V in correlators:
        yield _rate(f"V_{2 * k}", "approach", *_differences(V[1:]), point, 2 if at else 1, 0)


def _pairs(pair: ClosePair, point: FixedPoint) -> Iterator[Rate]:
    """Of two close inputs: decays, whatever K*."""
    fall, zero = pair.log_K_dd, int(point.kernel == 0.0)
    slower = not zero and point.chi_par**2 > point.chi_perp
    yield _rate("K_dd", "decay", *_settled(fall), point, 0, 1)
    yield _rate("V_dddd", "decay", *_slope(_log(pair.V_dddd) + 2.0 * fall), point, 0, 2)
    slope = _slope if zero else _settled
    if _keeps_sign(pair.V_00dd):
        yield _rate("V_00dd", "decay", *slope(_log(pair.V_00dd) + fall), point, zero, 1)
    par, perp = (2, 0) if slower else (zero, 1)
    yield _rate("V_0d0d", "decay", *slope(_log(pair.V_0d0d) + fall), point, par, perp)


def _keeps_sign(values: Array) -> bool:
    """On the layers that slopes are taken from, from a third of the depth on."""
    used = values[len(values) // 3 :]
    return bool(np.all(used * np.sign(used[-1]) > 0.0))


def _log(values: Array) -> Array:
    """Logarithms of absolute values, 0 in place of those of the first layers' zeros."""
    return np.log(np.where(values == 0.0, 1.0, np.abs(values)))


def _rate(
    name: str, kind: str, measured: float, spread: float, point: FixedPoint, par: int, perp: int
) -> Rate:
    expected, told = 0.0, []
    for times, chi, label in ((par, point.chi_par, "par"), (perp, point.chi_perp, "perp")):
        if times:
            expected += times * log(abs(chi))
            told.append(f"{times if times > 1 else ''} ln chi_{label}".strip())
    return Rate(name, kind, measured, spread + FLOOR, expected, " + ".join(told))


def _slope(y: Array) -> tuple[float, float]:
    """Slope of ``y = r l + p log l + A + c_1/l + ..``, and its uncertainty.

    Layers from L/2 on, and for comparison from L/3, 2L/3, and with one term less.
    """
    depth = len(y)

    def fitted(part: float, terms: int) -> float:
        l = np.arange(int(np.ceil(depth * part)), depth, dtype=np.float64) + 1.0
        columns = [l, np.log(l), *(l**-m for m in range(terms + 1))]
        A = np.stack(columns, axis=1)
        sizes = np.linalg.norm(A, axis=0)
        found = np.linalg.lstsq(A / sizes, y[l.astype(int) - 1], rcond=1e-14)[0]
        return float((found / sizes)[0])

    best = fitted(0.5, 3)
    others = [fitted(1.0 / 3.0, 3), fitted(2.0 / 3.0, 3), fitted(0.5, 2)]
    return best, 2.0 * max(abs(other - best) for other in others)


def _settled(y: Array) -> tuple[float, float]:
    """Slope of what becomes a straight line exponentially fast."""
    s = np.diff(y)[-SLOPES:]
    return float(s[-1]), _remaining(s) + ROUNDING * float(np.abs(y[-1]))


def _differences(values: Array) -> tuple[float, float]:
    """Rate of approach to an unknown value: of the differences, where they are best known."""
    d = np.abs(np.diff(values))
    with np.errstate(divide="ignore"):
        y, noise = np.log(d), ROUNDING * np.abs(values[1:]) / d
    best, least = 0.0, np.inf
    for l in range(SLOPES - 1, len(y) - 1):
        if noise[l + 1] > 0.1:
            break
        s = np.diff(y[l + 1 - SLOPES : l + 2])
        unsure = _remaining(s) + float(noise[l + 1] + noise[l])
        if unsure < least:
            best, least = float(s[-1]), unsure
    if not np.isfinite(least):
        raise ValueError("the flow reaches its fixed point before a rate can be seen")
    return best, least


def _remaining(s: Array) -> float:
    """Twice what a geometric sequence still changes, judged by its last members, `SLOPES` of them.

    By their largest changes, since one alone may be small by accident.
    """
    change = np.abs(np.diff(s))
    largest = float(change.max())
    ratio = (float(change[-1]) / largest) ** (1.0 / (len(change) - 1)) if largest > 0.0 else 0.0
    return 2.0 * largest / (1.0 - min(ratio, 0.99))
