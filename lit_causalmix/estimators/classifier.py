"""The classifier."""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence
from typing import Any, Self

import numpy as np
import pandas as pd
from numpy.typing import NDArray
from sklearn.base import ClassifierMixin
from sklearn.utils import assert_all_finite
from sklearn.utils.multiclass import check_classification_targets

from lit_causalmix.episode import RowOrigin
from lit_causalmix.errors import ConfigurationError, TableError
from lit_causalmix.estimators.base import CausalMixEstimator
from lit_causalmix.estimators.fitting import Fitted
from lit_causalmix.estimators.rows import labels_of, name_of
from lit_causalmix.model.calibration import fit_temperature, tempered
from lit_causalmix.model.decision import OBJECTIVES, decided, fit_threshold
from lit_causalmix.scalars import plain
from lit_causalmix.tables.cells import USUAL_MISSING, canonical_label
from lit_causalmix.tables.schema import TaskType

CALIBRATIONS = (None, "temperature")
THRESHOLDS = (None, *OBJECTIVES)

_LABELS = (str, bool, int, float, np.bool_, np.integer, np.floating)
"""Types of labels that the file of a model holds."""


class CausalMixClassifier(ClassifierMixin, CausalMixEstimator):  # type: ignore[misc]
    """Fine-tunes a tabular foundation model for classification, with zero-shot as a candidate.

    A fit is that of the command line with the same settings, to the same bits. All of X is for
    training and validation: the selected weights are those that do best on rows kept back from
    training, and predictions have all labelled rows in their context.

    Args:
        method: A recipe of the package, or several, one over the other: "causalmixft" (rows from
            structural causal models), "default" (real rows alone), "jitter", "finetune/ema", … or
            YAML files. "auto" compares several with zero-shot on five folds, and takes the best
            whose gain is sure; the scores in `candidates_` are those that it chose by, so that what
            it is worth has to be measured on rows kept back, or by cross-validation. None takes
            "causalmixft", in regression "default" unless `synthetic_ratio` is given, as causal rows
            lose to real rows alone there (docs/results.md).
        backbone: The model: a recipe ("tabpfn-v1"), a class ("Nano", "my_module.Mine"), or a class
            with arguments ({"class_path": …, "init_args": …}); None takes that of the recipe.
        synthetic_ratio: Share of synthetic rows, 0 to 1; None takes that of the recipe.
        max_steps: Most training steps; None takes those of the recipe, 0 is zero-shot.
        time_limit: Seconds for all of `fit`, which then returns the best so far (`cut_`, and a
            warning, say what was left out); None sets no limit. Results under a limit depend on the
            machine.
        folds: Fits; above 1, each validates on a fold of its own, the step is chosen over all of
            them together, and predictions are averaged. With "auto" 1 takes those of the recipe.
        class_weight: "balanced" counts the classes of a training episode alike in its loss, however
            few their rows; a mapping has a weight for each label (1 where it names none); None
            counts rows alike. With it balanced accuracy selects, as log-loss would keep zero-shot,
            unless a recipe or `settings` name a selection.
        calibration: "temperature" chooses a temperature of the probabilities on the validation
            rows, with folds on all rows; None leaves them as they are. Labels stay the same.
        threshold: "balanced_accuracy" chooses, for two classes, the probability above which
            `predict` says the second one, on the validation rows, with folds on all rows; None says
            the more probable one. `predict_proba` stays the same.
        device: "auto", "cpu", "cuda", "cuda:1", "mps".
        random_state: An integer: same integer, same bits. Anything else is drawn from.
        verbose: Above 0 shows progress.
        run_folder: Where runs are kept as the command line keeps them (curves, checkpoints, model),
            each fit in the next `version_N` below it; None leaves nothing behind but the cache of
            fitted generators.
        settings: Anything else, as YAML has it: {"data": {"split": {"val_fraction": 0.3}}}; it
            holds over everything above, and its kinds and orders over the types of X. The table
            and its target are X and y, and files are those of `run_folder` alone: a logger, a
            `default_root_dir` and, without `run_folder`, callbacks that write files are refused.

    Attributes:
        classes_: The K classes, sorted.
        model_: What predicts (`lit_causalmix.model.Predictor`).
        cut_: What `time_limit` cut, one sentence each.
        candidates_: What the method "auto" compared, a mapping each: candidate, folds, step,
            metric, zero_shot, score and gain (on rows that the folds held out), fate.
        n_features_in_: Number of columns of X.
        feature_names_in_: Their names, where X had any.

    Example:
        >>> X = pd.DataFrame({"age": np.arange(60.0), "job": ["a", "b", "c"] * 20})
        >>> model = CausalMixClassifier("default", max_steps=0).fit(X, X["age"] > 30)
        >>> model.predict(X.head(2)), model.predict_proba(X.head(2)).shape
        (array([False, False]), (2, 2))
    """

    def __init__(
        self,
        method: str | Sequence[str] | None = None,
        *,
        backbone: str | Mapping[str, Any] | None = None,
        synthetic_ratio: float | None = None,
        max_steps: int | None = None,
        time_limit: float | None = None,
        folds: int = 1,
        class_weight: str | Mapping[Any, float] | None = None,
        calibration: str | None = None,
        threshold: str | None = None,
        device: str = "auto",
        random_state: int | np.random.RandomState | None = 0,
        verbose: int = 0,
        run_folder: str | os.PathLike[str] | None = None,
        settings: Mapping[str, Any] | None = None,
    ) -> None:
        super().__init__(
            method,
            backbone=backbone,
            synthetic_ratio=synthetic_ratio,
            max_steps=max_steps,
            time_limit=time_limit,
            folds=folds,
            device=device,
            random_state=random_state,
            verbose=verbose,
            run_folder=run_folder,
            settings=settings,
        )
        self.class_weight = class_weight
        self.calibration = calibration
        self.threshold = threshold

    def fit(self, X: Any, y: Any, groups: Sequence[Any] | None = None) -> Self:
        """Fits to rows and their classes.

        Args:
            X: (n, C), a DataFrame (pandas, polars, …) with columns of any kind, or an array.
            y: (n,) class labels: text, numbers or truth values; each class needs two rows.
            groups: (n,) labels; rows of one group are never parted between training and validation.

        Raises:
            ValueError: For rows that cannot be used, with the reason.
        """
        if self.calibration not in CALIBRATIONS:
            raise ConfigurationError(f"calibration is {CALIBRATIONS}, got {self.calibration!r}")
        if self.threshold not in THRESHOLDS:
            raise ConfigurationError(f"threshold is {THRESHOLDS}, got {self.threshold!r}")
        with self._fitting():
            frame = self._checked(X, y)
            labels = labels_of(y)
            if pd.isna(labels).any():
                raise TableError(
                    f"Input y contains NaN: {pd.isna(labels).sum()} of {len(labels)} rows"
                )
            assert_all_finite(labels, input_name="y")
            _check_kinds(labels)
            check_classification_targets(labels)
            classes = _classes(labels)
            if self.threshold is not None and len(classes) > 2:
                raise ConfigurationError(
                    f"a threshold decides between two classes, y holds {len(classes)}: leave "
                    "threshold out; class_weight='balanced' is for any number of classes"
                )
            task = TaskType.BINARY if len(classes) == 2 else TaskType.MULTICLASS
            weight = self.class_weight
            if isinstance(weight, Mapping):
                weight = {canonical_label(label): float(given) for label, given in weight.items()}
            series = pd.Series(labels, name=name_of(y))
            fitted = self._fit(frame, series, task, groups, weight)
            self.classes_ = classes
            text = {canonical_label(value): plain(value) for value in classes.tolist()}
            self.model_.labels = tuple(text[label] for label in self.model_.classes)
            self._order = np.searchsorted(
                classes, np.array(self.model_.labels, dtype=classes.dtype)
            )
            self._decide(fitted)
            self._keep(fitted)
        return self

    def _decide(self, fitted: Fitted) -> None:
        """Chooses temperature and threshold on held-out rows, where they are asked for."""
        if self.calibration is None and self.threshold is None:
            return
        rows = fitted.held_out().of_origin(RowOrigin.REAL)
        probabilities, classes = rows.predictions.numpy(), rows.target.numpy()
        if self.calibration is not None:
            self.model_.temperature = fit_temperature(probabilities, classes)
            probabilities = tempered(probabilities, self.model_.temperature)
        if self.threshold is not None:
            self.model_.threshold = fit_threshold(probabilities, classes)

    def predict(self, X: Any) -> NDArray[Any]:
        """Predicts the class of each row, (n,), of the type of `classes_`."""
        rows = self._new_rows(X)
        if self.model_.threshold is None:
            chosen = self._in_order(rows).argmax(axis=1)
        else:
            found = self.model_.predict_proba(rows)
            chosen = self._order[decided(found, self.model_.threshold)]
        return np.asarray(self.classes_[chosen])

    def predict_proba(self, X: Any) -> NDArray[np.float32]:
        """Predicts the probabilities of the classes, float32 (n, K), in the order of `classes_`."""
        return self._in_order(self._new_rows(X))

    def _in_order(self, rows: pd.DataFrame) -> NDArray[np.float32]:
        found = self.model_.predict_proba(rows)
        ordered = np.empty_like(found)
        ordered[:, self._order] = found
        return ordered


