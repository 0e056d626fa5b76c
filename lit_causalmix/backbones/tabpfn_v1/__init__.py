"""TabPFN v1, native, with the official weights."""

from lit_causalmix.backbones.tabpfn_v1.backbone import TabPFNV1

__all__ = ["TabPFNV1"]
