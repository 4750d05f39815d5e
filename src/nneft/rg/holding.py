"""What a flow of some order holds, and wrong calls for what it does not."""

from operator import index


def whole(name: str, value: object) -> int:
    """An integer, of Python or NumPy; TypeError for anything else."""
    try:
        if isinstance(value, bool):
            raise TypeError
        return index(value)  # type: ignore[arg-type]
    except TypeError:
        raise TypeError(f"{name} must be an integer, got {value!r}") from None


def check_layer(depth: int, layer: object, first: int = 1) -> int:
    """The layer's number, if it is from `first` to the depth; else TypeError or ValueError."""
    number = whole("layer", layer)
    if not first <= number <= depth:
        raise ValueError(f"layer must be from {first} to {depth}, got {number}")
    return number


def check_kernel(held: int, p: int) -> None:
    """Whether a flow of order `held` has ``K_p``; ValueError if not."""
    p = whole("p, the order in 1/n of the kernel,", p)
    if p not in range(held + 1):
        hint = _hint(p) if p > held else "orders are counted from 0"
        raise ValueError(
            f"K({p}) is not held by a flow of order {held}, which has K(0) to K({held}); {hint}"
        )


def check_correlator(held: int, points: int, order: int) -> int:
    """Half the points, if a flow of order `held` has ``V_points`` there; else ValueError."""
    points, order = whole("points", points), whole("order", order)
    k = points // 2
    if points % 2 or k < 2 or order < 0:
        raise ValueError(
            "V(points, order) wants an even number of points from 4 on and an order from 0 on, "
            f"got V({points}, order={order})"
        )
    if k + order > held + 1:
        have = [f"V({2 * j}) to order {held + 1 - j}" for j in range(2, held + 2)]
        raise ValueError(
            f"V({points}, order={order}) is not held by a flow of order {held}, which holds "
            f"{', '.join(have) or 'no correlators'}; {_hint(k + order - 1)}"
        )
    return k


def names(held: int) -> list[tuple[str, int, int]]:
    """Names of all quantities, as in `Flow.to_xarray`, with the number of pairs and the order."""
    kernels = [(f"K_{p}", 1, p) for p in range(held + 1)]
    return kernels + [
        (f"V_{2 * k}" + f"_{q}" * (q > 0), k, q)
        for k in range(2, held + 2)
        for q in range(held + 2 - k)
    ]


def _hint(order: int) -> str:
    return f"call nneft.flow(network, inputs, order={order})"
