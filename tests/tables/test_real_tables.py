"""The thirty real tables load as their index describes them."""

from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest

from lit_causalmix.tables import Encoder, SplitSpec, TableSpec, load_splits

pytestmark = [
    pytest.mark.filterwarnings("ignore:column .* unseen in training"),
    pytest.mark.filterwarnings("ignore:taken as categorical"),
]
NAMES = [
    "MIC",
    "airfoil_self_noise",
    "anneal",
    "bank_customer_churn",
    "blood_transfusion",
    "churn",
    "coil2000",
    "concrete",
    "credit_g",
    "diabetes_pima",
    "ecommerce_shipping",
    "fiat500_used",
    "fitness_club",
    "healthcare_insurance",
    "heloc",
    "hr_job_change",
    "jm1",
    "maternal_health_risk",
    "marketing_campaign",
    "miami_housing",
    "online_shoppers",
    "polish_bankruptcy",
    "qsar_biodeg",
    "qsar_fish_toxicity",
    "seismic_bumps",
    "splice",
    "students_dropout",
    "vehicle_coupon",
    "website_phishing",
    "wine_quality",
]


@pytest.mark.parametrize("name", NAMES)
def test_real_table(name: str, real_tables: tuple[Path, dict[str, dict[str, Any]]]) -> None:
    folder, entries = real_tables
    entry = entries[name]
    path, target = folder / entry["file"], entry["target"]
    kinds = dict.fromkeys(entry["categorical"], "categorical")
    spec = TableSpec(str(path), target=target, domain=entry["domain"], kinds=kinds)
    splits = load_splits(spec, SplitSpec())
    parts = (splits.train, splits.val, splits.test)
    schema = splits.train.schema

    assert schema.task == entry["task"]
    assert schema.n_classes == (entry["n_classes"] or 0)
    assert len(schema.features) == entry["n_features"]
    assert {c.name for c in schema.features if c.kind == "categorical"} == set(entry["categorical"])
    assert all(c.is_numerical or c.kind in ("categorical", "boolean") for c in schema.features)
    rows = np.concatenate([part.rows for part in parts])
    assert sorted(rows) == list(range(entry["n_rows"]))
    # Every row has its target, and only its missing cells are NaN, save categories new to training.
    frame = pd.read_csv(path, dtype=str, keep_default_na=False)
    assert np.isnan(splits.train.values).sum() == (frame.iloc[splits.train.rows] == "").sum().sum()

    part_of = pd.Series(np.repeat([0, 1, 2], [len(part) for part in parts]), index=rows)
    frame["part"] = part_of
    cells = list(frame.columns.drop("part"))
    assert (frame.groupby(cells, dropna=False)["part"].nunique() == 1).all()
    assert abs(len(splits.test) / len(rows) - 0.25) < 0.02

    encoder = Encoder.fit(splits.train)
    x = encoder.features(splits.train.values)
    numerical = x[:, ~encoder.categorical].astype(np.float64)
    assert np.abs(np.nanmean(numerical, axis=0)).max(initial=0) < 1e-3
    missing = np.isnan(splits.test.values[:, encoder.index])
    np.testing.assert_array_equal(np.isfinite(encoder.features(splits.test.values)), ~missing)
