"""From an activation, a depth and a width to what to type, in words and as numbers."""

import json

import numpy as np
import pytest

import nneft
from nneft.parameterizations import initialization
from nneft.parameterizations.apart import recipe_apart
from nneft.tuning import advise, critical_network, tune


@pytest.mark.parametrize("target", ["shift", "layers"])
def test_what_is_typed_is_what_was_tuned(target):
    found = advise("tanh", depth=6, width=80, outputs=10, target=target)
    after = found.tuning.after
    assert after.widths == (*[80] * 6, 10)
    again = initialization("torch.normal", after.widths, **found.recipe.numbers)
    np.testing.assert_allclose(again.C_W, after.C_W, rtol=1e-13)
    np.testing.assert_allclose(again.C_b, after.C_b, rtol=1e-13)
    assert f"std={found.recipe.std[-1]:.9g}" in str(found)


def test_it_is_said_in_words_first():
    found = advise("gelu", depth=20, width=64, bound=0.3)
    lines = str(found).splitlines()
    width = int(np.ceil(64 * found.budget.width_factor))
    assert lines[0].startswith(
        f"gelu: 20 layers are too many for width 64; take {found.budget.depth} layers or width "
        f"{width}."
    )
    assert lines[1].startswith("these are spreads to leading order")
    parts = str(found).split("\n\n")
    assert parts[1].startswith("gelu is critical (half-stable) at C_W = 1.98305")
    assert parts[2].startswith("gelu: take C_W (1 + ")


def test_rounding_is_no_departure():
    text = str(advise("tanh", depth=50, width=256))
    assert "e-14%" not in text and "(1 + 0.58" in text
    negative = str(advise("sin", depth=5, width=30).tuning)
    assert "+-" not in negative and "+ -" not in negative


@pytest.mark.parametrize(
    ("activation", "scheme", "other"),
    [
        ("gelu", "torch.kaiming_normal", "torch.normal"),
        ("relu", "keras.he_normal", "keras.variance_scaling"),
        ("relu", "kaiming_uniform", None),
    ],
)
def test_layer_one_is_typed_apart_where_it_must_be(activation, scheme, other):
    found = advise(activation, depth=4, width=32, scheme=scheme)
    after, made = found.tuning.after, found.recipe
    np.testing.assert_allclose(32 * made.std**2, after.C_W, rtol=1e-13)
    np.testing.assert_allclose(made.bias_std**2, after.C_b, rtol=1e-13, atol=1e-15)
    if other is None:
        assert made.notes == ()
        return
    [note] = made.notes
    assert note in str(found) and note in found.as_dict()["notes"]
    assert note.startswith(f"layer 1 is typed with {other}, as {made.scheme} cannot give it C_W = ")
    # inputs so scaled have the kernel wanted with the weights of the other layers
    factor = float(note.rsplit(" ", 1)[1])
    alike = nneft.Network(after.widths, activation, after.C_W[1], after.C_b)
    inputs = factor * np.ones((1, 32))
    np.testing.assert_allclose(alike.first_kernel(inputs), found.tuning.goal[0], rtol=1e-5)


def test_a_scheme_that_other_layers_cannot_have_is_refused():
    with pytest.raises(ValueError, match=r"cannot give C_W = 1.00.* at layer 2 .*3 more layers"):
        advise("tanh", depth=5, width=64, scheme="glorot_normal")
    with pytest.raises(ValueError, match="cannot give C_W = 3 at layer 1; take torch.normal"):
        recipe_apart(nneft.Network((4, 4), "tanh", 3.0), "torch.kaiming_normal")


def test_doubts_are_said():
    doubt = "orders beyond the first"
    assert doubt in str(advise("relu", depth=20, width=64).tuning)
    assert doubt not in str(advise("relu", depth=20, width=2000).tuning)


def test_without_a_critical_point():
    found = advise("softplus", depth=5, width=64)
    assert found.budget.rate is None
    assert "\nsoftplus has no critical point (" in str(found)


def test_as_json():
    found = advise("relu", depth=8, width=100)
    read = json.loads(json.dumps(found.as_dict(), allow_nan=False))
    assert read["C_W"] == [1.0, *[2.0] * 7]
    assert read["numbers"] == {"c": 0.0}
    assert read["budget"]["rate"] == pytest.approx(5.0)
    assert len(read["type"]) == len(read["spread"]) == 8


def test_the_first_layer_gives_the_kernel_for_inputs_of_unit_mean_square():
    for activation in ("tanh", "gelu", "selu", "softplus"):
        net, kernel = critical_network(activation, 3, 16)
        np.testing.assert_allclose(net.first_kernel(inputs=np.ones(16)), kernel, rtol=1e-14)


def test_wrong_calls():
    with pytest.raises(TypeError, match="nneft.advise takes an activation"):
        tune("tanh", kernel=1.0)
    with pytest.raises(ValueError, match="depth must be a positive integer"):
        advise("tanh", depth=0, width=5)
    with pytest.raises(ValueError, match="correlation must be"):
        critical_network("tanh", 3, 5, correlation=2.0)
    with pytest.raises(ValueError, match="unknown initialization"):
        advise("tanh", depth=3, width=5, scheme="torch.gain")
    with pytest.raises(nneft.NumericsError, match="too narrow for its depth"):
        advise("tanh", depth=40, width=3)
