"""What classifier and regressor have in common."""

from __future__ import annotations

import copy
import os
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import Any

import numpy as np
import pandas as pd
from sklearn.base import BaseEstimator
from sklearn.utils import check_random_state
from sklearn.utils.validation import check_is_fitted, validate_data

from lit_causalmix.errors import ConfigurationError
from lit_causalmix.estimators.arguments import check_arguments
from lit_causalmix.estimators.configuration import fit_settings
from lit_causalmix.estimators.fitting import SOURCE, Fitted, fit_frame, run_folder
from lit_causalmix.estimators.frames import as_pandas
from lit_causalmix.estimators.rows import as_frame, training_frame
from lit_causalmix.model import Predictor
from lit_causalmix.scalars import plain
from lit_causalmix.tables.schema import TaskType

_SEEDS = 2**31 - 1


class CausalMixEstimator(BaseEstimator):  # type: ignore[misc]  # scikit-learn has no types
    """Fits datamodule, task and trainer to X and y; see the subclasses.

    Attributes:
        model_: What predicts, and what `save` writes.
        cut_: What `time_limit` cut, one sentence each.
        candidates_: What the method "auto" compared, a mapping each; empty for other methods.
        n_features_in_: Number of columns of X.
        feature_names_in_: Their names, where X had any.
    """

    model_: Predictor

    def __init__(
        self,
        method: str | Sequence[str] | None = None,
        *,
        backbone: str | Mapping[str, Any] | None = None,
        synthetic_ratio: float | None = None,
        max_steps: int | None = None,
        time_limit: float | None = None,
        folds: int = 1,
        device: str = "auto",
        random_state: int | np.random.RandomState | None = 0,
        verbose: int = 0,
        run_folder: str | os.PathLike[str] | None = None,
        settings: Mapping[str, Any] | None = None,
    ) -> None:
        self.method = method
        self.backbone = backbone
        self.synthetic_ratio = synthetic_ratio
        self.max_steps = max_steps
        self.time_limit = time_limit
        self.folds = folds
        self.device = device
        self.random_state = random_state
        self.verbose = verbose
        self.run_folder = run_folder
        self.settings = settings

    def __sklearn_tags__(self) -> Any:
        tags = super().__sklearn_tags__()
        tags.input_tags.allow_nan = True
        tags.input_tags.string = True
        tags.target_tags.required = True
        return tags

    def __sklearn_is_fitted__(self) -> bool:
        return hasattr(self, "model_")

    def __getstate__(self) -> dict[str, Any]:
        state: dict[str, Any] = super().__getstate__()
        if "model_" in state:  # read again where there may be no such device
            state["model_"] = copy.deepcopy(state["model_"]).to("cpu")
        return state

    def save(self, folder: str | os.PathLike[str]) -> None:
        """Writes the model as a folder, which `lit_causalmix.load_model` reads.

        The folder holds rows of X and y: an in-context learner reads them whenever it predicts.

        Raises:
            NotFittedError: Before `fit`.
            ModelError: If the folder holds other files.
            FileError: If it cannot be written.
        """
        check_is_fitted(self)
        self.model_.save(folder)

    @contextmanager
    def _fitting(self) -> Iterator[None]:
        """Checks the arguments, and undoes what a fit has set that fails: a former one holds on.

        Raises:
            ConfigurationError: If an argument is not of its type.
        """
        check_arguments(self.get_params(deep=False))
        former = dict(vars(self))
        try:
            yield
        except BaseException:  # Ctrl-C, too
            self.__dict__ = former
            raise

    def _fit(
        self,
        X: pd.DataFrame,
        y: pd.Series[Any],
        task: TaskType,
        groups: Sequence[Any] | None,
        class_weight: str | Mapping[str, float] | None = None,
    ) -> Fitted:
        """Fits to what is checked, and sets the attributes that every fit leaves."""
        frame, table = training_frame(X, y, groups)
        with run_folder(self.run_folder) as folder:
            config = fit_settings(
                method=self._method(task),
                backbone=plain(self.backbone),
                synthetic_ratio=plain(self.synthetic_ratio),
                max_steps=plain(self.max_steps),
                time_limit=plain(self.time_limit),
                folds=plain(self.folds),
                device=self.device,
                seed=self._seed(),
                verbose=plain(self.verbose),
                folder=folder,
                keeps_run=self.run_folder is not None,
                table={"source": SOURCE, "task": str(task), **table},
                settings=plain(self.settings),
                class_weight=class_weight,
            )
            fitted = fit_frame(frame, config, verbose=self.verbose)
        self.model_, self.cut_, self.candidates_ = fitted.model, fitted.cut, fitted.candidates
        return fitted

    def _method(self, task: TaskType) -> str | Sequence[str]:
        """The recipe that is asked for, or what measured best (docs/results.md).

        In regression causal rows lose to real ones alone; a share that is named asks for them.
        """
        if self.method is not None:
            return self.method
        mixes = task is not TaskType.REGRESSION or self.synthetic_ratio is not None
        return "causalmixft" if mixes else "default"

    def _keep(self, fitted: Fitted) -> None:
        """Writes the model beside its run, where that is kept, when all of it is known."""
        if self.run_folder is not None:
            fitted.model.save(fitted.folder / "model")

    def _seed(self) -> int:
        """The seed: an integer as it is, anything else is drawn from."""
        if isinstance(self.random_state, int | np.integer):
            if self.random_state < 0:
                raise ConfigurationError(f"random_state is >= 0, got {self.random_state}")
            return int(self.random_state)
        return int(check_random_state(self.random_state).randint(_SEEDS))

    def _checked(self, X: Any, y: Any = "no_validation") -> pd.DataFrame:
        """X as a frame, after scikit-learn's own checks of its columns; with y, those of `fit`."""
        fits = not (isinstance(y, str) and y == "no_validation")
        X = as_pandas(X)
        frame = as_frame(X, least=2 if fits else 1)
        named = X if isinstance(X, pd.DataFrame) else frame.to_numpy()
        validate_data(self, named, y, reset=fits, skip_check_array=True)
        if fits:
            self._names = tuple(frame.columns)
            return frame
        return frame.set_axis(list(self._names), axis=1)  # the check went by names and order

    def _new_rows(self, X: Any) -> pd.DataFrame:
        """New rows in the columns of `fit`."""
        check_is_fitted(self)
        return self._checked(X)
