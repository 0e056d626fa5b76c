"""What is done with a hostile table, and how its result is judged without trusting the package."""

from __future__ import annotations

import contextlib
import io
import sys
import tempfile
import traceback
import warnings
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from table_cases import Case

from lit_causalmix.backbones import Tab2D
from lit_causalmix.commands.main import main
from lit_causalmix.errors import LitCausalMixError
from lit_causalmix.generators import (
    IndependentColumnsGenerator,
    JitterGenerator,
    MixedModelGenerator,
    SCMGenerator,
    TabEBMGenerator,
)
from lit_causalmix.metrics import DomainScores
from lit_causalmix.seeding import rng
from lit_causalmix.tables import (
    Encoder,
    SplitSpec,
    TableSpec,
    TableSplits,
    decode,
    encode,
    load_rows,
    load_splits,
)
from lit_causalmix.tables.episodes import EpisodeParts, EvaluationStream

TINY = Path(__file__).resolve().parents[2] / "tests" / "conf" / "tiny.yaml"
LONGEST_MESSAGE = 4_000
"""Characters of a refusal; a cell or a name may be longer than is worth showing."""

_CALENDAR = 700_000
"""Days from 1970 to about the ends of the calendar, where decoded dates are clipped."""

DEPTHS = ("load", "generate", "score", "fit")
"""How far a case goes; each includes the first."""


@dataclass(frozen=True)
class Outcome:
    """What became of a case: "passed", "refused", "traceback" or "wrong", and why."""

    kind: str
    text: str = ""


class WrongError(AssertionError):
    """A result that is not what the cells say."""


def check(case: Case, depth: str) -> Outcome:
    """Takes a case as far as a depth."""
    with tempfile.TemporaryDirectory(prefix="fault-table-") as name:
        folder = Path(name)
        try:
            with warnings.catch_warnings(), contextlib.redirect_stderr(io.StringIO()):
                warnings.simplefilter("ignore")
                _run(case, depth, folder)
        except LitCausalMixError as error:
            message = str(error)
            if len(message) > LONGEST_MESSAGE:
                return Outcome("wrong", f"a refusal of {len(message)} characters: {message[:200]}")
            return Outcome("refused", message)
        except WrongError as error:
            return Outcome("wrong", str(error))
        except Exception:  # whatever else is raised is what this looks for
            return Outcome("traceback", traceback.format_exc())
    return Outcome("passed")


def _run(case: Case, depth: str, folder: Path) -> None:
    path = folder / f"table{case.suffix}"
    path.write_bytes(case.content)
    spec = TableSpec(str(path), **case.settings)
    splits = load_splits(spec, SplitSpec())
    encoder = Encoder.fit(splits.train)
    _check_coded(case, splits)
    _check_encoded(splits, encoder)
    _check_prediction_rows(splits, spec, path)
    if depth == "generate":
        _check_generators(case, splits)
    elif depth == "score":
        _check_scores(case, splits, encoder, folder)
    elif depth == "fit":
        _check_fit(case, path, folder)


def _require(condition: bool, text: str) -> None:
    if not condition:
        raise WrongError(text)


def _check_coded(case: Case, splits: TableSplits) -> None:
    parts = (splits.train, splits.val, splits.test)
    schema = splits.train.schema
    for position, column in enumerate(schema.columns):
        truth = case.truth.get(column.name)
        if truth is None or not column.is_numerical or column.date_format:
            continue
        for part in parts:
            same = part.values[:, position] == truth[part.rows]
            _require(bool(same.all()), f"column {column.name!r} holds other numbers than the file")
    rows = np.concatenate([part.rows for part in parts])
    _require(len(set(rows.tolist())) == len(rows), "a row stands in two splits")
    for part in parts:
        again = encode(schema, decode(schema, part.values))
        dates = np.array([bool(c.date_format) for c in schema.columns])
        whole = np.array([c.integer for c in schema.columns])
        error = np.abs(again - part.values)
        error[:, dates & (np.abs(part.values) > _CALENDAR).any(axis=0)] = 0.0
        allowed = np.where(dates, 1e-9 * np.maximum(1, np.abs(part.values)), 0.0)
        allowed = np.where(whole, 0.5, allowed)
        _require(
            bool((error[~np.isnan(error)] <= allowed[~np.isnan(error)]).all())
            and np.array_equal(np.isnan(again), np.isnan(part.values)),
            "decode and encode do not give the cells back",
        )


def _check_encoded(splits: TableSplits, encoder: Encoder) -> None:
    x, y = encoder.features(splits.train.values), encoder.targets(splits.train.values)
    _require(not np.isinf(x).any(), "an encoded feature is infinite")
    numbers = x[:, ~encoder.categorical].astype(np.float64)
    size = np.fmax.reduce(np.abs(splits.train.features[:, encoder.index]), axis=0)
    # Digits that float64 itself has not: a column around 1e15 is known to an eighth.
    lost = (4 * np.finfo(np.float64).eps * size / encoder.scale)[~encoder.categorical]
    for column, digits in zip(numbers.T, lost, strict=True):
        known = column[~np.isnan(column)]
        _require(len(np.unique(known)) > 1, "a column that varies is encoded as a constant")
        _require(abs(known.mean()) < 1e-3 + digits, "an encoded column is not centred")
        _require(abs(known.std() - 1) < 1e-3 + digits, "an encoded column has another deviation")
    if not encoder.n_classes:
        _require(bool(np.isfinite(y).all()), "an encoded target is not finite")
        _require(len(np.unique(y)) > 1, "a target that varies is encoded as a constant")


