"""The settings of `SCMGenerator`, and what is refused of them."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from typing import Any

from lit_causalmix.causal.graphs.knowledge import Knowledge
from lit_causalmix.causal.models.families import FAMILIES
from lit_causalmix.causal.models.warp import SCALES
from lit_causalmix.causal.sampler.noise import NOISES
from lit_causalmix.causal.search.discovery import DiscoverySettings
from lit_causalmix.errors import ConfigurationError

MISSING = ("pattern", "conditional", "none")


@dataclass(frozen=True)
class ScmSettings:
    """What `SCMGenerator` is told; see there.

    Raises:
        ConfigurationError: If a setting is out of its range.
    """

    n_dags: int
    discovery: DiscoverySettings
    mechanism: str
    noise: str
    scale: str
    missing: str
    rows_per_model: int
    knowledge: Knowledge
    given: bool
    freshness: float | None = None

    def __post_init__(self) -> None:
        for name, value in (("n_dags", self.n_dags), ("rows_per_model", self.rows_per_model)):
            if value < 1:
                raise ConfigurationError(f"{name} must be at least 1, got {value}")
        if self.freshness is not None and not 0 <= self.freshness <= 1:
            raise ConfigurationError(f"freshness lies between 0 and 1, got {self.freshness}")
        for name, choice, choices in (
            ("mechanism", self.mechanism, ("auto", *FAMILIES)),
            ("noise", self.noise, NOISES),
            ("scale", self.scale, SCALES),
            ("missing", self.missing, MISSING),
        ):
            if choice not in choices:
                raise ConfigurationError(f"{name} must be one of {choices}, got {choice!r}")

    def to_dict(self) -> dict[str, Any]:
        """Returns what changes the fit, as JSON values, settings of discovery beside the others."""
        content = asdict(self)
        del content["discovery"], content["freshness"]
        return {**content, **self.discovery.to_dict()}
