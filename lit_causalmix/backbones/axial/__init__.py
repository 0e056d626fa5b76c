"""The axial transformer: attention along the rows and the columns of a table."""

from lit_causalmix.backbones.axial.backbone import AxialTransformer

__all__ = ["AxialTransformer"]
