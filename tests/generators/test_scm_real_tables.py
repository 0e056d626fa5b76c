"""The generator on real tables: wide, categorical, with gaps, constants and duplicates."""

import json
from pathlib import Path

import numpy as np
import pytest

from lit_causalmix.generators.scm import SCMGenerator
from lit_causalmix.tables import SplitSpec, TableSpec, load_splits

FAST = ("credit_g", "fitness_club", "healthcare_insurance", "hr_job_change")
SLOW = ("MIC", "anneal", "coil2000", "polish_bankruptcy", "splice", "vehicle_coupon")


@pytest.mark.parametrize(
    "name", [*FAST, *(pytest.param(name, marks=pytest.mark.slow) for name in SLOW)]
)
def test_synthetic_rows_of_a_real_table_are_valid(name: str, real_data: Path) -> None:
    facts = {t["name"]: t for t in json.loads((real_data / "index.json").read_text())}[name]
    spec = TableSpec(
        source=str(real_data / facts["file"]),
        target=facts["target"],
        kinds=dict.fromkeys(facts["categorical"], "categorical"),
    )
    train = load_splits(spec, SplitSpec(max_train_rows=300)).train
    generator = SCMGenerator(n_resamples=1, alphas=(0.01,))
    generator.fit(train, seed=0, progress=False)
    rows = generator.sample(2000, np.random.default_rng(0))
    assert not np.isnan(rows[:, -1]).any()
    for j, column in enumerate(train.schema.columns):
        real, synthetic = train.values[:, j], rows[:, j]
        assert abs(np.isnan(synthetic).mean() - np.isnan(real).mean()) < 0.05, column.name
        known, seen = synthetic[~np.isnan(synthetic)], real[~np.isnan(real)]
        if len(seen) and len(known):
            assert seen.min() <= known.min() <= known.max() <= seen.max(), column.name
        if not column.is_numerical:
            assert set(known) <= set(range(len(column.categories))), column.name
