"""Pictures of the diagrams whose loops cancel, beyond those that the effective action has anyway.

A wavy line joins two fields of one neuron to a coupling; closed loops, which sum over neurons, are
solid for fields and dashed for ghosts.
"""

from __future__ import annotations

from math import pi

from nneft.feynman.drawing.curves import circle, line
from nneft.feynman.drawing.effective import LOOP, EffectiveDiagram, effective_action
from nneft.feynman.drawing.primitives import Disc, Stroke
from nneft.feynman.drawing.sizes import DOT, FORK, FORK_ANGLE, INSERTION, WAVY

BUBBLE, SEXTIC = "Two couplings joined by a loop of {}", "Loop of {} on the sextic coupling"
FIELDS, GHOSTS = "fields", "ghosts"


def diagrams() -> dict[str, EffectiveDiagram]:
    """All of them by name, with those of the effective action."""
    own = [_propagator(), _coupling()]
    for what in (FIELDS, GHOSTS):
        own += [_bubble(what), _sextic(what)]
    return {found.name: found for found in (*effective_action(), *own)}


def _propagator() -> EffectiveDiagram:
    ends = (-LOOP + 0j, LOOP + 0j)
    return EffectiveDiagram(
        "Propagator", "1", "K_0(x_1,x_2)", (Stroke(line(*ends)),), tuple(map(_dot, ends)),
        "A line between two dots.",
    )  # fmt: skip


def _coupling() -> EffectiveDiagram:
    strokes = (*_pair(0j, -1), *_pair(0j, 1))
    discs = (*_ends(0j, -1), *_ends(0j, 1), Disc(0j, INSERTION, "vertex", r"\lambda"))
    return EffectiveDiagram(
        "Quartic coupling", "1",
        r"\int dy_1\cdots dy_4\; K_0(x_1,y_1)\cdots K_0(x_4,y_4)\,\lambda(y_1,y_2;y_3,y_4)",
        strokes, discs,
        "The coupling lambda with a wavy line to either side, which forks into two lines that end "
        "in dots.",
    )  # fmt: skip


def _bubble(what: str) -> EffectiveDiagram:
    arm = INSERTION + WAVY
    left, right = complex(-arm - LOOP), complex(arm + LOOP)
    strokes = (
        *_pair(left, -1),
        Stroke(line(left + INSERTION, -LOOP + 0j), "wavy"),
        Stroke(circle(0j, LOOP, 0.0, pi), _kind(what)),
        Stroke(circle(0j, LOOP, pi, 2 * pi), _kind(what)),
        Stroke(line(LOOP + 0j, right - INSERTION), "wavy"),
        *_pair(right, 1),
    )
    discs = (
        *_ends(left, -1), *_ends(right, 1), _dot(-LOOP + 0j), _dot(LOOP + 0j),
        Disc(left, INSERTION, "vertex", r"\lambda"), Disc(right, INSERTION, "vertex", r"\lambda"),
    )  # fmt: skip
    return EffectiveDiagram(
        BUBBLE.format(what),
        rf"{_sign(what)}\frac{{n_\ell}}{{2}}",
        r"\frac{1}{n_{\ell-1}^2}\int dy_1\cdots dy_4\; V_4(x_1,x_2;y_1,y_2)"
        r"\,K_0^{-1}(y_1,y_3)\,K_0^{-1}(y_2,y_4)\,V_4(y_3,y_4;x_3,x_4)",
        strokes,
        discs,
        "Two couplings lambda, each with a wavy line that forks into two lines that end in dots, "
        f"and with another one to the same closed {_look(what)} loop of {what}, summed over "
        "neurons. The loops of fields and of ghosts cancel.",
    )


def _sextic(what: str) -> EffectiveDiagram:
    joint = 1j * (INSERTION + WAVY)
    strokes = (
        *_pair(0j, -1),
        *_pair(0j, 1),
        Stroke(line(1j * INSERTION, joint), "wavy"),
        Stroke(circle(joint + 1j * LOOP, LOOP, -pi / 2, 3 * pi / 2), _kind(what)),
    )
    discs = (
        *_ends(0j, -1), *_ends(0j, 1), _dot(joint),
        Disc(0j, INSERTION, "vertex", r"\lambda_6"),
    )  # fmt: skip
    return EffectiveDiagram(
        SEXTIC.format(what),
        rf"{'-' if what == FIELDS else ''}\frac{{n_\ell}}{{2}}",
        r"\int dy\,dy'\;\kappa_3\left(K_0G^{-1}K_0(x_1,x_2),\,K_0G^{-1}K_0(x_3,x_4),"
        r"\,G^{-1}(y,y')\right)K_0(y,y')",
        strokes,
        discs,
        "The sextic coupling with two wavy lines, each of which forks into two lines that end in "
        f"dots, and a third one to a closed {_look(what)} loop of {what}, summed over neurons. The "
        "loops of fields and of ghosts cancel.",
    )


def _pair(at: complex, side: int) -> list[Stroke]:
    """A wavy line to the left (-1) or right (1) of a coupling, and the two into which it forks."""
    fork = at + side * (INSERTION + WAVY)
    return [
        Stroke(line(at + side * INSERTION, fork), "wavy"),
        *(Stroke(line(fork, end.centre)) for end in _ends(at, side)),
    ]


def _ends(at: complex, side: int) -> list[Disc]:
    fork = at + side * (INSERTION + WAVY)
    return [_dot(fork + side * turn * FORK) for turn in (FORK_ANGLE, FORK_ANGLE.conjugate())]


def _dot(at: complex) -> Disc:
    return Disc(at, DOT, "dot")


def _kind(what: str) -> str:
    return "plain" if what == FIELDS else "dashed"


def _look(what: str) -> str:
    return "solid" if what == FIELDS else "dashed"


def _sign(what: str) -> str:
    return "" if what == FIELDS else "-"
