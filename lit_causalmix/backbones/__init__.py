"""Tabular foundation models, behind one contract."""
