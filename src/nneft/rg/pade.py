"""Pade approximants of a short series, with what makes one of them unfit said of it.

The series is given by its terms at the point asked, ``t_0 + t_1 y + t_2 y^2 + ..`` at ``y = 1``:
``y`` is eps over the eps asked. Source: C. M. Bender, S. A. Orszag, *Advanced Mathematical Methods
for Scientists and Engineers*, section 8.3.
"""

from dataclasses import dataclass

import numpy as np

from nneft.gaussian.base import Array

#: A denominator's equations with a larger condition number have lost its digits.
MOST_CONDITION = 1e10
#: A pole is in the way up to this many times the eps asked, and at this angle to the real axis.
REACH, ANGLE = 1.1, 0.1


@dataclass(frozen=True)
class Pade:
    """One approximant ``[M/N]`` at the point asked.

    Attributes
    ----------
    M, N
        Degrees of numerator and denominator.
    value
        None where the equations of its denominator are singular: there is no such approximant, or
        the terms held do not determine it.
    pole
        The smallest pole on or near the positive real axis between zero and the point asked, as a
        multiple of eps there; None if there is none.
    """

    M: int
    N: int
    value: float | None
    pole: float | None

    @property
    def sound(self) -> bool:
        """Whether it exists and has no pole in the way."""
        return self.value is not None and self.pole is None

    def __str__(self) -> str:
        name = f"[{self.M}/{self.N}]"
        if self.value is None:
            return f"{name} singular"
        return f"{name} {self.value:.8g}" + (f" pole at {self.pole:.3g} eps" if self.pole else "")


def pade(terms: Array, N: int) -> Pade:
    """``[M/N]`` at one, with ``M + N`` the number of the last of the terms (Q + 1,)."""
    M = len(terms) - 1 - N
    if N == 0:
        return Pade(M, 0, float(np.sum(terms[::-1])), None)
    growth = _growth(terms)
    scaled = terms / growth ** np.arange(len(terms))
    padded = np.concatenate([np.zeros(N), scaled])
    # sum_{j=0}^N b_j t_{M+i-j} = 0 , i = 1..N , b_0 = 1                  (Bender, Orszag 8.3.2)
    matrix = np.array([[padded[N + M + i - j] for j in range(1, N + 1)] for i in range(1, N + 1)])
    right = -scaled[M + 1 :]
    if not np.any(right):  # the series ends: it is its own approximant
        return Pade(M, N, float(np.sum(terms[::-1])), None)
    size = np.max(np.abs(matrix), axis=1)
    if not np.all(size > 0.0) or np.linalg.cond(matrix / size[:, None]) > MOST_CONDITION:
        return Pade(M, N, None, None)
    b = np.concatenate([[1.0], np.linalg.solve(matrix / size[:, None], right / size)])
    # a_i = sum_{j<=i} b_j t_{i-j} , i = 0..M
    a = np.convolve(b, scaled)[: M + 1]
    below = np.polynomial.polynomial.polyval(growth, b)
    if abs(below) < 1.0 / MOST_CONDITION:
        return Pade(M, N, None, None)
    value = float(np.polynomial.polynomial.polyval(growth, a) / below)
    return Pade(M, N, value, _pole(b, growth))


def approximants(terms: Array) -> tuple[Pade, ...]:
    """All ``[M/N]`` with ``M + N = Q``, by N: from the partial sum to the pure denominator."""
    return tuple(pade(terms, N) for N in range(len(terms)))


def choose(found: tuple[Pade, ...]) -> Pade | None:
    """The sound one nearest to the diagonal, of two the one of the larger M; not a partial sum."""
    sound = [p for p in found[1:] if p.sound]
    return min(sound, key=lambda p: (abs(p.M - p.N), p.N), default=None)


def disagreement(terms: Array, found: tuple[Pade, ...], chosen: Pade) -> float | None:
    """How far the chosen one is from its sound neighbours: the largest difference.

    Neighbours are ``[M+1/N-1]``, ``[M-1/N+1]``, of the same terms, and ``[M-1/N]``, ``[M/N-1]`` of
    one term less. None where none of those with a denominator is sound.
    """
    shorter = approximants(terms[:-1])
    near = [p for p in found if abs(p.N - chosen.N) == 1]
    near += [p for p in shorter if p.N in (chosen.N, chosen.N - 1)]
    values = [p.value for p in near if p.sound and p.N and p.value is not None]
    if not values or chosen.value is None:
        return None
    return max(abs(v - chosen.value) for v in values)


def _growth(terms: Array) -> float:
    """A size of ``t_{q+1} / t_q``, so that scaled terms are alike."""
    size = np.abs(terms)
    if not size[0] > 0.0:
        return 1.0
    held = [float((s / size[0]) ** (1.0 / q)) for q, s in enumerate(size) if q and s > 0.0]
    return max(held, default=1.0)


def _pole(b: Array, growth: float) -> float | None:
    """The smallest root of the denominator in the way, in units of the point asked."""
    roots = np.polynomial.polynomial.polyroots(np.trim_zeros(b, "b")) / growth
    near = (np.abs(np.angle(roots)) < ANGLE) & (np.abs(roots) < REACH)
    return float(np.min(np.abs(roots[near]))) if np.any(near) else None
