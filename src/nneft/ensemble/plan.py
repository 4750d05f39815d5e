"""What is to be sampled, how it is cut into blocks, and each block's random numbers.

Everything here is a pure function of the settings: nothing depends on the machine, the number of
workers, how many networks are carried at once, or how many are wanted in all.
"""

from dataclasses import dataclass
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from nneft.ensemble.control import Control
from nneft.network import Network

Array = NDArray[np.float64]
Method = Literal["chain", "weights"]
Precision = Literal["float64", "float32"]
Arithmetic = Literal["numpy", "jax"]

#: Work in one block, in random numbers; a fraction of a second, so that an interruption is prompt
#: and two workers share even a small ensemble.
BLOCK = 2**22
#: Random numbers drawn at a time: large enough to hide the cost of a call, small enough for caches.
CHUNK = 2**18
#: The same for JAX, whose devices are faster and want more at a time; and the most kernels (for
#: every network, layer and pair of inputs) that a block hands to the processor.
DEVICE_BLOCK, DEVICE_CHUNK, KERNELS = 2**31, 2**22, 2**24


@dataclass(frozen=True, eq=False)
class Plan:
    """A checked request for an ensemble.

    Parameters
    ----------
    network : the network.
    kernel : (N, N) first layer's kernel.
    inputs : (N, n_0), needed by ``"weights"`` alone.
    method, dtype, seed : as :func:`nneft.sample` takes them.
    points : 4 to accumulate covariances of the kernel, 2 for its mean alone.
    batch : networks carried through the layers together; changes no number.
    arithmetic : whose random numbers and functions: NumPy's, or JAX's on its default device.
    control : what takes fluctuations out of ``<G>`` and ``V_4``, or None; changes no network.
    """

    network: Network
    kernel: Array
    inputs: Array | None
    method: Method
    dtype: Precision
    seed: int
    points: int
    batch: int | None = None
    arithmetic: Arithmetic = "numpy"
    control: Control | None = None

    @property
    def hidden(self) -> tuple[int, ...]:
        """Widths of the layers drawn, ``n_1 .. n_{L-1}``: nothing depends on the last layer's."""
        return self.network.widths[1:-1]

    @property
    def work(self) -> int:
        """What one network costs, in random numbers; at least 1."""
        count = len(self.kernel)
        if self.method == "chain":
            work = sum(count * (n + count) for n in self.hidden)
        else:
            work = sum(
                n * (below + 1 + count) for below, n in zip(self.network.widths, self.hidden)
            )
        return max(1, work)

    @property
    def block(self) -> int:
        """Networks in a full block."""
        if self.arithmetic == "numpy":
            return max(1, BLOCK // self.work)
        count = len(self.kernel)
        kernels = max(1, self.network.depth - 1) * count * (count + 1) // 2
        block = max(1, min(DEVICE_BLOCK // self.work, KERNELS // kernels))
        # Whole groups, for none is computed in part.
        return max(block - block % self.group, min(block, self.group))

    @property
    def numbers(self) -> str:
        """Which random numbers a seed stands for, among others by the same seed."""
        return self.method if self.arithmetic == "numpy" else f"{self.method}, {self.arithmetic}"

    @property
    def together(self) -> int:
        """Networks to carry through the layers together."""
        return self.batch or self.group

    @property
    def group(self) -> int:
        """The same, where nobody says otherwise."""
        widest = len(self.kernel) * max(self.hidden, default=1)
        chunk = CHUNK if self.arithmetic == "numpy" else DEVICE_CHUNK
        return max(8, chunk // widest)

    def stream(self, block: int, layer: int) -> np.random.Generator:
        """NumPy's random numbers of one layer of one block, in the order of its networks.

        A stream of its own for every layer lets any number of networks go through the layers
        together: each draws the same numbers.
        """
        sequence = np.random.SeedSequence(self.seed, spawn_key=(block, layer))
        return np.random.Generator(np.random.SFC64(sequence))
