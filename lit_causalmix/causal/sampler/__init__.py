"""Fitted models compiled into a vectorised sampler of rows."""
