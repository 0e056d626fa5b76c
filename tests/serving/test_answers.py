"""What is answered: the predictions of the model, to each request for itself."""

import json
from collections.abc import Callable

import numpy as np
import pandas as pd
import pytest

from lit_causalmix.backbones import Nano
from lit_causalmix.model import Member, Predictor
from lit_causalmix.serving.answers import Answer, answers, schema
from lit_causalmix.serving.rows import Body
from lit_causalmix.tables import Encoder, SplitSpec, TableSpec, load_splits


def body(rows: pd.DataFrame, quantiles: str = "") -> Body:
    return Body(json.dumps(rows.to_dict("records")).encode(), quantiles=quantiles)


def kept_by_a_fold(rows: pd.DataFrame) -> Member:
    split = SplitSpec(val_fraction=0, test_fraction=0)
    train = load_splits(TableSpec(rows, target="target"), split).train
    return Member(Nano(), Encoder.fit(train), train, 1024)


def of(answer: Answer) -> list[dict[str, float]]:
    assert answer.status == 200, answer.content
    return [row["probabilities"] for row in answer.content["predictions"]]


def test_one_request_gets_the_bits_of_the_model(model: Predictor, new: pd.DataFrame) -> None:
    (answer,) = answers(model, [body(new)], 1000)
    expected = model.frame(new)
    found = pd.DataFrame(of(answer))
    assert list(found) == ["bad", "good"]
    assert np.array_equal(found.to_numpy(np.float32), expected.iloc[:, 1:].to_numpy())
    predictions = [row["prediction"] for row in answer.content["predictions"]]
    assert predictions == expected["prediction"].tolist()


def test_requests_are_predicted_in_one_go_and_told_apart(
    model: Predictor, new: pd.DataFrame
) -> None:
    calls: list[object] = []
    model.members[0].backbone.register_forward_hook(lambda *_: calls.append(None))
    sizes = [1, 5, 2, 9]
    starts = np.cumsum([0, *sizes])
    bodies = [body(new.iloc[a : a + n]) for a, n in zip(starts[:-1], sizes, strict=True)]
    found = answers(model, bodies, 1000)
    assert len(calls) == 1
    together = pd.DataFrame([row for answer in found for row in of(answer)])
    expected = model.predict_proba(new.head(sum(sizes)))
    np.testing.assert_allclose(together.to_numpy(), expected, atol=1e-6)
    assert [len(of(answer)) for answer in found] == sizes


def test_a_bad_request_harms_itself_alone(model: Predictor, new: pd.DataFrame) -> None:
    good = body(new.head(2))
    bodies = [
        good,
        Body(b"nonsense"),
        body(new[["age"]].head(2)),
        good,
        body(new, "0.5"),
        body(new),
    ]
    found = answers(model, bodies, 10)
    assert [answer.status for answer in found] == [200, 400, 422, 200, 413, 413]
    assert "3 of 4 feature columns are absent" in found[2].content["detail"]
    assert found[0].content == found[3].content


def test_one_column_of_csv_is_enough_for_a_model_of_one_feature(
    model: Predictor, make_model: Callable[[TableSpec], Predictor], frame: pd.DataFrame
) -> None:
    single = make_model(TableSpec(frame[["age", "target"]], target="target"))
    request = Body(b"age\n31\n5.5\n", "text/csv")
    (answer,) = answers(single, [request], 10)
    expected = single.predict_proba(pd.DataFrame({"age": [31, 5.5]}))
    assert np.array_equal(pd.DataFrame(of(answer)).to_numpy(np.float32), expected)
    (gap,) = answers(single, [Body(b"age\n31\n\n5.5\n\n", "text/csv")], 10)
    assert len(of(gap)) == 3
    (refused,) = answers(model, [request], 10)
    assert refused.status == 422
    assert "single column when read with" in refused.content["detail"]


@pytest.mark.parametrize("kind", ["model", "regressor"])
def test_the_target_of_a_row_is_not_looked_at(
    kind: str, new: pd.DataFrame, request: pytest.FixtureRequest
) -> None:
    asked = request.getfixturevalue(kind)
    (plain,) = answers(asked, [body(new.head(1))], 10)
    for target in (["a", "list"], "tba", 1e300, None):
        rows = new.head(1).assign(target=pd.Series([target], dtype=object))
        (answer,) = answers(asked, [body(rows)], 10)
        assert (answer.status, answer.content) == (200, plain.content)


