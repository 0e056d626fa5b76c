"""Records of simulated studies."""

from collections.abc import Callable, Mapping

import numpy as np
import pandas as pd
import pytest

SCORE = "test/real/roc_auc_normalized"
Effect = Callable[[str, float], float]


def simulated(
    methods: Mapping[str, float],
    *,
    domains: Mapping[str, int] | None = None,
    seeds: int = 3,
    spread: float = 0.3,
    noise: float = 0.1,
    seed: int = 0,
) -> pd.DataFrame:
    """Runs of methods with a mean each; tables shift all methods alike, noise does not."""
    generator = np.random.default_rng(seed)
    rows = []
    for domain, n_tables in (domains or {"finance": 8, "medicine": 8}).items():
        for table in range(n_tables):
            level = generator.normal(0, spread)
            for run in range(seeds):
                for method, mean in methods.items():
                    rows.append(
                        {
                            "table": f"{domain}_{table}",
                            "domain": domain,
                            "task": "binary",
                            "method": method,
                            "backbone": "Nano",
                            "seed": run,
                            "size": 1.0,
                            "ratio": 0.5,
                            SCORE: level + mean + generator.normal(0, noise),
                        }
                    )
    return pd.DataFrame(rows)


@pytest.fixture
def study() -> Callable[..., pd.DataFrame]:
    return simulated
