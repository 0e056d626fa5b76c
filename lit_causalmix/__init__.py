"""Fine-tune tabular foundation models with rows from structural causal models."""

from importlib.metadata import PackageNotFoundError, version

from lit_causalmix.names import keep_old_names

try:
    __version__ = version("lit-causalmix")
except PackageNotFoundError:  # a source tree that is not installed
    __version__ = "0.0.0"

keep_old_names()
