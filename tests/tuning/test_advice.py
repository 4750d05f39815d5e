"""From an activation, a depth and a width to what to type, in words and as numbers."""

import json

import numpy as np
import pytest

import nneft
from nneft.parameterizations import initialization
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
    lines = str(advise("gelu", depth=20, width=64, bound=0.3)).splitlines()
    assert lines[0].startswith("gelu is critical (half-stable) at C_W = 1.98305")
    assert lines[2].startswith("gelu: take C_W (1 +")
    assert any("too many for this width" in line for line in lines)


def test_doubts_are_said():
    doubt = "orders beyond the first"
    assert doubt in str(advise("relu", depth=20, width=64).tuning)
    assert doubt not in str(advise("relu", depth=20, width=2000).tuning)


def test_without_a_critical_point():
    found = advise("softplus", depth=5, width=64)
    assert found.budget.rate is None
    assert str(found).startswith("softplus has no critical point (")


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
