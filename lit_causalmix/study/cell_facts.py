"""What every record of a cell holds, whatever the cell did: versions, and scores as numbers."""

from __future__ import annotations

import platform
from collections.abc import Mapping

import lit_causalmix
from lit_causalmix.files import fingerprint
from lit_causalmix.metrics import Score

_PACKAGES = ("torch", "lightning", "numpy", "pandas", "scikit-learn")


def versions(*parts: object) -> dict[str, str]:
    """Versions of this package, Python and what every cell computes with.

    Args:
        parts: Objects of the cell that may declare further `libraries`, its generator for one.
    """
    further = [name for part in parts for name in getattr(part, "libraries", ())]
    own = {"lit-causalmix": lit_causalmix.__version__, "python": platform.python_version()}
    return own | fingerprint.versions((*_PACKAGES, *further))


def values(scores: Mapping[str, Score]) -> dict[str, float]:
    """The values of scores by key; NaN where undefined."""
    return {key: score.value for key, score in scores.items()}
