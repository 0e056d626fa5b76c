import numpy as np
import pandas as pd
import pytest

from lit_causalmix.errors import TableError
from lit_causalmix.seeding import rng
from lit_causalmix.tables import (
    Column,
    ColumnKind,
    Encoder,
    Schema,
    SplitSpec,
    Table,
    TableSpec,
    TaskType,
    load_splits,
)


def table(values: np.ndarray, *features: Column, target: Column | None = None) -> Table:
    target = target or Column("y", ColumnKind.NUMERICAL)
    task = TaskType.REGRESSION if target.is_numerical else TaskType.MULTICLASS
    return Table("t", "d", Schema(features, target, task), values, np.arange(len(values)))


NUMBER = Column("n", ColumnKind.NUMERICAL)
LABEL = Column("c", ColumnKind.CATEGORICAL, ("u", "v", "w"))


def test_known_answers() -> None:
    values = np.array([[1, 0, 10], [3, 2, 30], [np.nan, np.nan, 20], [5, 1, 40.0]])
    encoder = Encoder.fit(table(values, NUMBER, LABEL))
    deviation = np.sqrt(8 / 3)
    x = encoder.features(values)
    assert x.dtype == np.float32
    np.testing.assert_allclose(x[:, 0], np.array([-2, 0, np.nan, 2]) / deviation, rtol=1e-6)
    np.testing.assert_array_equal(x[:, 1], [0, 2, np.nan, 1])
    assert encoder.categorical.tolist() == [False, True]
    assert (encoder.y_location, encoder.n_classes) == (25.0, 0)
    y = encoder.targets(values)
    assert y.dtype == np.float32
    np.testing.assert_allclose(encoder.y_location + encoder.y_scale * y, values[:, 2], rtol=1e-6)


def test_classes_are_int64_and_unknown_ones_are_minus_one() -> None:
    values = np.array([[1, 0], [3, 2], [5, np.nan]])
    encoder = Encoder.fit(table(values, NUMBER, target=LABEL))
    y = encoder.targets(values)
    assert y.dtype == np.int64
    assert y.tolist() == [0, 2, -1]
    assert (encoder.n_classes, encoder.y_location, encoder.y_scale) == (3, 0.0, 1.0)


def test_columns_that_do_not_vary_are_left_out() -> None:
    names = ("empty", "constant", "n", "one label", "c")
    features = [
        Column(name, LABEL.kind if "l" in name and name != "c" else NUMBER.kind) for name in names
    ]
    draws = rng(0, "encoding").normal(size=20)
    values = np.full((20, 6), np.nan)
    values[:, 1], values[:, 2], values[:10, 3], values[:, 4], values[:, 5] = (
        7,
        draws,
        0,
        draws,
        draws,
    )
    encoder = Encoder.fit(table(values, *features))
    assert encoder.left_out == ("empty", "constant", "one label")
    assert encoder.columns == ("n", "c")
    x = encoder.features(values)
    assert x.shape == (20, 2)
    np.testing.assert_array_equal(x[:, 0], x[:, 1])  # a duplicate column stays


def test_huge_numbers_stay_finite() -> None:
    values = np.array([[1e300, 1], [-1e300, 2], [0, 3]])
    encoder = Encoder.fit(table(values, NUMBER))
    np.testing.assert_allclose(encoder.features(values)[:, 0], [1.2247449, -1.2247449, 0])
    small = Encoder.fit(table(values / 1e300, NUMBER))
    assert np.isfinite(small.features(values)).all()


@pytest.mark.parametrize("code", [99999.0, 1e8, 1e12, 1e100])
def test_a_cell_far_out_leaves_the_others_apart(code: float) -> None:
    draws = rng(0, "encoding").normal(size=(200, 2))
    odd = draws.copy()
    odd[[3, 50], 0] = code, -code
    encoder = Encoder.fit(table(odd, NUMBER))
    x = encoder.features(odd)[:, 0]
    ordinary = np.delete(np.arange(200), [3, 50])
    assert len(np.unique(x[ordinary])) == 198
    assert np.abs(x).max() <= 1e6
    if code > 1e6:  # spread as without these cells
        plain = Encoder.fit(table(np.delete(odd, [3, 50], axis=0), NUMBER))
        np.testing.assert_array_equal(x[ordinary], plain.features(odd[ordinary])[:, 0])
    assert Encoder.from_dict(encoder.to_dict()).features(odd)[:, 0].tolist() == x.tolist()


@pytest.mark.parametrize("code", [1e8, 1e10, 1e100])
def test_a_cell_far_out_leaves_mostly_equal_ones_apart(code: float) -> None:
    draws = rng(0, "encoding").uniform(size=(200, 2))
    draws[:160, 0] = 0
    odd = draws.copy()
    odd[3, 0] = code
    x = Encoder.fit(table(odd, NUMBER)).features(odd)[:, 0]
    plain = Encoder.fit(table(np.delete(odd, 3, axis=0), NUMBER)).features(odd)[:, 0]
    np.testing.assert_array_equal(x, plain)
    assert len(np.unique(x)) == 42
    mild = draws.copy()
    mild[3, 0] = 1000  # float32 tells the others well beside it
    encoder = Encoder.fit(table(mild, NUMBER))
    assert encoder.scale[0] == pytest.approx(mild[:, 0].std())


def test_skewed_columns_are_standardised_by_all_cells() -> None:
    values = np.exp(3 * rng(0, "encoding").normal(size=(200, 2)))
    encoder = Encoder.fit(table(values, NUMBER))
    assert encoder.location[0] == pytest.approx(values[:, 0].mean())
    assert encoder.scale[0] == pytest.approx(values[:, 0].std())


def test_what_cannot_be_learned_from_is_refused() -> None:
    with pytest.raises(TableError, match="none of the 1 feature columns of 't' varies"):
        Encoder.fit(table(np.array([[1, 1], [1, 2.0]]), NUMBER))
    with pytest.raises(TableError, match="target 'y' is constant in the training rows"):
        Encoder.fit(table(np.array([[1, 1], [2, 1.0]]), NUMBER))


def test_dates_are_standardised(mixed_frame: pd.DataFrame) -> None:
    mixed_frame["day"] = pd.date_range("2020-01-01", periods=len(mixed_frame)).astype(str)
    spec = TableSpec(mixed_frame[["day", "y"]], target="y", kinds={"day": "date"})
    train = load_splits(spec, SplitSpec()).train
    x = Encoder.fit(train).features(train.values)
    assert x.mean() == pytest.approx(0, abs=1e-5)
    assert x.std() == pytest.approx(1, abs=1e-5)


def test_an_encoder_of_before_knows_of_no_unordered_categories(frame: pd.DataFrame) -> None:
    train = load_splits(TableSpec(frame, target="target"), SplitSpec()).train
    encoder = Encoder.fit(train)
    assert dict(zip(encoder.columns, encoder.nominal.tolist(), strict=True))["colour"]
    assert np.array_equal(Encoder.from_dict(encoder.to_dict()).nominal, encoder.nominal)
    before = {name: value for name, value in encoder.to_dict().items() if name != "nominal"}
    assert not Encoder.from_dict(before).nominal.any()