def _check_prediction_rows(splits: TableSplits, spec: TableSpec, path: Path) -> None:
    try:
        rows = load_rows(str(path), splits.train, spec)
    except LitCausalMixError:
        return  # unlabelled rows may hold what no labelled one does
    for part in (splits.train, splits.test):
        same = (rows.values[part.rows] == part.values) | (
            np.isnan(rows.values[part.rows]) & np.isnan(part.values)
        )
        _require(bool(same.all()), "rows to predict are read differently than the table")


def _check_generators(case: Case, splits: TableSplits) -> None:
    settings = {"n_dags": 1, "n_resamples": 1, "alphas": (0.05,)}
    choices = (
        SCMGenerator(mechanism="linear", **settings),
        SCMGenerator(mechanism="forest", **settings),
        SCMGenerator(mechanism="auto", **settings),
        JitterGenerator(),
        IndependentColumnsGenerator(),
        MixedModelGenerator(n_models=1, teachers=("tree",)),
        TabEBMGenerator(backbone=Tab2D(dim=16, n_layers=1), n_steps=2),
    )
    generator = choices[case.index % len(choices)]
    generator.progress = False
    generator.fit(splits.train, seed=0, progress=False)
    rows = generator.sample(32, rng(0, "fault"))
    low = np.fmin.reduce(splits.train.values, axis=0)
    high = np.fmax.reduce(splits.train.values, axis=0)
    name = type(generator).__name__
    _require(not np.isinf(rows).any(), f"{name} draws infinite numbers")
    _require(not np.isnan(rows[:, -1]).any(), f"{name} draws a missing target")
    gone = np.isnan(rows).all(axis=0) & ~(np.isnan(splits.train.values).mean(axis=0) > 0.5)
    _require(not gone.any(), f"{name} draws nothing for column {gone.argmax()}")
    known = ~np.isnan(rows)
    _require(bool(((rows >= low) & (rows <= high))[known].all()), f"{name} leaves the range")


def _scores(splits: TableSplits, encoder: Encoder) -> dict[str, float]:
    task = "classification" if encoder.n_classes else "regression"
    backbone = Tab2D(dim=16, n_layers=1, n_outputs=None if not encoder.n_classes else 64, task=task)
    backbone.eval()
    scores = DomainScores(encoder.n_classes > 0, ())
    stream = EvaluationStream(splits.train, [EpisodeParts.of(splits.test)], encoder, n_query=64)
    with torch.no_grad():
        for index in range(len(stream)):
            episode = stream[index]
            scores.update(backbone.predict(backbone(episode), episode), episode)
    return {key: score.value for key, score in scores.compute().items()}


def _check_scores(case: Case, splits: TableSplits, encoder: Encoder, folder: Path) -> None:
    if encoder.n_classes > 64 or not len(splits.test):
        return
    found = _scores(splits, encoder)
    if case.twin is None or encoder.n_classes:
        return
    plain = folder / f"plain{case.suffix}"
    plain.write_bytes(case.twin)
    other = load_splits(TableSpec(str(plain), **case.settings), SplitSpec())
    for one, two in ((other.train, splits.train), (other.test, splits.test)):
        if not np.array_equal(one.rows, two.rows):
            return  # rounding at 1e11 may put a target into another stratum
    expected = _scores(other, Encoder.fit(other.train))
    r2, other_r2 = found["real/r2"], expected["real/r2"]
    same = (np.isnan(r2) and np.isnan(other_r2)) or abs(r2 - other_r2) < 1e-2 * (1 + abs(r2))
    _require(same, f"R² is {r2:.4f}, and {other_r2:.4f} without shift and scale")


def _check_fit(case: Case, path: Path, folder: Path) -> None:
    settings = [
        f"--data.table.{name}={value if isinstance(value, str) else repr(value)}"
        for name, value in case.settings.items()
        if isinstance(value, str | int)
    ]
    if len(settings) < len(case.settings) or not case.settings["target"]:
        return  # a mapping is read from YAML, which other tests do
    argv, sys.argv = sys.argv, ["lit-causalmix"]
    errors = io.StringIO()
    try:
        with (
            contextlib.chdir(folder),
            contextlib.redirect_stdout(io.StringIO()),
            contextlib.redirect_stderr(errors),
        ):
            task = "regression" if case.settings.get("task") == "regression" else "classification"
            status = main(
                [
                    *("fit", "--config", str(TINY), "--data.cache_dir", "cache"),
                    *(f"--data.table.source={path}", *settings, "--trainer.max_epochs=1"),
                    f"--model.backbone.init_args.task={task}",
                ]
            )
            reports = list(Path().rglob("report.json"))
    finally:
        sys.argv = argv
    _require(status in (0, 2), f"exit status {status}")
    _require(status == 2 or len(reports) == 1, "no report was written")
    if status == 2:
        raise LitCausalMixError(errors.getvalue().strip().splitlines()[-1])
