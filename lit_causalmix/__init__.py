"""Fine-tune tabular foundation models with rows from structural causal models."""

from __future__ import annotations

from importlib.metadata import PackageNotFoundError, version
from os import PathLike
from typing import TYPE_CHECKING

from lit_causalmix.names import keep_old_names

if TYPE_CHECKING:  # torch and pandas take a second to import
    from lit_causalmix.model import Predictor

try:
    __version__ = version("lit-causalmix")
except PackageNotFoundError:  # a source tree that is not installed
    __version__ = "0.0.0"

keep_old_names()


def load_model(folder: str | PathLike[str], *, own_code: bool = False) -> Predictor:
    """Reads a kept model: what `fit` writes as RUN/model, or `save` of a model or an estimator.

    Nothing is unpickled, and neither the libraries that rows are generated with nor Lightning are
    imported.

    Args:
        folder: The model's folder.
        own_code: Whether the module of a backbone from outside this package may be imported.

    Returns:
        What predicts: see `lit_causalmix.model.Predictor`.

    Raises:
        ModelError: If there is no model, it is damaged, or of a newer version.
    """
    from lit_causalmix.model import Predictor

    return Predictor.load(folder, own_code=own_code)
