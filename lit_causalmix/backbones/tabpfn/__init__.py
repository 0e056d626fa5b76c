"""TabPFN v2 and later, through the package `tabpfn`."""

from lit_causalmix.backbones.tabpfn.backbone import TabPFN
from lit_causalmix.backbones.tabpfn.checkpoint import TabPFNSizes

__all__ = ["TabPFN", "TabPFNSizes"]
