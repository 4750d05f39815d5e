"""Results print in a few lines; what stands there is what they hold."""

import numpy as np
import pytest

import nneft

X = [[1.0, 1.0], [-1.0, 0.3]]
NET = nneft.Network((2, *[9] * 30), "tanh", 1.0, 0.1)
MADE = {
    "Sensitivity": lambda f: f.sensitivity(),
    "Response": lambda f: f.response(4, 3),
    "Validity": lambda f: f.validity(),
    "Resummation": lambda f: f.resum(4, layer=30),
    "Contributions": lambda f: nneft.contributions(f, 4, 3),
    "EffectiveAction": lambda f: nneft.effective_action(f, 3),
    "GhostCancellation": lambda f: nneft.ghost_cancellation(f, 3),
    "Action": lambda f: nneft.action(
        NET, X, np.random.default_rng(0).normal(size=(30, 9, 2)).tolist()
    ),
}


@pytest.fixture(scope="module")
def flow():
    return nneft.flow(NET, X, order=2)


@pytest.mark.parametrize("name", list(MADE))
def test_short_and_without_raw_arrays(flow, name):
    made = MADE[name](flow)
    assert type(made).__name__ == name
    assert repr(made).startswith(name)
    assert len(repr(made)) < 200
    assert "\n" not in repr(made)
    assert 3 <= len(str(made).splitlines()) <= 20
    assert max(map(len, str(made).splitlines())) <= 120
    assert "array(" not in repr(made) + str(made)


def test_numbers_are_those_held(flow):
    change = flow.sensitivity()
    last = next(line for line in str(change).splitlines() if line.split()[:1] == ["30"])
    numbers = [change.mean(by=by)[-1, 0, 0] for by in ("C_W", "C_b")]
    assert [float(cell) for cell in last.split()[1:]] == pytest.approx(numbers, rel=1e-5)
    answer = flow.response(4, 3)
    first = str(answer).splitlines()[3].split()
    assert first[0] == "[0,0;0,0]"
    assert float(first[1]) == pytest.approx(answer.matrix[0, 0], rel=1e-5)
    low = nneft.effective_action(flow, 3)
    assert f"{low.lambda_[0, 0, 0, 0]:.8g}" in str(low)
    assert "to power 1" in str(nneft.effective_action(flow, 3, ghosts=False))


def test_batches_of_actions_print_too():
    phi = [np.random.default_rng(0).normal(size=(4, 9, 2)) for _ in range(30)]
    assert str(nneft.action(NET, X, phi)) == "Action(4 configurations, 30 layers)"
