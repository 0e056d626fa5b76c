"""Studies: a grid of fits that is run, interrupted, resumed, extended and merged at will."""
