"""The activation function: values, derivatives, and the structure that methods choose from."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import Any, final

import numpy as np
from numpy.typing import ArrayLike, NDArray

from nneft.activations.numerical import measure
from nneft.activations.polyexp import PolyExp
from nneft.activations.structure import Parity, Structure

__all__ = ["Activation"]

FloatArray = NDArray[np.float64]


@final
class Activation:
    """An activation function ``sigma``: smooth pieces between finitely many kinks.

    Parameters
    ----------
    fn
        A function of an array, acting elementwise. It is called with NumPy float64 arrays, and
        in the sampler with arrays of the sampler's own kind.
    kinks
        The points where ``fn`` or any of its derivatives jumps.
    name
        What to call it; by default the function's own name.
    scale
        Distance over which ``fn`` varies, or to its nearest complex singularity; by default
        estimated.

    Attributes
    ----------
    name, kinks, parity, slopes, scale, polyexp, polynomial
        See the properties.

    Raises
    ------
    ValueError
        if ``fn`` is not elementwise, finite and deterministic, or varies too fast away from the
        kinks declared (a kink not declared, most often).

    Notes
    -----
    Activations known by formula come from :func:`nneft.activations.resolve`; their derivatives
    are exact to rounding. Those of a bare callable are numerical, and
    :meth:`derivative_error` says how good.
    """

    __slots__ = ("_call", "_name", "_structure", "_user")

    _call: Callable[[Any, Any], Any]
    _name: str
    _structure: Structure
    _user: tuple[Callable[[Any], Any], float | None] | None

    def __init__(
        self,
        fn: Callable[[Any], Any],
        kinks: Iterable[float] = (),
        *,
        name: str | None = None,
        scale: float | None = None,
    ) -> None:
        own_name = name if name is not None else getattr(fn, "__name__", repr(fn))
        structure = measure(fn, kinks, own_name, scale)
        self._fill(own_name, lambda x, xp: fn(x), structure, (fn, scale))

    @classmethod
    def _known(cls, name: str, call: Callable[[Any, Any], Any], structure: Structure) -> Activation:
        """An activation known by formula: ``call(x, xp)`` gives values in the namespace."""
        made = cls.__new__(cls)
        made._fill(name, call, structure, None)
        return made

    def _fill(
        self,
        name: str,
        call: Callable[[Any, Any], Any],
        structure: Structure,
        user: tuple[Callable[[Any], Any], float | None] | None,
    ) -> None:
        for field, value in zip(self.__slots__, (call, name, structure, user), strict=True):
            object.__setattr__(self, field, value)

    def __setattr__(self, field: str, value: object) -> None:
        raise AttributeError(f"an Activation is frozen; {field} cannot be set")

    def __repr__(self) -> str:
        return f"Activation({self.name!r})"

    @property
    def name(self) -> str:
        """The name or expression it was made from."""
        return self._name

    @property
    def is_callable(self) -> bool:
        """Whether it was made from a Python callable, which no file can hold."""
        return self._user is not None

    @property
    def kinks(self) -> tuple[float, ...]:
        """Sorted points where sigma or any of its derivatives jumps."""
        return self._structure.kinks

    @property
    def parity(self) -> Parity:
        """``"even"``, ``"odd"`` or None."""
        return self._structure.parity

    @property
    def slopes(self) -> tuple[float, float] | None:
        """``(a_minus, a_plus)`` when positively homogeneous: ``sigma(x) = a_(sign x) x``."""
        return self._structure.slopes

    @property
    def scale(self) -> float:
        """Half width of the strip around the real axis in which every piece is analytic; for
        entire pieces the length over which they vary (1 for polynomials).
        """
        return self._structure.scale

    @property
    def polyexp(self) -> PolyExp | None:
        """Exact form, if sigma is a finite sum of ``c x^p exp(a x + b x^2)``."""
        return self._structure.polyexp

    @property
    def polynomial(self) -> tuple[float, ...] | None:
        """``(c_0, c_1, ..)``, if sigma is a polynomial."""
        return self._structure.polynomial

    def __call__(self, x: Any) -> Any:
        """``sigma(x)``, elementwise, in the kind of array and the precision that came in."""
        if isinstance(x, np.ndarray) and x.ndim:
            return self._call(x if x.dtype.kind == "f" else x.astype(np.float64), np)
        if hasattr(x, "__array_namespace__") and not isinstance(x, np.ndarray | np.generic):
            return self._call(x, x.__array_namespace__())
        array = np.asarray(x, dtype=np.float64)
        return self(array.reshape(1)).reshape(())[()] if array.ndim == 0 else self(array)

    def derivatives(self, x: ArrayLike, order: int, side: int = 1) -> FloatArray:
        """Derivatives 0..order of the piecewise regular part.

        Parameters
        ----------
        x
            Points, any shape.
        order
            Highest derivative, 0 or more.
        side
            On a kink: +1 takes the limit from the right, -1 from the left.

        Returns
        -------
        (order+1, ..), the shape of ``x`` last, float64. Where a formula overflows double
        precision (``exp(x)`` at 800) they are not finite.
        """
        if order < 0 or side not in (1, -1):
            raise ValueError(f"order must be 0 or more and side 1 or -1, got {order} and {side}")
        return self._structure.derivatives(np.asarray(x, dtype=np.float64), order, side)

    def jumps(self, order: int) -> FloatArray:
        """Jumps of derivatives 0..order at the kinks, right minus left: (order+1, kinks)."""
        return self._structure.jumps(order)

    def derivative_error(self, order: int) -> float:
        """Estimated relative error of the derivatives up to ``order``."""
        return self._structure.error(order)
