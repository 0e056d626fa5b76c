"""The settings of `SCMGenerator`, and what is refused of them."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from typing import Any

from lit_causalmix.causal.discovery import ALGORITHMS, DiscoverySettings
from lit_causalmix.causal.families import FAMILIES
from lit_causalmix.causal.knowledge import Knowledge
from lit_causalmix.causal.noise import NOISES
from lit_causalmix.causal.warp import SCALES
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

    def __post_init__(self) -> None:
        found = self.discovery
        for name, value, least in (
            ("n_dags", self.n_dags, 1),
            ("n_bootstraps", found.n_bootstraps, 1),
            ("max_conditioning", found.max_conditioning, 0),
            ("test_budget", found.test_budget, 1),
            ("rows_per_model", self.rows_per_model, 1),
        ):
            if value < least:
                raise ConfigurationError(f"{name} must be at least {least}, got {value}")
        if not found.time_budget_s > 0:
            raise ConfigurationError(f"time_budget_s must be above 0, got {found.time_budget_s}")
        if not found.alphas or not all(0 < a < 1 for a in found.alphas):
            raise ConfigurationError(f"alphas must be one or more in (0, 1), got {found.alphas}")
        names = found.algorithms
        if not names or not set(names) <= set(ALGORITHMS):
            raise ConfigurationError(
                f"algorithms must be one or more of {sorted(ALGORITHMS)}, got {names}"
            )
        if len(set(names)) < len(names):
            raise ConfigurationError(f"algorithms must differ, got {names}")
        for name, choice, choices in (
            ("mechanism", self.mechanism, ("auto", *FAMILIES)),
            ("noise", self.noise, NOISES),
            ("scale", self.scale, SCALES),
            ("missing", self.missing, MISSING),
        ):
            if choice not in choices:
                raise ConfigurationError(f"{name} must be one of {choices}, got {choice!r}")

    def to_dict(self) -> dict[str, Any]:
        """Returns all settings as JSON values, those of discovery beside the others."""
        content = asdict(self)
        discovery = content.pop("discovery")
        discovery.update({k: list(discovery[k]) for k in ("alphas", "algorithms")})
        return {**content, **discovery}