def test_what_training_did_not_show_is_said_to_whom_it_concerns(
    model: Predictor, new: pd.DataFrame
) -> None:
    odd = new.head(1).assign(colour="mauve", street="x")
    plain, noted = answers(model, [body(new.head(1)), body(odd)], 10)
    assert plain.content["notes"] == []
    street, colour = noted.content["notes"]
    assert "did not use: 'street'" in street
    assert "unseen in training ('mauve')" in colour
    long = new.head(1).assign(colour="m" * 100_000, **{"s" * 100_000: "x"})
    (answer,) = answers(model, [body(long)], 10)
    assert [len(note) < 2_100 for note in answer.content["notes"]] == [True, True]
    assert answer.content["notes"][1].endswith("count as missing, first in row 0")
    (gap,) = answers(model, [body(new.head(1).assign(colour=None))], 10)
    (found,), (expected,) = gap.content["predictions"], noted.content["predictions"]
    assert found["prediction"] == expected["prediction"]
    # Alone and beside another row the last bits may differ.
    assert found["probabilities"] == pytest.approx(expected["probabilities"], abs=1e-6)


def test_a_number_has_quantiles_where_they_are_asked_for(
    regressor: Predictor, new: pd.DataFrame
) -> None:
    rows = new.head(3)
    plain, asked = answers(regressor, [body(rows), body(rows, "0.05,0.95")], 10)
    assert [list(row) for row in plain.content["predictions"]] == [["prediction"]] * 3
    found = [list(row["quantiles"].values()) for row in asked.content["predictions"]]
    np.testing.assert_allclose(found, regressor.predict_quantiles(rows, [0.05, 0.95]), rtol=1e-5)
    assert list(asked.content["predictions"][0]["quantiles"]) == ["0.05", "0.95"]
    (wrong,) = answers(regressor, [body(rows, "0.5,1.5")], 10)
    assert wrong.status == 422
    assert "quantiles lie in (0, 1)" in wrong.content["detail"]


def test_texts_that_utf8_lacks_are_answered(model: Predictor, new: pd.DataFrame) -> None:
    row = new.iloc[0].to_dict()
    bodies = [Body(json.dumps([row | {name: "\ud800"}]).encode()) for name in ("age", "colour")]
    refused, noted = answers(model, bodies, 10)
    assert (refused.status, noted.status) == (422, 200)
    assert "\\ud800" in json.loads(refused.encoded())["detail"]
    assert json.loads(noted.encoded()) == noted.content


@pytest.mark.parametrize("cell", [[1], {"a": 1}, 1e300])
def test_cells_that_are_none_are_refused(model: Predictor, new: pd.DataFrame, cell: object) -> None:
    rows = [new.iloc[0].to_dict() | {"age": cell}]
    (answer,) = answers(model, [Body(json.dumps(rows).encode())], 10)
    assert answer.status == 422
    assert "'age'" in answer.content["detail"]


def test_the_schema_says_what_to_send(model: Predictor, new: pd.DataFrame) -> None:
    said = schema(model, max_rows=7, max_bytes=8)
    assert json.loads(json.dumps(said)) == said
    assert said["limits"] == {"rows": 7, "bytes": 8}
    assert (said["task"], said["target"], said["classes"]) == ("binary", "target", ["bad", "good"])
    assert [column["name"] for column in said["columns"]] == list(new)
    assert said["columns"][2]["categories"] == ["blue", "green", "red"]
    (answer,) = answers(model, [body(new[[c["name"] for c in said["columns"]]].head(2))], 10)
    assert answer.status == 200


def test_members_are_described_and_noted_as_one_model(
    new: pd.DataFrame, frame: pd.DataFrame
) -> None:
    rows = new.assign(q=pd.Series([*"uv", *[None] * (len(new) - 2)]), target=frame["target"])
    parts = [kept_by_a_fold(rows.drop(index=row)) for row in (0, 1)]
    model = Predictor(parts, TableSpec(rows, target="target"), {})
    described = schema(model, max_rows=1, max_bytes=1)["columns"]
    assert {c["name"]: c["categories"] for c in described}["q"] == ["u", "v"]
    asked = [body(new.head(1).assign(q=q)) for q in ("u", "v", "QQ")]
    notes = [answer.content["notes"] for answer in answers(model, asked, 10)]
    assert notes[:2] == [[], []]
    assert len(notes[2]) == 1
    assert "unseen in training ('QQ')" in notes[2][0]


def test_a_fault_of_ours_harms_the_request_alone_that_meets_it(
    model: Predictor, new: pd.DataFrame, caplog: pytest.LogCaptureFixture
) -> None:
    good = body(new.head(1))
    faulty = Body(good.content, quantiles=None)  # type: ignore[arg-type]
    found = answers(model, [good, faulty, good], 10)
    assert [answer.status for answer in found] == [200, 500, 200]
    assert found[1].content == {"detail": "internal error: AttributeError"}
    assert "Traceback" in caplog.text


def test_levels_that_agree_in_six_digits_are_told_apart(
    regressor: Predictor, new: pd.DataFrame
) -> None:
    (answer,) = answers(regressor, [body(new.head(1), "0.5,0.9999999,0.99999999")], 10)
    assert answer.status == 200, answer.content
    found = answer.content["predictions"][0]["quantiles"]
    assert list(found) == ["0.5", "0.9999999", "0.99999999"]
