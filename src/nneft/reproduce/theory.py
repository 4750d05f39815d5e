"""What is known of one ensemble before anything is sampled."""

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np

from nneft.figures.curve import Array
from nneft.finite_width import exact
from nneft.reproduce.experiment import COMPONENTS, Experiment, Setting
from nneft.rg.driver import flow
from nneft.rg.flow import Flow


@dataclass(frozen=True, eq=False)
class Theory:
    """The expansion in 1/n of one ensemble, and what is known to all orders.

    Attributes
    ----------
    flow
        ``K_0``, ``K_1`` and ``V_4`` at leading order.
    exact
        For components of ``V_4`` of one input, (L,): ``n_{l-1} Var G`` at finite width.
    """

    flow: Flow
    exact: Mapping[tuple[int, ...], Array]


def theory(experiment: Experiment, setting: Setting) -> Theory:
    """Theory of one setting, for the components shown."""
    network = experiment.network(setting)
    below = np.array(network.widths[:-1], dtype=np.float64)
    kernel = network.first_kernel(experiment.x)
    single = [at for at in COMPONENTS if len(set(at)) == 1]
    return Theory(
        flow(network, experiment.x, order=1),
        # BCCZ (28): V_4 = n_{l-1} kappa_2
        {at: below * exact(network, kernel=kernel[at[:2]], moments=2).variance for at in single},
    )
