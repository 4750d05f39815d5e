"""The result: shapes and symmetries, merging, labelled arrays, one file."""

import json

import numpy as np
import pytest
import xarray

from nneft.ensemble import Ensemble, sample
from nneft.network import Network

INPUTS = np.array([[1.0, 1.0], [-1.4, 2.0], [0.6, -0.5]])
NET = Network((2, 20, 30, 20), "tanh", [1.0, 1.1, 1.2], 0.1)


@pytest.fixture(scope="module")
def ensemble():
    return sample(NET, INPUTS, networks=200, seed=10**30)


def same(one, other):
    assert one.sources == other.sources
    for name in ("widths", "C_W", "C_b", "activation", "networks"):
        assert getattr(one, name) == getattr(other, name)
    np.testing.assert_array_equal(one.first_kernel, other.first_kernel)
    np.testing.assert_array_equal(one.kernel.error, other.kernel.error)
    np.testing.assert_array_equal(one.V(4).mean, other.V(4).mean)
    np.testing.assert_array_equal(one.V(4).error, other.V(4).error)


def test_shapes_and_symmetries(ensemble):
    kernel, v4 = ensemble.kernel, ensemble.V(4)
    assert kernel.mean.shape == kernel.error.shape == (3, 3, 3)
    assert v4.mean.shape == v4.error.shape == (3, 3, 3, 3, 3)
    assert v4.count == kernel.count == ensemble.networks == 200
    np.testing.assert_array_equal(kernel.mean, np.swapaxes(kernel.mean, 1, 2))
    for array in (v4.mean, v4.error):
        np.testing.assert_array_equal(array, np.swapaxes(array, 1, 2))
        np.testing.assert_array_equal(array, np.swapaxes(array, 3, 4))
        np.testing.assert_allclose(array, np.transpose(array, (0, 3, 4, 1, 2)), rtol=1e-12)
    assert not v4.mean[0].any()
    assert not v4.error[0].any()


def test_estimates_against_the_samples_themselves():
    from nneft.ensemble.chain import chain_block
    from nneft.ensemble.plan import Plan

    plan = Plan(NET, NET.first_kernel(INPUTS), INPUTS, "chain", "float64", 5, 4)
    samples = chain_block(plan, 0, 50)
    ensemble = sample(NET, INPUTS, networks=50, seed=5)
    np.testing.assert_allclose(ensemble.kernel.mean[2, 0], samples[:, 1, :3].mean(axis=0))
    covariance = np.cov(samples[:, 1].T)
    # Pairs in order: 00 01 02 11 12 22; n_{l-1} = 30 above layer 3.
    np.testing.assert_allclose(ensemble.V(4).mean[2, 0, 2, 1, 2], 30 * covariance[2, 4])
    np.testing.assert_allclose(ensemble.V(4).mean[2, 1, 1, 2, 2], 30 * covariance[3, 5])


@pytest.mark.parametrize("points", [2, 3, 6, 8])
def test_what_is_not_held(ensemble, points):
    with pytest.raises(ValueError, match=rf"V\({points}\) .* holds <G> \(.kernel\) and V\(4\)"):
        ensemble.V(points)


def test_one_network_has_no_error():
    single = sample(NET, INPUTS, networks=1)
    for ask in (lambda: single.kernel, lambda: single.V(4)):
        with pytest.raises(ValueError, match="2 networks or more, this ensemble has 1"):
            ask()
    two = single.merge(sample(NET, INPUTS, networks=1, seed=1))
    assert np.isfinite(two.V(4).error).all()


def test_merging_weights_by_count(ensemble):
    other = sample(NET, INPUTS, networks=600, seed=2)
    both = ensemble.merge(other)
    assert both.networks == 800
    expected = (ensemble.kernel.mean + 3 * other.kernel.mean) / 4
    np.testing.assert_allclose(both.kernel.mean, expected, rtol=1e-14)
    assert [(s.seed, s.stop) for s in both.sources] == [(2, 600), (10**30, 200)]
    np.testing.assert_allclose(other.merge(ensemble).V(4).error, both.V(4).error, rtol=1e-12)


