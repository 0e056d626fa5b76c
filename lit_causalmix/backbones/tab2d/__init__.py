"""Tab2D, the architecture of Mitra: attention over rows and over columns in turn."""

from lit_causalmix.backbones.tab2d.backbone import Tab2D

__all__ = ["Tab2D"]
