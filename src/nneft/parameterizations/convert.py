"""From an initialization's name to ``C_W`` and ``C_b`` of every layer, and back to what to type."""

from __future__ import annotations

import difflib
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from itertools import groupby
from typing import Any

import numpy as np
from numpy.typing import ArrayLike

from nneft.activations import Activation
from nneft.network import Network
from nneft.parameterizations.schemes import GAINS, Array, Fans, Scheme
from nneft.parameterizations.table import ALIASES, SCHEMES, leaky

#: How far a variance that a recipe gives may be off, relative.
ROUNDING = 1e-12


@dataclass(frozen=True, eq=False)
class Initialization:
    """A scheme at given widths; index 0 is layer 1.

    Attributes
    ----------
    scheme
        Its name.
    widths
        ``n_0 .. n_L``.
    C_W, C_b : (L,)
        ``W^(l)_ij`` has variance ``C_W^(l)/n_{l-1}``, ``b^(l)_i`` has ``C_b^(l)``.
    law
        How weights are drawn: "normal", "uniform" or "truncated normal". Kernels at infinite
        width know the variance alone; of laws that are not normal their 1/n corrections and
        fluctuations, for which this package takes the normal one, also know the fourth cumulant.
    """

    scheme: str
    widths: tuple[int, ...]
    C_W: Array
    C_b: Array
    law: str

    def network(self, activation: str | Activation | Callable[[Any], Any]) -> Network:
        """The network that is drawn so."""
        return Network(self.widths, activation, self.C_W, self.C_b)

    def __str__(self) -> str:
        lines = [f"{self.scheme}: {_range('C_W', self.C_W)}, {_range('C_b', self.C_b)}"]
        if self.law != "normal":
            lines.append(
                f"weights are drawn from a {self.law} law; at finite width it differs from the "
                "normal one of equal variance by its fourth cumulant"
            )
        lines += ["", "layer    fan_in   fan_out           C_W           C_b"]
        for l, (w, b) in enumerate(zip(self.C_W, self.C_b), start=1):
            below, own = self.widths[l - 1], self.widths[l]
            lines.append(f"{l:>5}  {below:>8}  {own:>8}  {w:>12.9g}  {b:>12.9g}")
        return "\n".join(lines)


@dataclass(frozen=True, eq=False)
class Recipe:
    """What to type in a library for given ``C_W`` and ``C_b``; index 0 is layer 1.

    Attributes
    ----------
    scheme
        The library's initializer.
    numbers : name to (L,)
        Its numbers.
    std, bias_std : (L,)
        Standard deviations of one weight and of one bias, whatever the library.
    calls
        One line for each layer.
    notes
        What else is to be known of them, in sentences.
    """

    scheme: str
    numbers: Mapping[str, Array]
    std: Array
    bias_std: Array
    calls: tuple[str, ...]
    notes: tuple[str, ...] = ()

    def __str__(self) -> str:
        runs = [(len(list(group)), call) for call, group in groupby(self.calls)]
        lines, first = [f"{self.scheme}:"], 1
        for count, call in runs:
            last = first + count - 1
            lines.append(f"  layer{'s' * (count > 1)} {first}{f' to {last}' * (count > 1)}: {call}")
            first = last + 1
        return "\n".join([*lines, *self.notes])


def initialization(
    scheme: str, widths: Iterable[int], **options: ArrayLike | str
) -> Initialization:
    """``C_W`` and ``C_b`` of every layer, from a library's name for an initialization.

    Parameters
    ----------
    scheme
        "bccz" or "pdlt" (``C_W, C_b``), "sigma" (``sigma_w, sigma_b`` of Poole and of Schoenholz et
        al.), "neural_tangents" (``W_std, b_std``), "torch.linear" (PyTorch's default),
        "torch.kaiming_normal" and "_uniform" (``a, mode, nonlinearity``), "torch.xavier_normal" and
        "_uniform" (``gain``), "torch.normal" (``std``), "torch.uniform" (``bound``), "keras.he_..",
        "keras.lecun_..", "keras.glorot_normal" and "_uniform", "keras.variance_scaling" (``scale,
        mode, distribution``), "keras.random_normal", "keras.truncated_normal" (``stddev``),
        "keras.random_uniform" (``limit``). JAX's and Flax's initializers of Keras' names are the
        same.
    widths
        ``n_0 .. n_L``.
    options
        The scheme's numbers, each one or one for each layer, and its words. Those of torch and
        Keras also take ``bias_std``, by default 0: biases are initialized apart there.

    Raises
    ------
    ValueError
        An unknown name or option, a number that is missing or not finite.
    """
    name, found = scheme_of(scheme)
    sizes = Network(widths, "linear", 1.0).widths
    fans = _fans(sizes)
    numbers, choices = _given(name, found, options, len(sizes) - 1)
    weight, bias = found.variances(fans, numbers, choices)
    return Initialization(name, sizes, weight * fans.fan_in, 1.0 * bias, found.law(choices))


