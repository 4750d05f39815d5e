"""An ensemble as labelled arrays, and back."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import asdict
from typing import TYPE_CHECKING, Any

import numpy as np

from nneft._version import __version__
from nneft.conventions import pairs
from nneft.ensemble.accumulate import CoMoments, Moments
from nneft.ensemble.cumulants import CentralSums
from nneft.ensemble.ensemble import Ensemble, Source
from nneft.ensemble.higher import distinct_components
from nneft.ensemble.places import multisets
from nneft.ensemble.reduction import Reduction
from nneft.errors import NumericsError

if TYPE_CHECKING:
    import xarray

KIND = "ensemble"
LABELS = {
    "kernel": "<G>, mean kernel",
    "V_4": "n_{l-1} Cov(G_12, G_34), unbiased estimate at finite width",
}
#: Distinct components of k pairs, k = 2, 3, ..
COMPONENTS = ("pairs", "triple", "quadruple")


def to_xarray(ensemble: Ensemble) -> xarray.Dataset:
    """Estimates over ``layer`` and inputs ``x1 .. x4``, and the moments behind them.

    ``kernel`` and ``V_4`` come with ``error_kernel`` and ``error_V_4``; what cannot be given (from
    one network, or beyond double precision) is left out, the attribute ``left_out`` says why.
    ``moments_*``, over layers 2..L and unordered pairs, are sums about the mean in units of powers
    of ``2**moments_exponent``. ``V_6`` and ``V_8`` are given over their distinct components,
    ``triple`` and ``quadruple`` of unordered pairs, of the inputs ``inputs_V_6``, ``inputs_V_8``;
    ``cumulants_*`` are the sums behind them, group by group. Of a reduced ensemble ``kernel`` and
    ``V_4`` are the reduced estimates, ``gain_kernel`` and ``gain_V_4`` say how many times fewer
    networks that needed, and ``reduction_*`` are the sums behind them.
    """
    import xarray

    layers = np.arange(1, len(ensemble.widths))
    variables: dict[str, Any] = {"first_kernel": (("x1", "x2"), ensemble.first_kernel)}
    estimates, left_out = _estimates(ensemble)
    variables |= estimates | _moments(ensemble.moments)
    if ensemble.cumulants is not None:
        higher, missing = _higher(ensemble, ensemble.cumulants)
        variables |= higher | _cumulants(ensemble.cumulants)
        left_out = "; ".join(filter(None, [left_out, missing]))
    if ensemble.reduction is not None:
        variables |= _gains(ensemble) | _reduction(ensemble.reduction)
    coordinates = {"layer": layers, "sampled_layer": layers[1:]}
    attributes = _attributes(ensemble) | {"left_out": left_out}
    return xarray.Dataset(variables, coords=coordinates, attrs=attributes)


def _estimates(ensemble: Ensemble) -> tuple[dict[str, Any], str]:
    variables: dict[str, Any] = {}
    left_out = []
    for name in LABELS:
        try:
            estimate = ensemble.kernel if name == "kernel" else ensemble.V(4)
        except (ValueError, NumericsError) as reason:
            left_out.append(f"{name}: {reason}")
            continue
        dims = ("layer", "x1", "x2", "x3", "x4")[: estimate.mean.ndim]
        label = LABELS[name]
        variables[name] = (dims, estimate.mean, {"long_name": label})
        error = {"long_name": f"standard error of {name}"}
        variables[f"error_{name}"] = (dims, estimate.error, error)
    return variables, "; ".join(left_out)


def _higher(ensemble: Ensemble, held: CentralSums) -> tuple[dict[str, Any], str]:
    variables: dict[str, Any] = {}
    left_out = []
    of_pair = np.array(pairs(len(ensemble.first_kernel)))
    for k in range(3, held.order + 1):
        name, distinct = f"V_{2 * k}", COMPONENTS[k - 2]
        inputs = of_pair[multisets(len(of_pair), k)].reshape(-1, 2 * k)
        try:
            estimate = distinct_components(held, ensemble.widths, k)
        except (ValueError, NumericsError) as reason:
            left_out.append(f"{name}: {reason}")
            continue
        label = f"n_{{l-1}}^{k - 1} kappa_{k}(G), unbiased estimate at finite width"
        error = {"long_name": f"standard error of {name}"}
        dims = ("layer", distinct)
        variables[f"inputs_{name}"] = ((distinct, f"position_{name}"), inputs)
        variables[name] = (dims, estimate.mean, {"long_name": label})
        variables[f"error_{name}"] = (dims, estimate.error, error)
    return variables, "; ".join(left_out)


def _gains(ensemble: Ensemble) -> dict[str, Any]:
    try:
        gains = ensemble.gain
    except (ValueError, NumericsError):  # the estimates are left out for the same reason
        return {}
    label = "networks that plain estimates of the same error need, for one"
    dims = ("layer", "x1", "x2", "x3", "x4")
    return {
        f"gain_{name}": (dims[: gain.ndim], gain, {"long_name": label})
        for name, gain in gains.items()
    }


def _reduction(held: Reduction) -> dict[str, Any]:
    variables: dict[str, Any] = {
        "reduction_centre": (("layer", "pair"), held.centre),
        "reduction_exponent": (("layer",), held.exponent),
        "reduction_accuracy": ((), held.accuracy),
    }
    variables |= sums_variables(held.first, "reduction_first", "reduction_group", "pair")
    if held.second is not None:
        variables |= sums_variables(
            held.second, "reduction_second", "reduction_group", COMPONENTS[0]
        )
    return variables


def _cumulants(held: CentralSums) -> dict[str, Any]:
    return sums_variables(held, "cumulants", "group", "pair")


def sums_variables(held: CentralSums, name: str, group: str, component: str) -> dict[str, Any]:
    """The sums as variables ``name_*`` over these dimensions; :func:`sums_from` reads them."""
    dims = (group, "sampled_layer")
    variables: dict[str, Any] = {
        f"{name}_exponent": (dims[1:], held.exponent),
        f"{name}_count": (dims[:1], held.count),
        f"{name}_mean": ((*dims, component), held.mean),
        f"{name}_size": ((), held.size),
    }
    for k, sums in enumerate(held.sums, start=2):
        variables[f"{name}_s{k}"] = ((*dims, COMPONENTS[k - 2]), sums)
    return variables


def _moments(moments: Moments) -> dict[str, Any]:
    dims = ("sampled_layer", "pair", "pair2")
    variables: dict[str, Any] = {
        "moments_exponent": (dims[:1], moments.exponent),
        "moments_mean": (dims[:2], moments.mean),
        "moments_square": (dims[:2], moments.square),
    }
    if moments.co is not None:
        for name in ("m11", "m21", "m22"):
            variables[f"moments_{name}"] = (dims, getattr(moments.co, name))
    return variables


def _attributes(ensemble: Ensemble) -> dict[str, Any]:
    """What made it; numbers and text, for JSON and netCDF alike."""
    return {
        "kind": KIND,
        "nneft_version": __version__,
        "activation": ensemble.activation,
        "widths": json.dumps(ensemble.widths),
        "C_W": json.dumps(ensemble.C_W),
        "C_b": json.dumps(ensemble.C_b),
        "conventions": "BCCZ, arXiv:2305.02334: V_2k = n_{l-1}^(k-1) kappa_k(G)",
        "networks": ensemble.networks,
        "sources": json.dumps([asdict(source) for source in ensemble.sources]),
    }


def from_xarray(dataset: xarray.Dataset) -> Ensemble:
    """The ensemble that :func:`to_xarray` wrote, to the last bit.

    Raises
    ------
    ValueError
        if the dataset is not an ensemble's.
    """
    attributes = dataset.attrs
    if attributes.get("kind") != KIND:
        raise ValueError(
            f"a dataset of kind {KIND!r} was wanted, got kind {attributes.get('kind')!r}"
        )
    raw = {str(name): np.array(value.values) for name, value in dataset.variables.items()}
    co = None
    if "moments_m11" in raw:
        co = CoMoments(raw["moments_m11"], raw["moments_m21"], raw["moments_m22"])
    moments = Moments(
        int(attributes["networks"]),
        raw["moments_exponent"].astype(np.int64),
        raw["moments_mean"],
        raw["moments_square"],
        co,
    )
    return Ensemble(
        tuple(json.loads(attributes["widths"])),
        tuple(json.loads(attributes["C_W"])),
        tuple(json.loads(attributes["C_b"])),
        str(attributes["activation"]),
        raw["first_kernel"],
        moments,
        tuple(Source(**source) for source in json.loads(attributes["sources"])),
        _sums_of(raw, "cumulants"),
        _reduction_of(raw),
    )


def _sums_of(raw: Mapping[str, Any], name: str) -> CentralSums | None:
    return sums_from(raw, name) if f"{name}_count" in raw else None


def sums_from(raw: Mapping[str, Any], name: str) -> CentralSums:
    """The sums that :func:`sums_variables` laid out, from the arrays of a dataset."""
    return CentralSums(
        raw[f"{name}_exponent"].astype(np.int64),
        raw[f"{name}_count"].astype(np.int64),
        raw[f"{name}_mean"],
        tuple(raw[f"{name}_s{k}"] for k in (2, 3, 4) if f"{name}_s{k}" in raw),
        int(raw[f"{name}_size"]),
    )


def _reduction_of(raw: Mapping[str, Any]) -> Reduction | None:
    first = _sums_of(raw, "reduction_first")
    if first is None:
        return None
    return Reduction(
        raw["reduction_centre"],
        raw["reduction_exponent"].astype(np.int64),
        first,
        _sums_of(raw, "reduction_second"),
        float(raw["reduction_accuracy"]),
    )
