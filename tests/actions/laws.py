"""Layers whose kernel's law is known exactly: a linear one, and tanh of one input at layer 2."""

from math import gamma

import numpy as np
from scipy.integrate import quad

import nneft


class Wishart:
    """Layer 2 of a linear network: G = Wishart(K, n)/n; what a flow of order 2 holds of it."""

    order = 2

    def __init__(self, kernel, n, n_l):
        self.kernel = np.asarray(kernel, dtype=float)
        self.network = nneft.Network((len(self.kernel), n, n_l), "linear", 1.0)

    def K(self, p=0):
        return np.stack([self.kernel, self.kernel]) * (p == 0)

    def V(self, points, order=0, *, at=None):
        # <prod phi phi>_c: every way to join the pairs ab, cd, (ef) into one closed chain
        if points == 4:
            chains = ["ac,bd", "ad,bc"]
        else:
            ways = [(c, e) for c in ("cd", "dc") for e in ("ef", "fe")]
            chains = [f"b{c[0]},{c[1]}{e[0]},{e[1]}a" for c, e in ways]
            chains += [f"b{e[0]},{e[1]}{c[0]},{c[1]}a" for c, e in ways]
        legs, factors = "abcdef"[:points], [self.kernel] * (points // 2)
        value = sum(np.einsum(f"{chain}->{legs}", *factors) for chain in chains)
        return np.stack([0.0 * value, value])


def inverse_wishart(kernel, n, n_l=0):
    """Mean and covariance of G^-1, weighted by det(G)^(-n_l/2): fewer degrees of freedom."""
    p, dof = len(kernel), n - n_l
    psi = n * np.linalg.inv(kernel)
    a = dof - p - 1
    mean = psi / a
    swapped = np.einsum("ik,jl->ijkl", psi, psi) + np.einsum("il,kj->ijkl", psi, psi)
    joint = 2 * np.einsum("ij,kl->ijkl", psi, psi) + a * swapped
    return mean, joint / ((dof - p) * a**2 * (dof - p - 3))


C_W, C_b, K_1 = 1.3, 0.25, 1.7


def tanh_flow(n, n_l):
    return nneft.flow(nneft.Network((1, n, n_l), "tanh", C_W, C_b), kernel=K_1, order=1)


def tanh_squares():
    """Values of tanh(phi)^2 and their weights, phi ~ N(0, K_1)."""
    z, w = np.polynomial.hermite_e.hermegauss(120)
    return np.tanh(np.sqrt(K_1) * z) ** 2, w / w.sum()


def inverse_power(power, n):
    """``<G^-power>`` of layer 2 exactly: (1/Gamma) int t^(power-1) <exp(-tG)> dt."""
    squares, w = tanh_squares()
    mode = (power - 1) / (C_b + C_W * (w @ squares))

    def integrand(u):
        t = np.exp(u)
        log_mean = n * np.log(w @ np.exp(-C_W * squares * t / n)) - C_b * t
        return np.exp(power * (u - centre) + log_mean)

    centre = np.log(max(mode, 0.5))
    value = quad(integrand, centre - 40.0 / power, centre + 5.0, epsrel=1e-13, epsabs=0, limit=400)
    return value[0] * np.exp(power * centre) / gamma(power)


def exact_couplings(n, n_l=0):
    """``<G^-1>`` and the second and third cumulants of G^-1, weighted by G^(-n_l/2)."""
    lowest = inverse_power(n_l / 2, n) if n_l else 1.0
    one, two, three = (inverse_power(n_l / 2 + k, n) / lowest for k in (1, 2, 3))
    return one, two - one**2, three - 3 * two * one + 2 * one**3


def size(values):
    return np.max(np.abs(values))


def exponent(xs, left):
    """Slope of log(what is left over) against log(x)."""
    return np.polyfit(np.log(xs), np.log(left), 1)[0]


class Tanh:
    """Layer 2 of tanh at one input: what a flow of order 2 holds of it, by Hermite quadrature."""

    order = 2

    def __init__(self, n, n_l):
        self.network = nneft.Network((1, n, n_l), "tanh", C_W, C_b)
        squares, w = tanh_squares()
        off = squares - w @ squares
        self.held = {
            2: C_b + C_W * (w @ squares),
            4: C_W**2 * (w @ off**2),
            6: C_W**3 * (w @ off**3),
        }

    def K(self, p=0):
        return np.array([K_1, self.held[2]]).reshape(2, 1, 1) * (p == 0)

    def V(self, points, order=0, *, at=None):
        return np.array([0.0, self.held[points]]).reshape(2, *[1] * points)
