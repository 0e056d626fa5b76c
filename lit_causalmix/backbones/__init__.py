"""Tabular foundation models, behind one contract."""

from lit_causalmix.backbones.axial import AxialTransformer
from lit_causalmix.backbones.base import Backbone, Limits
from lit_causalmix.backbones.many_classes import ManyClasses
from lit_causalmix.backbones.mitra import Mitra, MitraV2
from lit_causalmix.backbones.nano import Nano
from lit_causalmix.backbones.tab2d import Tab2D
from lit_causalmix.backbones.tabicl import TabICL
from lit_causalmix.backbones.tabpfn import TabPFN
from lit_causalmix.backbones.tabpfn_v1 import TabPFNV1

__all__ = [
    "AxialTransformer",
    "Backbone",
    "Limits",
    "ManyClasses",
    "Mitra",
    "MitraV2",
    "Nano",
    "Tab2D",
    "TabICL",
    "TabPFN",
    "TabPFNV1",
]
