"""Generators of synthetic rows, behind one contract.

Importing them is cheap: what a generator fits with is imported where it fits.
"""

from lit_causalmix.generators.arf import ARFGenerator
from lit_causalmix.generators.base import Generator
from lit_causalmix.generators.ctgan import CTGANGenerator
from lit_causalmix.generators.dag_tfm import DagTFMGenerator
from lit_causalmix.generators.independent import IndependentColumnsGenerator
from lit_causalmix.generators.jitter import JitterGenerator
from lit_causalmix.generators.mixed_model import MixedModelGenerator
from lit_causalmix.generators.relabelled import RelabelledGenerator
from lit_causalmix.generators.scm import SCMGenerator
from lit_causalmix.generators.smote_nc import SMOTENCGenerator
from lit_causalmix.generators.tabebm import TabEBMGenerator
from lit_causalmix.generators.table_augment import TableAugmentGenerator

__all__ = [
    "ARFGenerator",
    "CTGANGenerator",
    "DagTFMGenerator",
    "Generator",
    "IndependentColumnsGenerator",
    "JitterGenerator",
    "MixedModelGenerator",
    "RelabelledGenerator",
    "SCMGenerator",
    "SMOTENCGenerator",
    "TabEBMGenerator",
    "TableAugmentGenerator",
]
