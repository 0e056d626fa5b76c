"""Errors that a user can act on.

Every error states the rule that was broken and the values received. The CLI prints the message
of a `LitCausalMixError` on one line and exits with status 2; anything else is a bug and keeps its
traceback.
"""

LONGEST = 2_000
"""Characters of a message: a cell, a name or a value that it quotes may be of any length."""


class LitCausalMixError(Exception):
    """Base class of all errors raised on purpose by this package."""

    def __str__(self) -> str:
        return shortened(super().__str__())


def shortened(message: str) -> str:
    """The message without its middle where it is longer than `LONGEST`; what to do stands last.

    Example:
        >>> shortened("short")
        'short'
        >>> len(shortened("x" * 50_000))
        2003
    """
    if len(message) <= LONGEST:
        return message
    return f"{message[: LONGEST // 2]} … {message[-LONGEST // 2 :]}"


class TableError(LitCausalMixError, ValueError):
    """A table, its schema or its split cannot be used as given."""


class LimitError(LitCausalMixError, ValueError):
    """A table exceeds what a backbone takes (rows, columns, classes or task)."""


class MemoryLimitError(LitCausalMixError, MemoryError):
    """A step takes more memory than the device has."""


class GeneratorError(LitCausalMixError, RuntimeError):
    """A generator could not be fitted, or cannot produce the rows asked for."""


class WeightsError(LitCausalMixError, RuntimeError):
    """A weight file is missing, cut, or not the file it should be."""


class ModelError(LitCausalMixError, RuntimeError):
    """A kept model's folder is missing, damaged, from a newer version, or lacks what is asked."""


class ConfigurationError(LitCausalMixError, ValueError):
    """Settings contradict each other or lie outside their range."""


class HeldError(ConfigurationError):
    """Another process works in the folder."""


class WorkerError(LitCausalMixError, RuntimeError):
    """A process that loads data, answers requests or takes part in a fit died."""


class FileError(LitCausalMixError, OSError):
    """A file cannot be written: the disk is full or read-only, or something is in the way."""
