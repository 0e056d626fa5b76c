"""Whatever a frame holds, it either loads with every promise kept or is refused in one line."""

import warnings
from typing import Any

import numpy as np
import pandas as pd
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from lit_causalmix.errors import TableError
from lit_causalmix.seeding import rng
from lit_causalmix.tables import (
    Encoder,
    SplitSpec,
    TableSpec,
    decode,
    encode,
    load_rows,
    load_splits,
)

ODD = st.one_of(
    st.none(),
    st.booleans(),
    st.integers(),
    st.floats(),
    st.text(max_size=3),
    st.sampled_from(["inf", "NaN", "1e999", "007", "1,5", "2020-01-31", "?", "yes", " ", "\\x00"]),
    st.dates(),
    st.datetimes(),
    st.decimals(allow_nan=False),
    st.complex_numbers(),
    st.binary(max_size=2),
    st.timedeltas(),
)
PLAIN = st.one_of(
    st.integers(-3, 3), st.floats(-1e3, 1e3), st.sampled_from(["a", "b", "yes", "no", ""])
)


@st.composite
def frames(draw: st.DrawFn) -> pd.DataFrame:
    rows = draw(st.sampled_from([1, 5, 20, 40, 60]))

    def column(odd: bool) -> "pd.Series[Any]":
        pool = draw(st.lists(ODD if odd else PLAIN, min_size=2, max_size=6, unique_by=repr))
        cells = [
            pool[code] for code in rng(draw(st.integers(0, 99)), "pool").choice(len(pool), rows)
        ]
        series = pd.Series(cells, dtype=object)
        return series.infer_objects() if draw(st.booleans()) else series

    odd = draw(st.sampled_from([(), (), ("a",), ("b",), ("y",)]))
    return pd.DataFrame({name: column(name in odd) for name in ("a", "b", "c", "y")})


@given(frames(), st.integers(0, 3))
@settings(max_examples=150, deadline=None, suppress_health_check=list(HealthCheck))
def test_any_frame_loads_or_is_refused(frame: pd.DataFrame, seed: int) -> None:
    spec = TableSpec(frame, target="y")
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", UserWarning)
        try:
            splits = load_splits(spec, SplitSpec(seed=seed, val_fraction=0.3))
            encoder = Encoder.fit(splits.train)
        except TableError as error:
            refusal = str(error)
        else:
            refusal = ""
            # Rows without a target are left out of the splits, and may hold anything.
            parts = (splits.train, splits.val, splits.test)
            used = np.sort(np.concatenate([part.rows for part in parts]))
            everything = load_rows(frame.iloc[used], splits.train, spec)
    if refusal:
        assert "\n" not in refusal
        return
    for part in parts:
        coded = everything.values[np.searchsorted(used, part.rows)]
        np.testing.assert_array_equal(part.values, coded)
        assert not np.isnan(part.target).any()
        assert np.isfinite(encoder.features(part.values)).sum() == (
            np.isfinite(part.values[:, encoder.index]).sum()
        )
    schema, values = splits.train.schema, splits.train.values
    assert len(schema.target.categories) != 1
    np.testing.assert_array_equal(encode(schema, decode(schema, values)), values)