def test_what_does_not_merge(ensemble):
    def other(net=NET, inputs=INPUTS, **settings):
        return sample(net, inputs, **({"networks": 5, "seed": 1} | settings))

    with pytest.raises(ValueError, match=r"networks 0\.\.4 of seed 1000"):
        ensemble.merge(other(seed=10**30))
    with pytest.raises(ValueError, match="widths is .* and .*"):
        ensemble.merge(other(Network((2, 20, 30, 21), "tanh", [1.0, 1.1, 1.2], 0.1)))
    with pytest.raises(ValueError, match="activation is tanh and sin"):
        ensemble.merge(other(Network((2, 20, 30, 20), "sin", [1.0, 1.1, 1.2], 0.1)))
    with pytest.raises(ValueError, match="first kernel"):
        ensemble.merge(other(inputs=2 * INPUTS))
    with pytest.raises(ValueError, match="one kind"):
        ensemble.merge(other(points=2))


def test_labelled_arrays(ensemble):
    dataset = ensemble.to_xarray()
    assert dataset["V_4"].dims == ("layer", "x1", "x2", "x3", "x4")
    assert list(dataset["layer"].values) == [1, 2, 3]
    np.testing.assert_array_equal(dataset["kernel"].values, ensemble.kernel.mean)
    np.testing.assert_array_equal(dataset["error_V_4"].values, ensemble.V(4).error)
    attributes = json.loads(json.dumps(dataset.attrs))
    assert json.loads(attributes["widths"]) == [2, 20, 30, 20]
    assert attributes["activation"] == "tanh"
    assert json.loads(attributes["sources"])[0]["seed"] == 10**30
    same(Ensemble.from_xarray(dataset), ensemble)


@pytest.mark.parametrize(
    "made",
    [
        lambda: sample(NET, INPUTS, networks=30, dtype="float32"),
        lambda: sample(NET, INPUTS, networks=30, method="weights"),
        lambda: sample(NET, INPUTS, networks=3).merge(sample(NET, INPUTS, networks=3, seed=1)),
        lambda: sample(Network((2, 3), "relu", 1.0), INPUTS, networks=3),
        lambda: sample(Network((2, 3, 3), lambda x: x, 1.0), INPUTS, networks=3),
    ],
)
def test_a_file_gives_it_back_bit_for_bit(made, tmp_path):
    path = tmp_path / "ensemble.nc"
    kept = made()
    kept.save(path)
    with xarray.open_dataset(path, engine="h5netcdf") as stored:
        same(Ensemble.from_xarray(stored), kept)
    assert [p.name for p in tmp_path.iterdir()] == ["ensemble.nc"]


def test_what_cannot_be_given_is_left_out_and_said(tmp_path):
    single = sample(NET, INPUTS, networks=1)
    dataset = single.to_xarray()
    assert "kernel" not in dataset
    assert "2 networks or more" in dataset.attrs["left_out"]
    again = Ensemble.from_xarray(dataset)
    other = sample(NET, INPUTS, networks=1, seed=1)
    same(again.merge(other), single.merge(other))
    mean_only = sample(NET, INPUTS, networks=5, points=2)
    dataset = mean_only.to_xarray()
    assert "kernel" in dataset
    assert "V_4" not in dataset
    np.testing.assert_array_equal(
        Ensemble.from_xarray(dataset).kernel.error, mean_only.kernel.error
    )


def test_other_datasets_are_refused():
    with pytest.raises(ValueError, match="kind 'ensemble' was wanted, got kind 'flow'"):
        Ensemble.from_xarray(xarray.Dataset(attrs={"kind": "flow"}))


def test_unwritable_paths_leave_nothing(ensemble, tmp_path, monkeypatch):
    for path in (tmp_path, tmp_path / "missing" / "ensemble.nc"):
        with pytest.raises((ValueError, OSError), match=f"cannot write {path}"):
            ensemble.save(path)

    def full(*args, **kwargs):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(xarray.Dataset, "to_netcdf", full)
    with pytest.raises(OSError, match="No space left"):
        ensemble.save(tmp_path / "ensemble.nc")
    assert list(tmp_path.iterdir()) == []


def test_frozen(ensemble):
    with pytest.raises(AttributeError):
        ensemble.widths = (1, 2)
    assert "200 networks" in repr(ensemble)
