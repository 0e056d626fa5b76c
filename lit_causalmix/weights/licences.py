"""What the licence of official weights asks: said once before they are first used."""

from __future__ import annotations

import sys
from dataclasses import dataclass

from lit_causalmix.errors import WeightsError

_said: set[str] = set()


@dataclass(frozen=True)
class Licence:
    """The licence of a set of weights.

    Attributes:
        name: What it is called.
        asks: What it asks beyond keeping its text, in a few words; empty where nothing.
        commercial: Whether the weights may be used commercially.
    """

    name: str
    asks: str = ""
    commercial: bool = True

    def __str__(self) -> str:
        return f"{self.name} ({self.asks})" if self.asks else self.name


APACHE = Licence("Apache-2.0")
BSD = Licence("BSD-3-Clause")
PRIOR_LABS = Licence(
    "Prior Labs License", "Apache-2.0, and 'Built with PriorLabs-TabPFN' where it is shown"
)
PRIOR_LABS_NON_COMMERCIAL = Licence("licence of Prior Labs", "non-commercial use", commercial=False)


def announce(what: str, licence: Licence, *, accepted: bool) -> None:
    """Prints the licence of weights on stderr, once in a process, before they are used.

    Args:
        what: Names the weights.
        licence: Theirs.
        accepted: Whether the user accepts one that allows no commercial use.

    Raises:
        WeightsError: If commercial use is not allowed and the user has not accepted that.
    """
    if not (licence.commercial or accepted):
        raise WeightsError(
            f"{what} have the {licence}: read it, and set the backbone's accept_license to true if "
            "you accept it"
        )
    if what not in _said:
        _said.add(what)
        sys.stderr.write(f"{what}: {licence}\n")
