"""The kept model: one or several members, and what it takes to read new rows for them."""

from __future__ import annotations

import json
import os
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

import numpy as np
import pandas as pd
import torch
from numpy.typing import NDArray

import lit_causalmix
from lit_causalmix.errors import ConfigurationError, LimitError, ModelError
from lit_causalmix.files.atomic import json_text, write_text
from lit_causalmix.model.calibration import tempered
from lit_causalmix.model.card import model_card
from lit_causalmix.model.decision import check_threshold, decided
from lit_causalmix.model.folder import CARD_FILE, FolderWriter, read_content
from lit_causalmix.model.frames import checked_levels, label_array, prediction_frame
from lit_causalmix.model.member import Floats, Member, features_of
from lit_causalmix.model.place import holding_model, place
from lit_causalmix.model.rows import Coded, Source, coded_rows
from lit_causalmix.model.storage import read_member, write_member
from lit_causalmix.tables.schema import Column, Schema, TaskType
from lit_causalmix.tables.spec import TableSpec

_READING = (
    *("drop", "missing_values", "max_bytes"),
    *("group_column", "split_column", "time_column"),
)
"""What of a `TableSpec` bears on the reading of new rows."""


class Predictor:
    """Predicts from new rows: a path or a DataFrame with the columns of the training table.

    Columns are matched by name: one that is missing is refused, others are ignored with a warning.
    Categories that training did not show count as missing, with a warning; gaps are read as in
    training. Several members have their predictions averaged. It needs neither a trainer nor the
    libraries that rows are generated with.

    Args:
        members: Of one task and one target; the first one's labels are the model's.
        spec: How the training table was read.
        record: JSON values on how the model came about: scores, versions, settings, for its card.
        temperature: The logarithms of probabilities are divided by it; 1 leaves them as they are.
        threshold: Of two classes the second is predicted above this probability; None predicts the
            more probable one. Probabilities stay as they are.
        labels: What `predict` returns in place of the text of `classes`, in their order: JSON
            values, of a fit in Python to numbers or truth values.

    Raises:
        ConfigurationError: If there is no member, the temperature is not positive, or the threshold
            lies outside (0, 1) or between other than two classes.

    Example:
        >>> from lit_causalmix.backbones import Nano
        >>> from lit_causalmix.tables import Encoder, SplitSpec, load_splits
        >>> rows = pd.DataFrame({"x": range(40), "sold": ["no", "yes"] * 20})
        >>> spec = TableSpec(rows, target="sold")
        >>> train = load_splits(spec, SplitSpec(val_fraction=0, test_fraction=0)).train
        >>> model = Predictor([Member(Nano(), Encoder.fit(train), train, 1024)], spec, {})
        >>> model.classes, model.predict_proba(rows.head(3)).shape
        (('no', 'yes'), (3, 2))
    """

    def __init__(
        self,
        members: Iterable[Member],
        spec: TableSpec,
        record: Mapping[str, Any],
        *,
        temperature: float = 1.0,
        threshold: float | None = None,
        labels: Sequence[Any] | None = None,
    ) -> None:
        self.members = tuple(members)
        if not self.members:
            raise ConfigurationError("a model has at least one member, got none")
        if not 0 < temperature < np.inf:
            raise ConfigurationError(f"a temperature lies above 0, got {temperature}")
        self.spec = TableSpec("", **{name: getattr(spec, name) for name in _READING})
        self.record = json.loads(json_text(record))
        self.temperature = float(temperature)
        self.threshold = check_threshold(threshold, len(self.classes))
        self.labels = self.classes if labels is None else tuple(labels)

    # -- facts ----------------------------------------------------------------------------------

    @property
    def schema(self) -> Schema:
        """The columns as the first member knows them."""
        return self.members[0].schema

    @property
    def task(self) -> TaskType:
        """What is predicted."""
        return self.schema.task

    @property
    def classes(self) -> tuple[str, ...]:
        """The K class labels in the order of the probabilities; empty for regression."""
        return self.schema.target.categories if self.task.is_classification else ()

    @property
    def features(self) -> tuple[Column, ...]:
        """The columns that new rows must have."""
        return features_of(self.members)

    @property
    def feature_names(self) -> tuple[str, ...]:
        """Their names."""
        return tuple(column.name for column in self.features)

    # -- predictions ----------------------------------------------------------------------------

    def predict(self, rows: Source) -> NDArray[Any]:
        """Predicts the rows of a table, in their order.

        Returns:
            Labels (n,), objects where they are text; or numbers in the target's units, float64
            (n,).

        Raises:
            TableError: If a column is missing, or a cell does not fit its column.
        """
        found = self._predictions(self.coded(rows))
        return self._labels(found) if self.classes else found

    def predict_proba(self, rows: Source) -> NDArray[np.float32]:
        """Predicts the probabilities of the classes, float32 (n, K), in the order of `classes`.

        Raises:
            LimitError: For regression.
            TableError: As `predict`.
        """
        if not self.classes:
            raise LimitError("a regression has no probabilities of classes: ask for quantiles")
        return np.asarray(self._predictions(self.coded(rows)), dtype=np.float32)

    def predict_quantiles(self, rows: Source, levels: Iterable[float]) -> NDArray[np.float64]:
        """Predicts quantiles of the distribution of a number, float64 (n, L).

        Those of several members are averaged, level by level.

        Args:
            rows: As for `predict`.
            levels: L probabilities in (0, 1), in a list or an array.

        Raises:
            LimitError: For classification, or a backbone that predicts no distribution.
            ConfigurationError: For what is no level in (0, 1).
            TableError: As `predict`.
        """
        numbers = checked_levels(levels)
        return self._quantiles(self.coded(rows), numbers)

    def frame(
        self, rows: Source, *, quantiles: Iterable[float] = (), escape_formulas: bool = False
    ) -> pd.DataFrame:
        """The predictions as the command line writes them (`frames.prediction_frame`)."""
        coded = self.coded(rows)
        return self.coded_frame(coded, quantiles=quantiles, escape_formulas=escape_formulas)

    def coded(self, rows: Source) -> Coded:
        """Reads and checks rows once, for `coded_frame`; raises as `predict` does."""
        return coded_rows(self.members, rows, self.spec)

    def coded_frame(
        self, coded: Coded, *, quantiles: Iterable[float] = (), escape_formulas: bool = False
    ) -> pd.DataFrame:
        """`frame` for rows that are coded, such as those of several tables in one."""
        levels = checked_levels(quantiles, least=0)
        more = self._quantiles(coded, levels) if levels else None
        return prediction_frame(
            self._predictions(coded),
            self.classes,
            quantiles=more,
            levels=levels,
            escape_formulas=escape_formulas,
            threshold=self.threshold,
        )

    def _labels(self, probabilities: Floats) -> NDArray[np.object_]:
        return np.asarray(label_array(self.labels)[decided(probabilities, self.threshold)])

    def _quantiles(self, values: Coded, levels: Sequence[float]) -> NDArray[np.float64]:
        if self.classes:
            raise LimitError("a classification has no quantiles: ask for probabilities")
        found = [m.quantiles(v, levels) for m, v in zip(self.members, values, strict=True)]
        return np.asarray(np.mean(found, axis=0), dtype=np.float64)

    def _predictions(self, values: Coded) -> Floats:
        found = [m.predict_for(self.classes, v) for m, v in zip(self.members, values, strict=True)]
        mean = found[0]
        if len(found) > 1:
            doubles = np.asarray(np.mean(found, axis=0, dtype=np.float64))
            mean = doubles.astype(np.float32) if self.classes else doubles
        untouched = self.temperature == 1 or not self.classes
        return mean if untouched else tempered(mean, self.temperature)

    # -- place ----------------------------------------------------------------------------------

    def keep_contexts(self) -> Predictor:
        """Lets every later prediction use what the backbones once made of their contexts.

        For many calls with a few rows each, as in a server. Predictions may differ from those
        without it in the last digits (1e-6).

        Returns:
            The model itself.
        """
        for member in self.members:
            member.keeps_context = True
        return self

    def to(self, device: str | torch.device) -> Predictor:
        """Moves the members to a device, and returns the model.

        Raises:
            ConfigurationError: If there is no such device.
        """
        try:
            for member in self.members:
                member.to(device)
        except (RuntimeError, AssertionError) as error:  # torch built without it, or none there
            reason = str(error).strip().splitlines()[0]
            raise ConfigurationError(f"the device {device} cannot be used: {reason}") from error
        return self

    # -- files ----------------------------------------------------------------------------------

    def save(self, folder: str | os.PathLike[str]) -> None:
        """Writes the model as a folder; see `model.folder`.

        The folder holds the context rows, which are rows of the training table.

        Raises:
            ModelError: If the folder holds other files.
            ConfigurationError: If a backbone cannot be described in JSON.
            FileError: If it cannot be written.
        """
        writer = FolderWriter(place(folder))
        members = [write_member(member, writer) for member in self.members]
        content = {
            "version": lit_causalmix.__version__,
            "temperature": self.temperature,
            **({} if self.threshold is None else {"threshold": self.threshold}),
            "labels": list(self.labels),
            "reading": {name: getattr(self.spec, name) for name in _READING},
            "members": members,
            "record": self.record,
        }
        writer.finish(content)
        write_text(writer.folder / CARD_FILE, model_card(self))

    @classmethod
    def load(cls, folder: str | os.PathLike[str], *, own_code: bool = False) -> Predictor:
        """Reads what `save` wrote; nothing is unpickled.

        Args:
            folder: The model's folder.
            own_code: Whether the module of a backbone from outside this package may be imported.

        Raises:
            ModelError: If there is no model, it is damaged, or of a newer version.
        """
        path = holding_model(folder)
        content = read_content(path)
        try:
            members = [
                read_member(member, path, content["files"], own_code=own_code)
                for member in content["members"]
            ]
            spec = TableSpec("", **content["reading"])
            return cls(
                members,
                spec,
                content["record"],
                temperature=content["temperature"],
                threshold=content.get("threshold"),
                labels=content["labels"],
            )
        except (KeyError, TypeError, AttributeError, IndexError) as error:
            raise ModelError(
                f"{path} is no model that this version reads: {type(error).__name__}: {error}"
            ) from error
