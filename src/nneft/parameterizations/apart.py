"""What to type where layer 1 alone needs another initializer than the rest."""

from math import sqrt

import numpy as np

from nneft.network import Network
from nneft.parameterizations.convert import (
    Initialization,
    Recipe,
    any_of,
    recipe,
    scheme_of,
)


def recipe_apart(network: Network, scheme: str) -> Recipe:
    """As `nneft.recipe`, with layer 1 typed apart where the scheme cannot give its variances.

    Layer 1 is often scaled to what goes in rather than to what is critical. Its numbers of the
    scheme are then NaN, and a note says what was done and how the inputs could be scaled instead.

    Raises
    ------
    ValueError
        The scheme is unknown, or cannot give the variances of layers beyond the first.
    """
    name, _ = scheme_of(scheme)
    try:
        return recipe(network, name)
    except ValueError:
        if network.depth < 2:
            raise
        apart = any_of(name)
        try:
            rest = recipe(_layers(network, slice(1, None)), name)
        except ValueError:
            # of all layers: the sentence that names the first that fails
            rest = None
        if rest is None:
            raise
    first = recipe(_layers(network, slice(0, 1)), apart)
    numbers = {
        option: np.append(first.numbers.get(option, np.array([np.nan])), values)
        for option, values in rest.numbers.items()
    }
    return Recipe(
        name,
        numbers,
        np.append(first.std, rest.std),
        np.append(first.bias_std, rest.bias_std),
        first.calls + rest.calls,
        (_note(network, name, apart),),
    )


def _layers(network: Network, part: slice) -> Initialization:
    widths = network.widths[part.start : None if part.stop is None else part.stop + 1]
    return Initialization("bccz", widths, network.C_W[part], network.C_b[part], "normal")


def _note(network: Network, name: str, apart: str) -> str:
    said = (
        f"layer 1 is typed with {apart}, as {name} cannot give it C_W = {network.C_W[0]:.6g}, "
        "C_b = {:.6g}".format(network.C_b[0])
    )
    alike = network.C_b[0] == network.C_b[1] and len(set(network.widths[:3])) == 1
    if not alike:
        return said
    # G^(1) = C_b + C_W x.x/n_0
    factor = sqrt(network.C_W[0] / network.C_W[1])
    return f"{said}; or type it like layer 2 and multiply the inputs by {factor:.6g}"
