"""TabICL v2, through the package `tabicl`."""

from lit_causalmix.backbones.tabicl.backbone import TabICL
from lit_causalmix.backbones.tabicl.checkpoint import TabICLSizes

__all__ = ["TabICL", "TabICLSizes"]
