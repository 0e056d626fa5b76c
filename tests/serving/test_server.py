"""A server over real HTTP on this machine: answers, refusals, crowds and clients that go away."""

import json
import os
import signal
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest

import lit_causalmix
from lit_causalmix.model import Predictor

pytest.importorskip("litserve", reason="the extra serve is not installed")

MOST_ROWS, MOST_BYTES = 50, 100_000


@pytest.fixture(scope="module")
def server(serve: Any, folder: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Any]:
    limits = ["--max-rows", str(MOST_ROWS), "--max-bytes", str(MOST_BYTES), "--timeout", "200"]
    served = serve(folder, tmp_path_factory.mktemp("log") / "log", *limits)
    try:
        served.wait()
        yield served
    finally:
        status = served.stop()
    assert status == 0
    assert not served.left_behind
    assert "Traceback" not in served.log.read_text()


@pytest.fixture(scope="module")
def model(folder: Path) -> Predictor:
    return lit_causalmix.load_model(folder)


def body(rows: pd.DataFrame) -> bytes:
    return rows.to_json(orient="records").encode()


def probabilities(answer: dict[str, list[dict[str, dict[str, float]]]]) -> pd.DataFrame:
    return pd.DataFrame([row["probabilities"] for row in answer["predictions"]])


def test_json_and_csv_get_the_predictions_of_the_model(
    server: Any, model: Predictor, credit: pd.DataFrame
) -> None:
    rows = credit.tail(20)
    status, answer = server.post(body(rows))
    assert status == 200
    assert answer["notes"] == []
    found = probabilities(answer)
    assert tuple(found) == model.classes
    np.testing.assert_allclose(found, model.predict_proba(rows), atol=1e-6)
    predictions = [row["prediction"] for row in answer["predictions"]]
    assert predictions == model.predict(rows).tolist()
    assert server.post(rows.to_csv(index=False), "text/csv; charset=utf-8") == (200, answer)


def test_health_and_schema(server: Any, credit: pd.DataFrame) -> None:
    assert server.get("/health") == (200, "ok")
    status, text = server.get("/schema")
    assert status == 200
    schema = json.loads(text)
    assert [column["name"] for column in schema["columns"]] == list(credit)
    assert schema["limits"] == {"rows": MOST_ROWS, "bytes": MOST_BYTES}
    assert server.get("/docs")[0] == 404


@pytest.mark.parametrize(
    ("sent", "media_type", "query", "status", "said"),
    [
        (b"nonsense", "application/json", "", 400, "cannot be read as JSON"),
        (b"", "application/json", "", 400, "cannot be read as JSON"),
        (b"[" * 50_000, "application/json", "", 400, "nested too deeply"),
        (b'[{"age": 1}]', "application/json", "", 422, "feature columns are absent"),
        (b"[]", "application/json", "?quantiles=x", 400, "quantiles are numbers"),
        (b"a,b\n1\n", "text/csv", "", 422, "line 2: 1 cells, the header has 2"),
        (b"\xff\xfea,b", "text/csv", "", 422, "is not UTF-8"),
        (b"<rows/>", "text/xml", "", 415, "application/json or text/csv"),
        (b" " * (MOST_BYTES + 1), "application/json", "", 413, "takes 100,000 bytes at once"),
    ],
)
def test_a_bad_body_is_one_line_and_the_server_goes_on(
    server: Any, sent: bytes, media_type: str, query: str, status: int, said: str
) -> None:
    found, answer = server.post(sent, media_type, query)
    assert found == status
    assert list(answer) == ["detail"]
    assert said in answer["detail"]
    assert len(answer["detail"].splitlines()) == 1
    assert server.get("/health") == (200, "ok")


def test_rows_that_do_not_fit_and_too_many_are_refused(server: Any, credit: pd.DataFrame) -> None:
    rows = credit.head(3).astype(object)
    rows.iloc[1, list(credit).index("age_in_years")] = "old"
    status, answer = server.post(body(rows))
    assert status == 422
    assert "row 1 (counted from 0) holds 'old'" in answer["detail"]
    status, answer = server.post(credit.head(MOST_ROWS + 1).to_csv(index=False), "text/csv")
    assert status == 413
    assert "51 rows, and this server takes 50" in answer["detail"]


def test_a_body_without_an_announced_length_ends_at_the_limit(server: Any) -> None:
    chunks = iter([b" " * 60_000, b" " * 60_000])  # http.client sends them as they come
    assert server.post(chunks)[0] == 413


def crowd(server: Any, model: Predictor, credit: pd.DataFrame, count: int) -> None:
    """Sends `count` requests of one to three rows at once; each gets its own answer."""
    starts = [(7 * k) % 900 for k in range(count)]
    parts = [credit.iloc[start : start + 1 + k % 3] for k, start in enumerate(starts)]
    found = server.together([body(part) for part in parts])
    assert [status for status, _ in found] == [200] * count
    expected = pd.DataFrame(model.predict_proba(credit), columns=list(model.classes))
    for part, (_, answer) in zip(parts, found, strict=True):
        np.testing.assert_allclose(probabilities(answer), expected.loc[part.index], atol=1e-5)


def test_requests_at_once_get_each_their_own_answer(
    server: Any, model: Predictor, credit: pd.DataFrame
) -> None:
    crowd(server, model, credit, 60)


@pytest.mark.slow
def test_a_thousand_requests_at_once_lose_none(
    server: Any, model: Predictor, credit: pd.DataFrame
) -> None:
    crowd(server, model, credit, 1000)


def test_clients_that_are_killed_harm_nobody(
    server: Any, model: Predictor, credit: pd.DataFrame
) -> None:
    whole = server.request(body(credit.head(2)))
    for sent in (whole, whole[:-5], whole[:40], b"", whole) * 5:
        server.abandon(sent)
    crowd(server, model, credit, 5)


@pytest.mark.slow
def test_a_request_that_waited_for_too_long_is_told_so(
    serve: Any, folder: Path, tmp_path: Path, credit: pd.DataFrame
) -> None:
    served = serve(folder, tmp_path / "log", "--timeout", "1e-9")
    try:
        served.wait()
        assert served.post(body(credit.head(1))) == (504, {"detail": "Request timed out"})
    finally:
        served.stop()


@pytest.mark.slow
@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_a_signal_ends_all_processes(serve: Any, folder: Path, tmp_path: Path, number: int) -> None:
    served = serve(folder, tmp_path / "log")
    served.wait()
    assert served.stop(number) == 0
    assert not served.left_behind
    assert "Traceback" not in served.log.read_text()


@pytest.mark.slow
@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_a_signal_while_it_starts_ends_all_processes(
    serve: Any, folder: Path, tmp_path: Path, number: int
) -> None:
    served = serve(folder, tmp_path / "log")
    while not served.children():
        assert served.process.poll() is None
        time.sleep(0.1)
    assert served.stop(number) == 0
    assert not served.left_behind
    assert "Traceback" not in served.log.read_text()


@pytest.mark.slow
def test_a_server_whose_model_dies_ends_with_an_error(
    serve: Any, folder: Path, tmp_path: Path
) -> None:
    served = serve(folder, tmp_path / "log")
    served.wait()
    (child,) = served.children()
    os.kill(child, signal.SIGKILL)
    assert served.ended() == 2
    assert "a process of the server died" in served.log.read_text()
    assert "Traceback" not in served.log.read_text()
