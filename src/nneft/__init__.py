"""nneft: the effective field theory of random deep networks."""
