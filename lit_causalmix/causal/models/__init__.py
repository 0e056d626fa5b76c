"""Structural causal models of a table: the mechanisms of its columns, fitted to its rows."""
