"""Couplings of one layer's effective action, with and without ghosts."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property

import numpy as np

from nneft.actions.held import Correlators, Held, rescaled
from nneft.actions.support import Support
from nneft.errors import NumericsError
from nneft.gaussian.base import Array


@dataclass(frozen=True, eq=False, repr=False)
class EffectiveAction:
    """The action of one layer's fields, the other layers integrated out, at first order in 1/n.

    With ghosts psi (BCCZ 16)::

        S = 1/2 phi_i (K_0 + mu)^-1 phi_i - psibar (K_0 + mu)^-1 psi
            - lambda (1/8 phi_i phi_i phi_j phi_j - 1/2 phi_i phi_i psibar psi
                      + 1/2 psibar psi psibar psi)

    and without them the terms in phi alone.

    Attributes
    ----------
    layer
        Its number, from 1.
    ghosts
        Whether it has ghosts.
    width, width_below
        ``n_l`` and ``n_{l-1}``.
    K_0 : (N, N)
        Mean kernel at infinite width.
    mu : (N, N)
        Correction of the quadratic coupling's inverse; ``1/n_{l-1}`` is in it.
    lambda_ : (N, N, N, N)
        Quartic coupling ``lambda(x1,x2;x3,x4)``; ``1/n_{l-1}`` is in it.
    lambda_order
        Highest power of ``n_l/n_{l-1}`` that `lambda_` holds, 0 or 1; with ghosts there is no other
        than 0.
    condition
        Condition number of the correlations of K_0 on their support. ``mu`` loses digits in
        proportion to it, ``lambda_`` to its square.
    """

    layer: int
    ghosts: bool
    width: int
    width_below: int
    K_0: Array
    mu: Array
    lambda_: Array
    lambda_order: int
    condition: float

    @property
    def ratio(self) -> float:
        """``n_l / n_{l-1}``."""
        return self.width / self.width_below

    @cached_property
    def quadratic(self) -> Array:
        """``(K_0 + mu)^-1``, (N, N): the quadratic coupling, on the support of K_0.

        Raises
        ------
        nneft.NumericsError
            ``K_0 + mu`` is no covariance: first order does not reach this far.
        """
        support = Support.of_covariance(self.K_0)
        rank = int(support.rank)
        safe = np.where(support.scale > 0.0, support.scale, 1.0)
        axes = support.axes[:, :rank]
        least = np.linalg.eigvalsh(axes.T @ rescaled(self.K_0 + self.mu, 1.0 / safe) @ axes)
        if rank and least[0] <= 0.0:
            raise NumericsError(
                f"K_0 + mu of layer {self.layer} is not positive: first order does not hold at "
                f"n_l = {self.width}, n_(l-1) = {self.width_below}"
            )
        return Support.of_covariance(self.K_0 + self.mu).inverse()

    def __str__(self) -> str:
        """The couplings of the first input; the others are in `mu`, `lambda_`."""
        rows = [
            ("K_0[0,0]", self.K_0[0, 0], ""),
            ("mu[0,0]", self.mu[0, 0], ""),
            ("lambda[0,0;0,0]", self.lambda_[0, 0, 0, 0], self._lambda_note),
        ]
        lines = [f"{name:<16}{value:>16.8g}{note}" for name, value, note in rows]
        return "\n".join([repr(self), *lines, f"condition of K_0 {self.condition:.3g}"])

    @property
    def _lambda_note(self) -> str:
        if self.ghosts:
            return ""
        return f"  to power {self.lambda_order} of n_l/n_(l-1)"

    def __repr__(self) -> str:
        count = len(self.K_0)
        return (
            f"EffectiveAction(layer {self.layer}, {'with' if self.ghosts else 'without'} ghosts, "
            f"{count} input{'s' * (count != 1)}, n_l/n_(l-1)={self.width}/{self.width_below})"
        )


def effective_action(flow: Correlators, layer: int, *, ghosts: bool = True) -> EffectiveAction:
    """The effective action of one layer from what a flow holds of it.

    Integrating out the layers above and below leaves (BCCZ 16), exactly, the couplings
    ``(K_0 + mu)^-1 = <G^-1>`` and ``lambda = Cov(G^-1, G^-1)``. At first order in 1/n, with
    ``n = n_{l-1}`` and sums over inputs (BCCZ 17, 18)::

        lambda = K_0^-1 K_0^-1 K_0^-1 K_0^-1 V_4 / n
        mu(x1,x2) = [ K_1(x1,x2) - sum_yy' V_4(x1,y;x2,y') K_0^-1(y,y') ] / n

    Parameters
    ----------
    flow
        A flow of order 1 or more.
    layer
        From 1, whose kernel does not fluctuate, to the depth.
    ghosts
        False for PDLT's couplings, of an action in ``phi`` alone. Their loops over neurons are not
        cancelled, and the couplings make up for it (see Notes).

    Returns
    -------
    EffectiveAction

    Raises
    ------
    ValueError, TypeError
        A layer that the network does not have; a flow of order 0.
    nneft.NumericsError
        A coupling that overflows.

    Notes
    -----
    Where K_0 is singular (equal or parallel inputs) ``K_0^-1`` is the pseudo-inverse on its
    support, on which alone G fluctuates. Eigenvalues of its correlations below 1e-12 of the largest
    count as zero.

    Without ghosts G is averaged with the weight ``det(G)^(-n_l/2)``, which leaves::

        mu' = mu - (n_l/2n) sum_yy' V_4(x1,x2;y,y') K_0^-1(y,y')
        lambda' = lambda + (n_l/2n) K_0^-1 K_0^-1 K_0^-1 K_0^-1 (T - B) / n

    Here ``B`` is the bubble ``V_4 K_0^-1 K_0^-1 V_4`` and ``T`` the sextic coupling with one pair
    of its legs closed, which is made of ``V_4`` and ``V_6``: lambda changes at relative order
    ``n_l/n``, not ``1/n``. It is included where the flow holds ``V_6`` (order 2 or more,
    ``lambda_order`` 1); otherwise ``lambda_`` is the one with ghosts (``lambda_order`` 0). What is
    left out is of relative order ``(n_l/n)^2`` and ``1/n``: an expansion without ghosts needs a
    layer much narrower than the one before.
    """
    if not isinstance(ghosts, bool):
        raise TypeError(f"ghosts must be True or False, got {ghosts!r}")
    held = Held.of(flow, layer, six=not ghosts)
    # BCCZ (18)
    mu = held.K_1 / held.below - held.exchange
    quartic, order = held.V_4 / held.below, 0
    if not ghosts:
        mu = mu - 0.5 * held.width * held.loop
        if held.sextic is not None:
            quartic = quartic + 0.5 * held.ratio * (held.sextic - held.bubble)
            order = 1
    sizes = held.support.sizes[: int(held.support.rank)]
    return EffectiveAction(
        layer=held.layer,
        ghosts=ghosts,
        width=held.width,
        width_below=held.below,
        K_0=rescaled(held.K_0, held.support.scale),
        mu=rescaled(mu, held.support.scale),
        lambda_=amputated(held, quartic),
        lambda_order=order,
        condition=float((sizes[0] / sizes[-1]) ** 2) if len(sizes) else 1.0,
    )


def amputated(held: Held, values: Array) -> Array:
    """Take the four legs ``K_0`` off a correlator in units of standard deviations."""
    # K_0^+ (d d d d values) K_0^+: each leg d_y K_0^+(y, x)
    with np.errstate(over="ignore", invalid="ignore"):
        leg = held.scale[:, None] * held.support.inverse()
        found = np.einsum("abcd,ae,bf,cg,dh->efgh", values, leg, leg, leg, leg, optimize=True)
    if not np.all(np.isfinite(found)):
        raise NumericsError(
            f"lambda of layer {held.layer} overflows double precision: its kernel is too small"
        )
    return np.asarray(found, dtype=np.float64)
