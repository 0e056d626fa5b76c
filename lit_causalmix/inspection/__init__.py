"""One page about a table, the causal structure learned from it, and the synthetic rows."""

from lit_causalmix.inspection.contents import Inspection, Structure
from lit_causalmix.inspection.graph_figures import draw_edges
from lit_causalmix.inspection.page import build_page

__all__ = ["Inspection", "Structure", "build_page", "draw_edges"]
