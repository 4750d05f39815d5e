"""``nneft critical``: where an activation is critical, in words and in numbers."""

from __future__ import annotations

import json
from math import inf, isfinite
from typing import TYPE_CHECKING, Any

import click

from nneft._version import __version__

if TYPE_CHECKING:
    from rich.console import Console

    from nneft.criticality import CriticalPoint, EdgePoint, FixedPoint, FixedPoints

EPILOG = """A weight has the variance C_W/fan_in, a bias C_b. By chi_par a layer multiplies a small
change of an input's length, by chi_perp the squared distance of two close inputs: by 1 at a
critical point. Elsewhere xi = -1/ln chi is the depth scale in layers, negative where changes
grow."""

JSON = "Print JSON; null where there is none, and for infinity."

BIAS = "Variance of the biases: 0 beside --C-W; alone, C_W is that of the edge of chaos there."

#: A chi this near to 1 is 1.
ROUNDING = 1e-14
#: What close inputs do, by phase.
PHASES = {
    "ordered": "close inputs merge",
    "critical": "close inputs neither merge nor part",
    "chaotic": "close inputs part",
    "exploding": "kernels grow without end",
    "vanishing": "kernels fall to zero",
}


@click.command(epilog=EPILOG)
@click.argument("activations", nargs=-1, required=True, metavar="ACTIVATION...")
@click.option("--C-W", "C_W", type=float, help="Say too what a network does at this C_W.")
@click.option("--C-b", "C_b", type=float, help=BIAS)
@click.option("--kernel", type=float, help="Where the kernel starts then, as it may matter. [1]")
@click.option("--json", "as_json", is_flag=True, help=JSON)
def critical(
    activations: tuple[str, ...],
    C_W: float | None,
    C_b: float | None,
    kernel: float | None,
    as_json: bool,
) -> None:
    """Critical C_W and C_b of activations, and their universality classes.

    ACTIVATION is a name such as gelu, or an expression: 'x*sigmoid(1.702*x)'.
    """
    from nneft.criticality import critical_point

    found = [critical_point(name) for name in activations]
    asked = any(value is not None for value in (C_W, C_b, kernel))
    stands = [
        Standing(name, point, C_W, C_b, 1.0 if kernel is None else kernel) if asked else None
        for name, point in zip(activations, found, strict=True)
    ]
    if as_json:
        records = [_record(point, at) for point, at in zip(found, stands, strict=True)]
        report = {"nneft": __version__, "command": "critical", "activations": records}
        click.echo(json.dumps(finite(report), allow_nan=False))
        return
    from nneft.cli.tables import console

    where = console()
    for i, (point, at) in enumerate(zip(found, stands, strict=True)):
        if i:
            where.print()
        _print(where, point, at)


class Standing:
    """What a network of an activation does at given C_W and C_b.

    Without C_W, on the edge of chaos at that C_b, where its fixed point is stable if there is such
    a place; without C_b too, or where no edge is, at the activation's critical point or its best
    compromise.

    Attributes
    ----------
    edge
        The edge of chaos at a C_b given alone; else None.
    points
        All fixed points of the kernel.
    start
        The first kernel.
    phase, kernel
        Of the fixed point that this tends to.
    """

    def __init__(
        self,
        name: str,
        point: CriticalPoint,
        C_W: float | None,
        C_b: float | None,
        start: float,
    ) -> None:
        from nneft.criticality import edge_of_chaos, fixed_points

        own = point if point.compromise is None else point.compromise
        alone = C_W is None and C_b is not None
        self.edge: tuple[EdgePoint, ...] | None = edge_of_chaos(name, C_b or 0.0) if alone else None
        if self.edge:
            C_W = next((p for p in self.edge if p.stable), self.edge[0]).C_W
        elif C_W is None:
            assert own.C_W is not None
            C_W, C_b = own.C_W, own.C_b if C_b is None else C_b
        self.C_W, self.C_b, self.start = C_W, C_b or 0.0, start
        self.points: FixedPoints = fixed_points(name, self.C_W, self.C_b)
        tended = self.points.reached(start)
        self.phase = "exploding" if tended is None else tended.phase
        self.kernel = inf if tended is None else tended.kernel


def finite(value: Any) -> Any:
    """The same with None for infinity and what is not a number, for JSON."""
    if isinstance(value, dict):
        return {key: finite(entry) for key, entry in value.items()}
    if isinstance(value, list | tuple):
        return [finite(entry) for entry in value]
    return None if isinstance(value, float) and not isfinite(value) else value


