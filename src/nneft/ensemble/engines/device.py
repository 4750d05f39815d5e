"""Blocks drawn by JAX on its default device, a GPU where there is one."""

from __future__ import annotations

import re
from types import ModuleType

from nneft.ensemble.engines.base import EngineLost
from nneft.ensemble.plan import Array, Plan

#: What the runtime of a device says when it is out of memory.
FULL = re.compile(r"RESOURCE_EXHAUSTED|[Oo]ut of memory")


def device_block(plan: Plan, block: int, networks: int) -> Array:
    """(networks, L-1, P): the kernels of layers 2..L of the first networks of a block.

    Raises
    ------
    ValueError
        JAX is not installed, the activation cannot be written in JAX, or the numbers of networks
        are beyond what 64 bits count.
    EngineLost
        The device fails or is out of memory.
    """
    jax_chain = needed()
    last = block * plan.block + networks
    if last * len(plan.kernel) * max(plan.hidden, default=1) > 2**64:
        raise ValueError(
            f"network {last} needs random numbers beyond the 2^64 of one seed: take another seed"
        )
    try:
        kernels: Array = jax_chain.kernels(plan, block * plan.block, networks)
    except jax_chain.DeviceError as error:
        line = str(error).splitlines()[0] if str(error) else type(error).__name__
        if FULL.search(str(error)):
            raise EngineLost(f"{name()} is out of memory ({line})") from error
        raise EngineLost(f"{name()} failed: {line}") from error
    return kernels


def name() -> str:
    """The device that JAX takes, such as ``"NVIDIA H100 80GB HBM3"`` or ``"cpu"``."""
    found: str = needed().device().device_kind
    return found


def about() -> dict[str, str]:
    """What the last bits of numbers by JAX depend on here."""
    try:
        return {"jax": needed().jax.__version__, "accelerator": name()}
    except ValueError:
        return {"jax": "not installed", "accelerator": "none"}


def needed() -> ModuleType:
    """The module that imports JAX.

    Raises
    ------
    ValueError
        JAX is not installed.
    """
    try:
        from nneft.ensemble.engines import jax_chain
    except ImportError as error:
        raise ValueError(
            f"arithmetic='jax' needs JAX ({error}): pip install 'nneft[gpu]', and for NVIDIA "
            "'jax[cuda12]'"
        ) from error
    return jax_chain


def need_gpu() -> None:
    """Refuse a machine where JAX would sample on the processor.

    Raises
    ------
    ValueError
        JAX is not installed or finds no GPU.
    """
    if needed().device().platform == "cpu":
        raise ValueError(
            "JAX finds no GPU here, only the processor: install 'jax[cuda12]' where there is an "
            "NVIDIA GPU, or sample with NumPy, which is faster on processors"
        )
