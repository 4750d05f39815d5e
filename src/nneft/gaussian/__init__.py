"""Expectations under a Gaussian, each with an estimate of its error."""
