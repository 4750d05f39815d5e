"""The schemes by name: a new one is a new row."""

from collections.abc import Callable
from math import erf, exp, pi, sqrt

import numpy as np

from nneft.parameterizations.schemes import (
    DISTRIBUTIONS,
    GAINS,
    Array,
    Pair,
    Scaled,
    Scheme,
    TorchLinear,
)

#: Variance of a standard normal cut at two standard deviations.
TRUNCATED = 1.0 - 4.0 * exp(-2.0) / sqrt(2.0 * pi) / erf(sqrt(2.0))

NONE: dict[str, tuple[str, ...]] = {}
KAIMING = {"mode": ("fan_in", "fan_out"), "nonlinearity": ("leaky_relu", *GAINS)}
SCALING = {"mode": ("fan_in", "fan_out", "fan_avg"), "distribution": tuple(DISTRIBUTIONS)}


def leaky(a: Array) -> Array:
    """The squared gain of a leaky ReLU of slope a."""
    return 2.0 / (1.0 + a**2)


def slope(scale: Array) -> Array:
    """The slope that has this squared gain; NaN above 2."""
    missing = 2.0 / scale - 1.0
    # The rounding of a product is no slope.
    return np.sqrt(np.where(np.abs(missing) < 1e-14, 0.0, missing))


def _power(factor: float) -> tuple[Callable[[Array], Array], Callable[[Array], Array]]:
    """``factor x^2`` and its inverse."""
    return lambda x: factor * x**2, lambda scale: np.sqrt(scale / factor)


def _linear() -> tuple[Callable[[Array], Array], Callable[[Array], Array]]:
    return lambda x: 1.0 * x, lambda scale: 1.0 * scale


def _torch(name: str, numbers: dict[str, float | None], typed: str, *how: object) -> Scaled:
    call = (
        f"torch.nn.init.{name}_(layer.weight{typed}); "
        "torch.nn.init.normal_(layer.bias, std={bias_std:.9g})"
    )
    choices, scale, inverse, fan, drawn = how
    return Scaled(call, numbers | {"bias_std": 0.0}, choices, scale, inverse, fan, drawn)  # type: ignore[arg-type]


def _keras(name: str, numbers: dict[str, float | None], typed: str, *how: object) -> Scaled:
    call = (
        f"keras.layers.Dense({{fan_out:.0f}}, kernel_initializer={name}({typed}), "
        "bias_initializer=RandomNormal(stddev={bias_std:.9g}))"
    )
    choices, scale, inverse, fan, drawn = how
    return Scaled(call, numbers | {"bias_std": 0.0}, choices, scale, inverse, fan, drawn)  # type: ignore[arg-type]


KAIMING_TYPED = ", a={a:.9g}, mode='{mode}', nonlinearity='{nonlinearity}'"
GAIN_TYPED = ", gain={gain:.9g}"
SCALING_TYPED = "scale={scale:.9g}, mode='{mode}', distribution='{distribution}'"
KERAS_NAMES = {"he": "He", "lecun": "Lecun", "glorot": "Glorot"}
LIMITS_TYPED = "minval=-{limit:.9g}, maxval={limit:.9g}"

SCHEMES: dict[str, Scheme] = {
    "bccz": Pair("C_W = {C_W:.9g}, C_b = {C_b:.9g}", {"C_W": None, "C_b": 0.0}, NONE),
    "pdlt": Pair("C_W = {C_W:.9g}, C_b = {C_b:.9g}", {"C_W": None, "C_b": 0.0}, NONE),
    "sigma": Pair(
        "sigma_w = {sigma_w:.9g}, sigma_b = {sigma_b:.9g}",
        {"sigma_w": None, "sigma_b": 0.0},
        NONE,
        2,
    ),
    "neural_tangents": Pair(
        "stax.Dense({fan_out:.0f}, W_std={W_std:.9g}, b_std={b_std:.9g})",
        {"W_std": 1.0, "b_std": 0.0},
        NONE,
        2,
    ),
    "torch.linear": TorchLinear("torch.nn.Linear({fan_in:.0f}, {fan_out:.0f})", {}, NONE),
    "torch.normal": _torch(
        "normal", {"std": None}, ", std={std:.9g}", NONE, *_power(1.0), "none", "normal"
    ),
    "torch.uniform": _torch(
        "uniform",
        {"bound": None},
        ", -{bound:.9g}, {bound:.9g}",
        NONE,
        *_power(1.0 / 3.0),
        "none",
        "uniform",
    ),
    "keras.variance_scaling": _keras(
        "VarianceScaling", {"scale": 1.0}, SCALING_TYPED, SCALING, *_linear(), "fan_in", ""
    ),
    "keras.random_normal": _keras(
        "RandomNormal", {"stddev": 0.05}, "stddev={stddev:.9g}", NONE, *_power(1.0), "none",
        "normal",
    ),
    "keras.random_uniform": _keras(
        "RandomUniform", {"limit": 0.05}, LIMITS_TYPED, NONE, *_power(1.0 / 3.0), "none",
        "uniform",
    ),
    "keras.truncated_normal": _keras(
        "TruncatedNormal", {"stddev": 0.05}, "stddev={stddev:.9g}", NONE, *_power(TRUNCATED),
        "none", "truncated normal",
    ),
}  # fmt: skip

for _law, _cut in (("normal", "truncated normal"), ("uniform", "uniform")):
    SCHEMES[f"torch.kaiming_{_law}"] = _torch(
        f"kaiming_{_law}", {"a": 0.0}, KAIMING_TYPED, KAIMING, leaky, slope, "fan_in", _law
    )
    SCHEMES[f"torch.xavier_{_law}"] = _torch(
        f"xavier_{_law}", {"gain": 1.0}, GAIN_TYPED, NONE, *_power(1.0), "fan_avg", _law
    )
    # Keras corrects truncated normals for what is cut off: the variance is the one it names.
    for _name, _scale, _fan in (("he", 2.0, "fan_in"), ("lecun", 1.0, "fan_in"),
                                ("glorot", 1.0, "fan_avg")):  # fmt: skip
        SCHEMES[f"keras.{_name}_{_law}"] = _keras(
            f"{KERAS_NAMES[_name]}{_law.title()}", {}, "", NONE, _scale, None,
            _fan, _cut,
        )  # fmt: skip

#: Other names of the same.
ALIASES = {
    "c": "bccz",
    "poole": "sigma",
    "schoenholz": "sigma",
    "jax": "neural_tangents",
    "neural-tangents": "neural_tangents",
    "torch": "torch.linear",
    "pytorch": "torch.linear",
    "kaiming_normal": "torch.kaiming_normal",
    "kaiming_uniform": "torch.kaiming_uniform",
    "xavier_normal": "torch.xavier_normal",
    "xavier_uniform": "torch.xavier_uniform",
    "he_normal": "keras.he_normal",
    "he_uniform": "keras.he_uniform",
    "lecun_normal": "keras.lecun_normal",
    "lecun_uniform": "keras.lecun_uniform",
    "glorot_normal": "keras.glorot_normal",
    "glorot_uniform": "keras.glorot_uniform",
    "keras": "keras.glorot_uniform",
    "variance_scaling": "keras.variance_scaling",
}