def _print(where: Console, point: CriticalPoint, at: Standing | None) -> None:
    from nneft.criticality.words import told

    said = told(point)
    if at is not None:
        place = said.index("")
        said[place:place] = [*_edge(at), _stands(at)]
    for line in said:
        where.print(line, markup=False, soft_wrap=True)
    if at is not None and len(at.points):
        where.print()
        where.print(_fixed_points(at))


def _edge(at: Standing) -> list[str]:
    """The edge of chaos, where it was asked for."""
    if at.edge is None:
        return []
    if not at.edge:
        return [f"At C_b = {at.C_b:.9g} there is no edge of chaos: no C_W makes chi_perp = 1."]
    where = [
        f"C_W = {p.C_W:.12g}, with K* = {p.kernel:.12g}{'' if p.stable else ', which repels'}, and "
        f"chi_par = {p.chi_par:.9g}"
        for p in at.edge
    ]
    return [f"The edge of chaos at C_b = {at.C_b:.9g}: {'; '.join(where)}."]


def _stands(at: Standing) -> str:
    here = f"At C_W = {at.C_W:.9g}, C_b = {at.C_b:.9g} it is {at.phase}: {PHASES[at.phase]}"
    if at.phase == "exploding":
        border = at.points.explodes_above
        if not border:
            return f"{here}, from any first kernel."
        return f"{here} from a first kernel of {at.start:g}, as from any above {border:.9g}."
    if at.phase == "vanishing":
        return f"{here}, from any first kernel."
    some = [p.kernel for p in at.points if p.stability != "unstable"]
    other = "" if len(some) < 2 else " (others may end elsewhere: --kernel)"
    return f"{here}, and a first kernel of {at.start:g} tends to K* = {at.kernel:.9g}{other}."


def _fixed_points(at: Standing) -> Any:
    from rich.table import Table

    sheet = Table(box=None, pad_edge=False, padding=(0, 2, 0, 2))
    heads = ("K*", "stability", "chi_par", "xi_par", "chi_perp", "xi_perp", "c*", "phase")
    for head in heads:
        sheet.add_column(head, justify="left" if head in ("stability", "phase") else "right")
    for p in at.points:
        cells = [f"{p.kernel:.9g}", p.stability]
        for chi in (p.chi_par, p.chi_perp):
            cells += [f"{chi:.7g}", f"{_depth(chi):.4g}"]
        sheet.add_row(*cells, f"{p.correlation:.7g}", p.phase)
    return sheet


def _depth(chi: float) -> float:
    import numpy as np

    from nneft.criticality.chi import depth_scale

    if abs(chi - 1.0) <= ROUNDING:
        return inf
    return float(depth_scale(np.array(chi)))


def _record(point: CriticalPoint, at: Standing | None) -> dict[str, Any]:
    from nneft.criticality.words import verdict

    best, edge = point.compromise, point.edge
    curve = None
    if edge is not None:
        names = ("kernel", "C_W", "C_b", "chi_par")
        curve = {name: getattr(edge, name).tolist() for name in names}
    return {
        **_one(point),
        "verdict": verdict(point),
        "reason": point.reason,
        "alternatives": [_one(other) | {"reason": other.reason} for other in point.alternatives],
        "edge": curve,
        "compromise": None if best is None else dict(best._asdict()),
        "at": None if at is None else _standing(at),
    }


def _one(point: CriticalPoint) -> dict[str, Any]:
    keys = (
        *("activation", "universality_class", "C_W", "C_b", "kernel", "stability"),
        *("chi_par", "chi_perp", "coefficients", "exponents"),
    )
    return {key: getattr(point, key) for key in keys}


def _standing(at: Standing) -> dict[str, Any]:
    return {
        "C_W": at.C_W,
        "C_b": at.C_b,
        "start_kernel": at.start,
        "phase": at.phase,
        "kernel": at.kernel,
        "edge": None if at.edge is None else [p._asdict() for p in at.edge],
        "fixed_points": [_fixed(p) for p in at.points],
        "every_kernel_is_fixed": at.points.line,
        "explodes_above": at.points.explodes_above,
        "reason": at.points.reason,
    }


def _fixed(p: FixedPoint) -> dict[str, Any]:
    return {
        "kernel": p.kernel,
        "stability": p.stability,
        "chi_par": p.chi_par,
        "chi_perp": p.chi_perp,
        "xi_par": _depth(p.chi_par),
        "xi_perp": _depth(p.chi_perp),
        "correlation": p.correlation,
        "correlations": [{"c": c.c, "chi": c.chi} for c in p.correlations],
        "phase": p.phase,
    }
