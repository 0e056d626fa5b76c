"""The distributions of columns, dates among them."""

import warnings

import numpy as np
import pandas as pd

from lit_causalmix.inspection.row_figures import marginals
from lit_causalmix.tables import SplitSpec, TableSpec, load_splits


def test_dates_have_few_ticks_and_nothing_is_warned_of(frame: pd.DataFrame) -> None:
    days = np.random.default_rng(0).integers(0, 9000, len(frame))
    start = pd.Timestamp("1990-01-01")
    spans = {
        f"within {span}": start + pd.to_timedelta(days % span, "D") for span in (20, 400, 9000)
    }
    rows = frame.assign(**spans)
    spec = TableSpec(rows, target="target", kinds=dict.fromkeys(spans, "date"))
    table = load_splits(spec, SplitSpec(val_fraction=0, test_fraction=0)).train
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        picture = marginals(table.schema, table.values, table.values, np.ones(8))
    assert picture.startswith(b"\x89PNG")
