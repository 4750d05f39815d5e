"""Values in the kind of array, and the precision, that comes in."""

import pickle

import array_api_strict as xp
import numpy as np
import pytest
from activations.table import EXACT, TABLE

from nneft.activations import Activation
from nneft.activations.values import algebra

WITHOUT_ERF = [name for name in EXACT if name not in ("erf", "gelu")]
X = np.linspace(-4.0, 4.0, 33).reshape(3, 11)


@pytest.mark.parametrize("name", EXACT)
def test_dtype_and_shape_are_kept(name: str) -> None:
    activation = TABLE[name].made()
    single = activation(X.astype(np.float32))
    assert (single.dtype, single.shape) == (np.float32, X.shape)
    np.testing.assert_allclose(single, activation(X), rtol=2e-5, atol=1e-6)
    before = X.copy()
    assert activation(X) is not X
    np.testing.assert_array_equal(X, before)
    assert activation(np.arange(3)).dtype == np.float64
    assert activation([0.5, 1.0]).shape == (2,)
    assert np.shape(activation(0.5)) == ()
    assert float(activation(np.float64(0.5))) == activation(np.array([0.5]))[0]


@pytest.mark.parametrize("name", WITHOUT_ERF)
@pytest.mark.parametrize("dtype", ["float32", "float64"])
def test_array_api_namespaces(name: str, dtype: str) -> None:
    activation = TABLE[name].made()
    x = xp.asarray(X, dtype=getattr(xp, dtype))
    found = activation(x)
    assert found.__array_namespace__() is xp
    assert found.dtype == x.dtype
    tolerance = 1e-12 if dtype == "float64" else 2e-5
    np.testing.assert_allclose(np.asarray(found), activation(X), rtol=tolerance, atol=1e-6)


@pytest.mark.parametrize("name", ["erf", "gelu"])
def test_namespace_without_erf_says_so(name: str) -> None:
    with pytest.raises(TypeError, match="have no error function"):
        TABLE[name].made()(xp.asarray(X))


def test_namespace_with_its_own_erf() -> None:
    class WithErf:
        __name__ = "with_erf"
        erf = staticmethod(algebra(np)["erf"])

        def __getattr__(self, name: str) -> object:
            return getattr(np, name)

    np.testing.assert_allclose(algebra(WithErf())["ndtr"](X), algebra(np)["ndtr"](X), rtol=1e-11)


@pytest.mark.parametrize("name", EXACT)
def test_pickled_by_name(name: str) -> None:
    activation = TABLE[name].made()
    again = pickle.loads(pickle.dumps(activation))
    np.testing.assert_array_equal(again(X), activation(X))
    assert again.name == activation.name


def test_pickled_callable() -> None:
    again = pickle.loads(pickle.dumps(Activation(np.tanh, name="mine", scale=1.5)))
    assert (again.name, again.scale, again.parity) == ("mine", 1.5, "odd")
