"""Causal structure and structural causal models of a table."""
