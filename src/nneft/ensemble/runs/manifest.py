"""What a run is: its settings as plain JSON, their digest, and who began it."""

from __future__ import annotations

import hashlib
import json
import os
import platform
import sys
import time
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from nneft._version import __version__
from nneft.ensemble.plan import Plan

NAME = "manifest.json"
SCHEMA = 1
#: What helps a damaged one.
MEND = "give all settings that the blocks were sampled with, or begin again in another folder"
#: Where a callable is looked at, to tell it from another of its name.
PROBES = np.array([-3.0, -1.0, -0.25, 0.0, 0.5, 1.0, 2.0])


class Damaged(ValueError):
    """A manifest that is not what was written, or that is gone from among blocks."""


def settings(plan: Plan, networks: int, per_block: int, until: str | None) -> dict[str, Any]:
    """All that decides the numbers of a run, as JSON holds it."""
    net = plan.network
    made: dict[str, Any] = {
        "activation": net.activation.name,
        "activation_values": None,
        "widths": list(net.widths),
        "C_W": net.C_W.tolist(),
        "C_b": net.C_b.tolist(),
        "inputs": None if plan.inputs is None else plan.inputs.tolist(),
        "kernel": plan.kernel.tolist() if plan.inputs is None else None,
        "networks": networks,
        "seed": plan.seed,
        "method": plan.method,
        "dtype": plan.dtype,
        "points": plan.points,
        "arithmetic": plan.arithmetic,
        "reduce": plan.control is not None,
        "until": until,
        "networks_per_stream": plan.block,
        "networks_per_block": per_block,
    }
    if net.activation.is_callable:
        with np.errstate(all="ignore"):
            values = np.asarray(net.activation(PROBES), dtype=np.float64)
        made["activation_values"] = [f"{value:.9g}" for value in values]
    return made


def digest(made: Mapping[str, Any]) -> str:
    """SHA-256 of the settings: every block bears it."""
    text = json.dumps({"schema": SCHEMA, **made}, sort_keys=True)
    return hashlib.sha256(text.encode()).hexdigest()


def text(made: Mapping[str, Any], command: Sequence[str]) -> str:
    """The manifest of a run that begins now."""
    content = {
        "schema": SCHEMA,
        "kind": "ensemble run",
        "settings": dict(made),
        "digest": digest(made),
        "versions": versions() | arithmetic(made),
        "device": device(),
        "command": list(command),
        "begun": time.strftime("%Y-%m-%dT%H:%M:%S%z"),
    }
    return json.dumps(content, indent=1) + "\n"


def versions() -> dict[str, str]:
    """What the numbers may depend on in their last bits."""
    return {"nneft": __version__, "numpy": np.__version__, "python": platform.python_version()}


def arithmetic(made: Mapping[str, Any]) -> dict[str, str]:
    """The same of JAX, where these settings are drawn by it."""
    if made.get("arithmetic") != "jax":
        return {}
    from nneft.ensemble.engines.device import about

    return about()


def device() -> dict[str, Any]:
    """The processor and its machine."""
    return {
        "processor": _processor(),
        "machine": platform.machine(),
        "system": platform.system(),
        "processors": os.cpu_count(),
        "byteorder": sys.byteorder,
    }


def _processor() -> str:
    try:
        lines = Path("/proc/cpuinfo").read_text(encoding="utf-8").splitlines()
    except (OSError, ValueError):
        return platform.processor()
    names = [line.split(":", 1)[1].strip() for line in lines if line.startswith("model name")]
    return names[0] if names else platform.processor()


def read(folder: Path) -> dict[str, Any]:
    """The manifest of a run's folder.

    Raises
    ------
    ValueError
        There is none, or it is of a later schema; `Damaged` where it does not hold what it should.
    """
    path = folder / NAME
    try:
        content = json.loads(path.read_text(encoding="utf-8"))
        whole = content["digest"] == digest(content["settings"])
        schema = int(content["schema"])
    except FileNotFoundError:
        raise ValueError(f"{folder} holds no run: there is no {NAME} in it") from None
    except (ValueError, KeyError, TypeError) as error:
        raise Damaged(f"{path} is damaged ({error!r}); {MEND}") from None
    if schema > SCHEMA:
        raise ValueError(f"{path} has schema {schema}, this nneft reads up to {SCHEMA}: update it")
    if not whole:
        raise Damaged(f"{path} is damaged: its settings do not match its digest; {MEND}")
    found: dict[str, Any] = content
    return found


def differences(kept: Mapping[str, Any], asked: Mapping[str, Any]) -> list[str]:
    """Which settings differ, each as one line."""
    names = dict.fromkeys([*kept, *asked])
    return [
        f"{name} is {_brief(kept.get(name))} there, {_brief(asked.get(name))} was asked for"
        for name in names
        if kept.get(name) != asked.get(name)
    ]


def elsewhere(manifest: Mapping[str, Any]) -> list[str]:
    """What differs between where the run began and here, so that last bits may differ too."""
    now = versions() | {"processor": device()["processor"]} | arithmetic(manifest["settings"])
    then = dict(manifest["versions"]) | {"processor": manifest["device"].get("processor")}
    return [
        f"{name} was {then.get(name)}, is {here}"
        for name, here in now.items()
        if name != "python" and then.get(name) != here
    ]


def _brief(value: object) -> str:
    written = json.dumps(value)
    return written if len(written) <= 60 else f"{written[:57]}..."
