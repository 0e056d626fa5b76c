"""One page about a table, the causal structure learned from it, and the synthetic rows."""

from lit_causalmix.inspection.contents import Inspection, Structure
from lit_causalmix.inspection.page import pictures_folder, write_page

__all__ = ["Inspection", "Structure", "pictures_folder", "write_page"]
