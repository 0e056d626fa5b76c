"""What a kept model predicts: as its members do, for rows as they come."""

import re
import warnings
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest

from lit_causalmix.backbones import Nano
from lit_causalmix.errors import ConfigurationError, LimitError, TableError
from lit_causalmix.model import Member, Predictor
from lit_causalmix.model.calibration import tempered
from lit_causalmix.tables import Encoder, SplitSpec, TableSpec, load_splits

Maker = Callable[..., Predictor]


def test_columns_are_matched_by_name_and_a_missing_one_is_named(
    make_model: Maker, frame: pd.DataFrame
) -> None:
    model = make_model()
    expected = model.predict_proba(frame)
    assert expected.shape == (len(frame), 2)
    assert expected.dtype == np.float32
    np.testing.assert_allclose(expected.sum(axis=1), 1, atol=1e-6)
    turned = frame.drop(columns="target")[["member", "colour", "income", "age"]]
    assert np.array_equal(model.predict_proba(turned), expected)
    with pytest.raises(TableError, match=r"1 of 4 feature columns are absent: 'income'"):
        model.predict(frame.drop(columns="income"))


def test_further_columns_are_ignored_with_a_word(make_model: Maker, frame: pd.DataFrame) -> None:
    model = make_model()
    with pytest.warns(UserWarning, match="columns that training did not use: 'street'"):
        found = model.predict_proba(frame.assign(street="x"))
    assert np.array_equal(found, model.predict_proba(frame))


def test_an_unseen_category_and_the_tables_own_gaps_are_gaps(
    make_model: Maker, frame: pd.DataFrame
) -> None:
    model = make_model()
    expected = model.predict_proba(frame.assign(colour=None))
    with pytest.warns(UserWarning, match="hold categories unseen in training"):
        unseen = model.predict_proba(frame.assign(colour="mauve"))
    assert np.array_equal(unseen, expected)
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        own = model.predict_proba(frame.assign(colour="?"))
    assert np.array_equal(own, expected)


def test_labels_are_those_of_the_largest_probability(
    make_model: Maker, frame: pd.DataFrame
) -> None:
    model = make_model()
    expected = [model.classes[k] for k in model.predict_proba(frame).argmax(axis=1)]
    assert model.predict(frame).tolist() == expected
    written = model.frame(frame)
    assert list(written) == ["prediction", "probability_bad", "probability_good"]
    assert written["prediction"].tolist() == expected


def test_members_are_averaged(make_model: Maker, frame: pd.DataFrame) -> None:
    model = make_model(3)
    alone = [
        Predictor([member], model.spec, {}).predict_proba(frame).astype(np.float64)
        for member in model.members
    ]
    assert not np.array_equal(alone[0], alone[1])
    found = model.predict_proba(frame)
    np.testing.assert_allclose(found, np.mean(alone, axis=0), atol=1e-7)
    reverse = Predictor(model.members[::-1], model.spec, {})
    assert np.array_equal(reverse.predict_proba(frame), found)


def test_a_class_that_a_member_never_saw_gets_nothing_from_it(frame: pd.DataFrame) -> None:
    frame = frame.assign(target=np.resize(["a", "b", "c"], len(frame)))
    spec = TableSpec(frame, target="target")
    splits = load_splits(spec, SplitSpec(val_fraction=0, test_fraction=0))
    both = splits.train
    target = replace(both.schema.target, categories=("a", "c"))
    few = both.take(np.flatnonzero(both.target != 1))
    values = few.values.copy()
    values[:, -1] = values[:, -1] / 2
    few = replace(few, schema=replace(both.schema, target=target), values=values)
    members = [Member(Nano(), Encoder.fit(rows), rows, 1024) for rows in (both, few)]
    model = Predictor(members, spec, {})
    alone = [members[0].predict(both.values), members[1].predict(both.values)]
    found = model.predict_proba(frame)
    assert model.classes == ("a", "b", "c")
    np.testing.assert_allclose(found[:, 1], alone[0][:, 1] / 2, atol=1e-6)
    np.testing.assert_allclose(found[:, 2], (alone[0][:, 2] + alone[1][:, 1]) / 2, atol=1e-6)


