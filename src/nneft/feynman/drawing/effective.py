r"""The few diagrams of one layer's effective action, BCCZ (16)-(19), ghosts dashed.

Integrating out the other layers leaves, with ``psi`` the ghosts,

    -S = -1/2 phi (K_0 + mu)^-1 phi + psibar (K_0 + mu)^-1 psi
         + lambda (1/8 phi_i phi_i phi_j phi_j - 1/2 phi_i phi_i psibar psi + 1/2 (psibar psi)^2)

A wavy line joins two fields of the same neuron to the coupling. The mean kernel's first correction
is ``mu``, and ``lambda`` closed on itself in three ways; of these the loops that sum over a neuron
index cancel: ``+n_l/2`` of the fields against ``-n_l/2`` of the ghosts.
"""

from __future__ import annotations

from cmath import exp
from dataclasses import dataclass
from functools import cached_property
from itertools import pairwise
from math import pi
from pathlib import Path

from nneft.feynman.drawing.curves import arc, circle, line
from nneft.feynman.drawing.many import write_sheet
from nneft.feynman.drawing.output import save_picture, svg_text, tikz_text
from nneft.feynman.drawing.primitives import Disc, Picture, Stroke
from nneft.feynman.drawing.sheet import Row
from nneft.feynman.drawing.sizes import BLOB, DOT, FORK, FORK_ANGLE, INSERTION, WAVY

#: Radius of a closed loop, and length of a line that is not a leg.
LOOP, ARM = 11.0, 26.0


@dataclass(frozen=True)
class EffectiveDiagram:
    """One diagram of the effective action.

    Attributes
    ----------
    name
        What it is, in a few words.
    factor, formula
        What it contributes, as LaTeX: a number, and the rest.
    strokes, discs
        What is drawn.
    words
        The same in plain words.
    """

    name: str
    factor: str
    formula: str
    strokes: tuple[Stroke, ...]
    discs: tuple[Disc, ...]
    words: str

    @cached_property
    def picture(self) -> Picture:
        """Its picture."""
        return Picture(self.strokes, self.discs, (), self.name, self.words)

    def svg(self, *, style: str = "paper") -> str:
        """The picture as SVG; `style` as of `Diagram.svg`."""
        return svg_text(self.picture, style)

    def tikz(self, *, style: str = "paper") -> str:
        """The picture as a ``tikzpicture`` for TikZ-Feynman; `style` as of `Diagram.svg`."""
        return tikz_text([self.picture], style)

    def draw(self, path: str | Path, *, style: str = "paper") -> None:
        """Write the picture to a file, ``.svg``, ``.pdf``, ``.png`` or ``.tex``."""
        save_picture(self.picture, path, style)

    def _repr_svg_(self) -> str:
        return self.svg()


def effective_action() -> tuple[EffectiveDiagram, ...]:
    """The couplings of one layer's effective action, and what corrects the mean kernel."""
    return (*_couplings(), *_corrections(), *_loops_on_a_blob())


def save_effective_action(path: str | Path, *, style: str = "paper") -> None:
    """All of them with factor and formula as one table: ``.svg``, ``.pdf`` or ``.html``.

    Raises
    ------
    ValueError
        A style or a form that there is not, or a place where nothing can be written.
    """
    rows = [Row(d.picture, ((d.factor,), (d.formula,))) for d in effective_action()]
    headings = ("diagram", "factor", "formula")
    write_sheet(rows, headings, "Effective action of one layer", path, style)


def _couplings() -> list[EffectiveDiagram]:
    fields, ghosts = r"\phi_i\phi_i", r"\bar\psi\psi"
    found = []
    for kinds, factor, said in (
        (("plain", "plain"), r"\frac{1}{8}", "four fields, two and two of the same neuron"),
        (("plain", "dashed"), r"-\frac{1}{2}", "two fields of the same neuron and two ghosts"),
        (("dashed", "dashed"), r"\frac{1}{2}", "four ghosts"),
    ):
        pairs = [ghosts if kind == "dashed" else fields for kind in kinds]
        if kinds[1] == "plain":
            pairs[1] = r"\phi_j\phi_j"
        strokes = [*_pair(-1, kinds[0]), *_pair(1, kinds[1])]
        found.append(
            EffectiveDiagram(
                f"Quartic coupling of {said}",
                factor,
                rf"\lambda\,{pairs[0]}\,{pairs[1]}",
                tuple(strokes),
                (_coupling(0j),),
                f"The coupling lambda with a wavy line to either side, which forks: {said}. "
                "Ghosts are dashed.",
            )
        )
    ends = [Disc(end, DOT, "dot") for side in (-1, 1) for end in _fork_ends(side)]
    found.append(
        EffectiveDiagram(
            "Four-point correlator at first order",
            "1",
            r"\frac{1}{n_{\ell-1}} V_4(x_1,x_2;x_3,x_4) = \int dy_1\cdots dy_4\;"
            r" K_0(x_1,y_1)\cdots K_0(x_4,y_4)\,\lambda(y_1,y_2;y_3,y_4)",
            (*_pair(-1, "plain"), *_pair(1, "plain")),
            (*ends, _coupling(0j)),
            "The coupling lambda with a wavy line to either side, which forks into two lines that "
            "end in dots: V4 with its four legs.",
        )
    )
    return found