def recipe(network: Network | Initialization, scheme: str, **choices: str) -> Recipe:
    """What to type in a library so that a network has its ``C_W`` and ``C_b``.

    Parameters
    ----------
    network
        Anything with ``widths``, ``C_W`` and ``C_b``.
    scheme, choices
        As of `initialization`, with the words but not the numbers: those are what is asked for.

    Raises
    ------
    ValueError
        The scheme cannot give these variances, with the first layer where it cannot.
    """
    name, found = scheme_of(scheme)
    fans, depth = _fans(network.widths), len(network.widths) - 1
    for option in choices:
        if option in found.numbers:
            raise ValueError(f"{option} is what recipe() finds; give words alone, such as mode=")
    _, words = _given(name, found, {**dict.fromkeys(found.numbers, 1.0), **choices}, depth)
    weight, bias = network.C_W / fans.fan_in, 1.0 * network.C_b
    solved = found.solved(fans, weight, bias, words)
    numbers = {
        option: solved[option] if option in solved else np.full(depth, default)
        for option, default in found.numbers.items()
    }
    _check(name, network, fans, found.variances(fans, numbers, words))
    calls = tuple(
        found.call.format(
            fan_in=fans.fan_in[i],
            fan_out=fans.fan_out[i],
            **words,
            **{option: value[i] for option, value in numbers.items()},
        )
        for i in range(depth)
    )
    return Recipe(name, numbers, np.sqrt(weight), np.sqrt(bias), calls)


def calculate_gain(nonlinearity: str, param: float | None = None) -> float:
    """The gain that `torch.nn.init.calculate_gain` recommends; ``C_W = gain^2`` with fan_in.

    `param` is leaky_relu's slope, by default 0.01; others have none. Not all of them are critical:
    `nneft.critical_point` tells.

    Raises
    ------
    ValueError
        A name that torch has no gain for.
    """
    if nonlinearity == "leaky_relu":
        return float(np.sqrt(leaky(np.array(0.01 if param is None else param))))
    if nonlinearity not in GAINS:
        known = ", ".join(["leaky_relu", *GAINS])
        raise ValueError(f"torch has no gain for {nonlinearity!r}; it has {known}")
    return float(GAINS[nonlinearity])


def scheme_of(scheme: str) -> tuple[str, Scheme]:
    """A scheme's own name, and itself.

    Raises
    ------
    ValueError
        There is none of that name.
    """
    name = ALIASES.get(str(scheme).lower(), str(scheme).lower())
    if name not in SCHEMES:
        near = difflib.get_close_matches(name, [*SCHEMES, *ALIASES], n=1, cutoff=0.5)
        hint = f"did you mean {near[0]!r}?" if near else f"known: {', '.join(SCHEMES)}"
        raise ValueError(f"unknown initialization {scheme!r}; {hint}")
    return name, SCHEMES[name]


def _fans(widths: tuple[int, ...]) -> Fans:
    sizes = np.array(widths, dtype=np.float64)
    return Fans(sizes[:-1], sizes[1:])


def _given(
    name: str, scheme: Scheme, options: Mapping[str, ArrayLike | str], depth: int
) -> tuple[dict[str, Array], dict[str, str]]:
    for option in options:
        if option not in scheme.numbers and option not in scheme.choices:
            known = ", ".join([*scheme.numbers, *scheme.choices]) or "none"
            raise ValueError(f"{name} has no option {option!r}; it has {known}")
    numbers = {n: _number(name, n, options.get(n, d), depth) for n, d in scheme.numbers.items()}
    words = {}
    for option, allowed in scheme.choices.items():
        words[option] = str(options.get(option, allowed[0]))
        if words[option] not in allowed:
            raise ValueError(
                f"{option} of {name} must be one of {', '.join(allowed)}, got {words[option]!r}"
            )
    return numbers, words


def _number(scheme: str, option: str, value: ArrayLike | str | None, depth: int) -> Array:
    if value is None:
        raise ValueError(f"{scheme} needs {option}=, one number or one for each layer")
    array = np.asarray(value)
    if array.dtype.kind not in "fiu" or array.shape not in ((), (depth,)):
        raise ValueError(
            f"{option} must be one number or one for each of the {depth} layers, got {value!r}"
        )
    if not np.all(np.isfinite(array)) or (np.any(array < 0) and option != "a"):
        raise ValueError(f"{option} must be finite and not negative, got {value!r}")
    return np.array(np.broadcast_to(array, (depth,)), dtype=np.float64)


def _check(
    name: str, network: Network | Initialization, fans: Fans, made: tuple[Array, Array]
) -> None:
    given = {"C_W": (made[0] * fans.fan_in, network.C_W), "C_b": (made[1], network.C_b)}
    for constant, (found, wanted) in given.items():
        off = ~(np.abs(found - wanted) <= ROUNDING * wanted)
        if np.any(off):
            l = int(np.argmax(off))
            cannot = "" if np.isnan(found[l]) else f" (it gives {found[l]:.9g})"
            more = int(off.sum()) - 1
            others = (
                f", nor what {more} more layer{'s need' if more > 1 else ' needs'}" if more else ""
            )
            raise ValueError(
                f"{name} cannot give {constant} = {wanted[l]:.9g} at layer {l + 1}{cannot}"
                f"{others}; take {any_of(name)}, which can give any"
            )


def any_of(name: str) -> str:
    """The scheme of the same library that can give any variance."""
    return "keras.variance_scaling" if name.startswith("keras") else "torch.normal"


def _range(name: str, values: Array) -> str:
    low, high = float(np.min(values)), float(np.max(values))
    if high - low <= ROUNDING * high:
        return f"{name} = {high:.9g} in every layer"
    return f"{name} from {low:.9g} to {high:.9g}"