def test_rows_do_not_depend_on_each_other_and_chunks_are_as_in_training(
    make_model: Maker, frame: pd.DataFrame
) -> None:
    model = make_model()
    whole = model.predict_proba(frame)
    parts = [model.predict_proba(frame.iloc[i : i + 7]) for i in range(0, len(frame), 7)]
    np.testing.assert_allclose(np.concatenate(parts), whole, atol=1e-6)
    assert np.array_equal(model.predict_proba(frame), whole)


def test_a_distribution_has_quantiles_and_a_class_has_none(
    make_model: Maker, make_frame: Callable[..., pd.DataFrame], frame: pd.DataFrame
) -> None:
    rows = make_frame(regression=True)
    model = make_model(2, rows=rows, task="regression", n_outputs=50)
    levels = [0.05, 0.5, 0.95]
    found = model.predict_quantiles(rows, levels)
    assert found.shape == (len(rows), 3)
    assert (np.diff(found, axis=1) > 0).all()
    values = model.coded(rows)
    alone = [m.quantiles(v, levels) for m, v in zip(model.members, values, strict=True)]
    np.testing.assert_allclose(found, np.mean(alone, axis=0))
    written = model.frame(rows, quantiles=levels)
    assert list(written) == ["prediction", "quantile_0.05", "quantile_0.5", "quantile_0.95"]
    with pytest.raises(LimitError, match="no probabilities"):
        model.predict_proba(rows)
    with pytest.raises(ConfigurationError, match=r"quantiles lie in \(0, 1\)"):
        model.predict_quantiles(rows, [0.5, 1.0])
    with pytest.raises(LimitError, match="a classification has no quantiles"):
        make_model().predict_quantiles(frame, levels)
    with pytest.raises(LimitError, match="predicts no distribution"):
        make_model(rows=rows, task="regression").predict_quantiles(rows, levels)


@pytest.mark.parametrize("levels", [0.5, np.float64(0.5), ["0.5"], [], [0.5, 1], [np.nan], [[0.5]]])
def test_what_is_no_level_is_refused_with_the_rule(
    make_model: Maker, make_frame: Callable[..., pd.DataFrame], levels: Any
) -> None:
    rows = make_frame(regression=True)
    model = make_model(rows=rows, task="regression", n_outputs=20)
    rule = r"quantiles lie in \(0, 1\), one or more numbers in a list or an array"
    with pytest.raises(ConfigurationError, match=f"{rule}.*: got {re.escape(repr(levels))}$"):
        model.predict_quantiles(rows, levels)


def test_levels_may_be_an_array(make_model: Maker, make_frame: Callable[..., pd.DataFrame]) -> None:
    rows = make_frame(regression=True)
    model = make_model(rows=rows, task="regression", n_outputs=20)
    expected = model.predict_quantiles(rows, [0.25, 0.5])
    kinds: list[Any] = [np.array([0.25, 0.5]), (0.25, 0.5), pd.Series([0.25, 0.5])]
    for levels in kinds:
        assert np.array_equal(model.predict_quantiles(rows, levels), expected)
        assert np.array_equal(model.frame(rows, quantiles=levels).iloc[:, 1:], expected)
    assert list(model.frame(rows, quantiles=np.array([]))) == ["prediction"]


def test_a_temperature_keeps_the_order_and_moves_towards_even() -> None:
    p = np.array([[0.9, 0.1, 0.0], [0.2, 0.5, 0.3]], dtype=np.float32)
    assert np.allclose(tempered(p, 1.0), p)
    warm = tempered(p, 3.0)
    assert warm.dtype == np.float32
    assert np.array_equal(warm.argsort(axis=1), p.argsort(axis=1))
    assert (warm.max(axis=1) < p.max(axis=1)).all()
    np.testing.assert_allclose(warm.sum(axis=1), 1, atol=1e-6)
    odds = np.log(warm[1, 1] / warm[1, 0])
    assert odds == pytest.approx(np.log(0.5 / 0.2) / 3, rel=1e-5)


