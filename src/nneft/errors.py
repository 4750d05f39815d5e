"""The one kind of error that is not a wrong call."""


class NumericsError(ArithmeticError):
    """Numerics that cannot reach the accuracy promised, or that overflow or underflow.

    The message names the layer, the inputs and what was reached. A wrong call raises
    ``ValueError`` or ``TypeError`` instead.
    """
