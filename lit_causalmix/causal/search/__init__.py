"""Causal discovery: from rows to votes for edges."""