@pytest.mark.parametrize("column", ["age", "income"])
def test_the_farthest_numbers_have_predictions(frame: pd.DataFrame, column: str) -> None:
    splits = load_splits(TableSpec(frame, target="target"), SplitSpec())
    member = Member(Nano(), Encoder.fit(splits.train), splits.train, 1024)
    model = Predictor([member], TableSpec(frame, target="target"), {})
    far = frame.head(4).assign(**{column: [1e20, -1e60, 1e100, -1e100]})
    found = model.predict_proba(far)
    assert np.isfinite(found).all()
    near = model.predict_proba(frame.head(4).assign(**{column: [1e9, -1e9, 1e9, -1e9]}))
    np.testing.assert_allclose(found, near, atol=0.01)


def test_predictions_that_are_no_numbers_are_refused(
    make_model: Maker, frame: pd.DataFrame
) -> None:
    model = make_model()
    for weight in model.members[0].backbone.parameters():
        weight.data.fill_(float("nan"))
    with pytest.raises(LimitError, match=r"have to be finite: those of 3 of 3 rows .* row 0 "):
        model.predict(frame.head(3))


def test_what_makes_no_model_is_refused(make_model: Maker, frame: pd.DataFrame) -> None:
    model = make_model()
    with pytest.raises(ConfigurationError, match="at least one member"):
        Predictor([], model.spec, {})
    with pytest.raises(ConfigurationError, match="a temperature lies above 0, got 0"):
        Predictor(model.members, model.spec, {}, temperature=0)
    with pytest.raises(TableError, match="has no rows"):
        model.predict(frame.head(0))
    with pytest.raises(ConfigurationError, match="the device nowhere cannot be used"):
        model.to("nowhere")


def test_kept_contexts_are_encoded_once_and_predict_nearly_the_same(
    make_model: Maker, frame: pd.DataFrame, monkeypatch: pytest.MonkeyPatch
) -> None:
    model = make_model()
    expected = model.predict_proba(frame.head(3))
    encode, calls = type(model.members[0].backbone).encode_context, []

    def counted(*args: object) -> object:
        calls.append(args)
        return encode(*args)  # type: ignore[arg-type]

    monkeypatch.setattr(type(model.members[0].backbone), "encode_context", counted)
    assert np.array_equal(model.predict_proba(frame.head(3)), expected)
    assert not calls
    assert model.keep_contexts() is model
    for rows in (3, 1, 3):
        found = model.predict_proba(frame.head(rows))
        np.testing.assert_allclose(found, expected[:rows], atol=1e-6)
    assert len(calls) == 1


def test_rows_of_one_feature_need_no_delimiter(
    make_model: Maker, frame: pd.DataFrame, tmp_path: Path
) -> None:
    model = make_model(rows=frame[["income", "target"]])
    path = tmp_path / "one.csv"
    frame[["income"]].to_csv(path, index=False)
    expected = model.predict_proba(frame[["income"]])
    assert np.array_equal(model.predict_proba(path), expected)
    quoted = path.read_text()
    for gap in ("?\n", "\n"):  # no quotes: as other programs write an empty cell
        path.write_text(quoted.replace('""\n', gap))
        assert np.array_equal(model.predict_proba(path), expected)
    with pytest.raises(TableError, match="single column when read with comma, semicolon, tab"):
        make_model().predict(path)


def test_what_stands_in_the_target_of_new_rows_is_not_looked_at(
    make_model: Maker, make_frame: Callable[..., pd.DataFrame]
) -> None:
    frame = make_frame(regression=True)
    for rows, task in ((make_frame(), "classification"), (frame, "regression")):
        model = make_model(rows=rows, task=task)
        expected = model.predict(rows.drop(columns="target"))
        for target in ("tba", np.inf, ["a", "list"]):
            asked = rows.assign(target=pd.Series([target] * len(rows), dtype=object))
            with warnings.catch_warnings():
                warnings.simplefilter("error")
                assert np.array_equal(model.predict(asked), expected)


def test_levels_that_agree_in_six_digits_have_columns_of_their_own(
    make_model: Maker, make_frame: Callable[..., pd.DataFrame]
) -> None:
    rows = make_frame(regression=True)
    model = make_model(rows=rows, task="regression", n_outputs=20)
    levels = [0.05, 0.9999999, 0.99999999]
    frame = model.frame(rows.head(3), quantiles=levels)
    names = ["quantile_0.05", "quantile_0.9999999", "quantile_0.99999999"]
    assert list(frame) == ["prediction", *names]
    assert np.array_equal(frame[names], model.predict_quantiles(rows.head(3), levels))
