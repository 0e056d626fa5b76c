"""Scores, their normalisation, and the torchmetrics classes around them."""
