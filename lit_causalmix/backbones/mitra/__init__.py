"""Mitra v1 and v2: Tab2D with its official weights and its limits."""

from lit_causalmix.backbones.mitra.backbone import Mitra, MitraV2

__all__ = ["Mitra", "MitraV2"]