def _corrections() -> list[EffectiveDiagram]:
    """What the mean kernel's first correction is made of, BCCZ (18) and (19)."""
    inverse = r"K_0^{-1}(y,y')"
    wide, left, right = 2 * ARM, -ARM + 0j, ARM + 0j
    top = 1j * ARM
    exchange = [
        *_through(-wide, left, right, wide),
        Stroke(arc(left, top - INSERTION * exp(-0.15j), 7.0), "wavy"),
        Stroke(arc(top + INSERTION * exp(0.15j), right, 7.0), "wavy"),
    ]
    found = [
        EffectiveDiagram(
            "Quadratic coupling",
            "1",
            r"\mu(x_1,x_2)",
            tuple(_through(-wide, 0.0, wide)),
            (_dot(-wide), _dot(wide), Disc(0j, INSERTION, "insertion", r"\mu")),
            "A line between two dots that passes through the coupling mu.",
        ),
        EffectiveDiagram(
            "Exchange between two fields of the same neuron",
            "1",
            rf"\frac{{1}}{{n_{{\ell-1}}}}\int dy\,dy'\; V_4(x_1,y;x_2,y')\,{inverse}",
            tuple(exchange),
            (_dot(-wide), _dot(wide), _dot(left), _dot(right), _coupling(top)),
            "A line between two dots; from two places on it wavy lines go to the coupling lambda.",
        ),
    ]
    for kind, sign, what in (("plain", "", "fields"), ("dashed", "-", "ghosts")):
        joint, coupling = 0j, 1j * (WAVY + INSERTION)
        loop = coupling + 1j * (INSERTION + WAVY)
        strokes = (
            *_through(-wide, joint, wide),
            Stroke(line(joint, coupling - 1j * INSERTION), "wavy"),
            Stroke(line(coupling + 1j * INSERTION, loop), "wavy"),
            Stroke(circle(loop + 1j * LOOP, LOOP, -pi / 2, 3 * pi / 2), kind),
        )
        found.append(
            EffectiveDiagram(
                f"Loop of {what}",
                rf"{sign}\frac{{n_\ell}}{{2}}",
                rf"\frac{{1}}{{n_{{\ell-1}}}}\int dy\,dy'\; V_4(x_1,x_2;y,y')\,{inverse}",
                strokes,
                (_dot(-wide), _dot(wide), _dot(joint), _dot(loop), _coupling(coupling)),
                "A line between two dots; from its middle a wavy line goes to the coupling lambda, "
                f"and from there another one to a closed {_look(kind)} loop of {what}, summed over "
                "neurons. The loops of fields and of ghosts cancel.",
            )
        )
    return found


def _loops_on_a_blob() -> list[EffectiveDiagram]:
    """Why nothing depends on what lies deeper: BCCZ (19)."""
    found = []
    for kind, sign, what in (("plain", "", "fields"), ("dashed", "-", "ghosts")):
        joint = complex(BLOB + WAVY)
        strokes = (
            *_pair(-1, "plain", BLOB),
            Stroke(line(BLOB + 0j, joint), "wavy"),
            Stroke(circle(joint + LOOP, LOOP, pi, 3 * pi), kind),
        )
        ends = [Disc(end, DOT, "dot") for end in _fork_ends(-1, BLOB)]
        found.append(
            EffectiveDiagram(
                f"Loop of {what} on a blob of the layer below",
                rf"{sign}\frac{{n_\ell}}{{2}}",
                r"\frac{C_W^2}{n_{\ell-1}}\int dy\,dy'\;"
                r"\langle\Delta(x_1,x_2)\,\Delta(y,y')\rangle\,K_0^{-1}(y,y')",
                strokes,
                (*ends, _dot(joint.real), Disc(0j, BLOB, "blob")),
                "A blob of the layer below with two wavy lines: one forks into two lines that end "
                f"in dots, the other ends in a closed {_look(kind)} loop of {what}. The loops of "
                "fields and of ghosts cancel.",
            )
        )
    return found


def _look(kind: str) -> str:
    return "dashed" if kind == "dashed" else "solid"


def _through(*points: complex) -> list[Stroke]:
    """A line from point to point."""
    return [Stroke(line(complex(a), complex(b))) for a, b in pairwise(points)]


def _dot(at: complex) -> Disc:
    return Disc(complex(at), DOT, "dot")


def _coupling(at: complex) -> Disc:
    return Disc(at, INSERTION, "vertex", r"\lambda")


def _pair(side: int, kind: str, radius: float = INSERTION) -> list[Stroke]:
    """A wavy line to the left (-1) or right (1), and the two lines into which it forks."""
    fork = complex(side * (radius + WAVY))
    return [
        Stroke(line(complex(side * radius), fork), "wavy"),
        *(Stroke(line(fork, end), kind) for end in _fork_ends(side, radius)),
    ]


def _fork_ends(side: int, radius: float = INSERTION) -> list[complex]:
    fork = complex(side * (radius + WAVY))
    turns = (FORK_ANGLE, FORK_ANGLE.conjugate())
    return [fork + side * turn * FORK for turn in turns]