def _check_kinds(labels: NDArray[Any]) -> None:
    """Refuses labels that have no order or fit no file, before scikit-learn meets them.

    Raises:
        TableError: With a label of each type, or the first that is neither text, number nor truth
            value.
    """
    try:
        classes = np.unique(labels)
    except TypeError as error:
        examples = {type(label).__name__: label for label in reversed(labels.tolist())}
        found = ", ".join(f"{label!r} ({kind})" for kind, label in sorted(examples.items()))
        raise TableError(
            "class labels are of one kind, all text, all numbers or all truth values, and y holds "
            f"{found}: write them alike, y.astype(str) for text"
        ) from error
    for value in classes:
        # NumPy counts spans of time among whole numbers.
        if classes.dtype.kind in "mM" or not isinstance(value, _LABELS):
            raise TableError(
                "class labels are text, numbers or truth values, and y holds "
                f"{str(value)!r} ({type(value).__name__}): write them as text, y.astype(str)"
            )


def _classes(labels: NDArray[Any]) -> NDArray[Any]:
    """The distinct labels, sorted.

    Raises:
        TableError: If there is one alone, or two that a table cannot tell apart.
    """
    classes = np.unique(labels)
    if len(classes) < 2:
        raise TableError(
            f"y holds one class, {str(classes[0])!r}: a classifier needs two or more classes"
        )
    text = [canonical_label(value) for value in classes.tolist()]
    if len(set(text)) < len(text) or set(text) & set(USUAL_MISSING):
        raise TableError(
            f"the classes {classes.tolist()[:10]} are not told apart in a table, where spaces "
            "around them do not count and a name such as 'NA' means missing: rename them"
        )
    return classes
