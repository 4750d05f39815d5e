"""Type, colours and sizes of the figures: for a journal's page, in colour and in grey.

Colours are those of Okabe and Ito (2008), told apart by colour-blind readers; what must be told
apart in grey differs in marker or in line as well.
"""

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

#: Width of a figure across both columns of a page, in inches.
PAGE = 7.0

#: Settings in force while a figure is made and saved, and no longer.
SETTINGS: Any = {
    "font.family": "STIXGeneral",
    "mathtext.fontset": "stix",
    "font.size": 8.5,
    "axes.titlesize": 8.5,
    "axes.labelsize": 8.5,
    "xtick.labelsize": 7.5,
    "ytick.labelsize": 7.5,
    "legend.fontsize": 8,
    "axes.linewidth": 0.6,
    "xtick.direction": "in",
    "ytick.direction": "in",
    "xtick.top": True,
    "ytick.right": True,
    "xtick.major.width": 0.6,
    "ytick.major.width": 0.6,
    "xtick.minor.width": 0.4,
    "ytick.minor.width": 0.4,
    "lines.linewidth": 0.9,
    "legend.frameon": False,
    "legend.handlelength": 2.2,
    "axes.unicode_minus": True,
    "pdf.fonttype": 42,  # TrueType: text stays text
    "svg.fonttype": "path",
    "svg.hashsalt": "nneft",
    "figure.dpi": 100.0,
    "path.simplify": False,
}


@dataclass(frozen=True)
class Look:
    """How one quantity is drawn."""

    color: str
    marker: str


LOOKS = (
    Look("#0072B2", "o"),
    Look("#D55E00", "s"),
    Look("#009E73", "^"),
    Look("#CC79A7", "D"),
    Look("#56B4E9", "v"),
    Look("#E69F00", "P"),
)

LEADING: dict[str, Any] = {"linestyle": "-", "linewidth": 0.9}
CORRECTED: dict[str, Any] = {"linestyle": (0, (4, 1.6)), "linewidth": 0.9}
EXACT: dict[str, Any] = {"linestyle": (0, (1, 1.2)), "linewidth": 1.4}

ACTIVATIONS = {
    "relu": "ReLU",
    "leaky_relu": "leaky ReLU",
    "gelu": "GELU",
    "gelu_tanh": "GELU (tanh)",
    "silu": "SiLU",
    "mish": "Mish",
    "elu": "ELU",
    "selu": "SELU",
}


@contextmanager
def style() -> Iterator[None]:
    """The settings above, for as long as the block lasts."""
    from matplotlib import rc_context, rcdefaults, rcParams

    with rc_context():
        rcdefaults()  # a reader's own matplotlibrc does not change the figures
        rcParams.update(SETTINGS)
        yield


def activation_name(name: str) -> str:
    """The name as it is printed."""
    return ACTIVATIONS.get(name, name)
