"""Generators of synthetic rows, behind one contract."""
