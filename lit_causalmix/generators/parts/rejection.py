"""Rows of a class or subgroup out of whatever a generator draws."""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Mapping
from functools import partial

import numpy as np
from numpy.typing import NDArray

from lit_causalmix.errors import ConfigurationError, GeneratorError
from lit_causalmix.generators.base import Generator
from lit_causalmix.generators.parts.conditions import MAX_DRAWS, collect
from lit_causalmix.generators.parts.conditions import conditions as parse_conditions
from lit_causalmix.tables.schema import Schema
from lit_causalmix.tables.spec import column_name


class DrawsByRejection(Generator):
    """A generator that draws until enough rows are of the kind that is wanted."""

    @abstractmethod
    def known_schema(self) -> Schema:
        """The schema of the training table.

        Raises:
            GeneratorError: If nothing is fitted.
        """

    def sample_where(
        self,
        n: int,
        rng: np.random.Generator,
        conditions: Mapping[str, str | tuple[float, float]],
        *,
        max_draws: int = MAX_DRAWS,
    ) -> NDArray[np.float64]:
        """Draws coded rows, float64 (n, C + 1), of a class or subgroup, by rejection.

        Args:
            n: Number of rows.
            rng: Source of all randomness.
            conditions: By column, (lowest, highest) or a label; a missing cell meets none.
            max_draws: Rows drawn at most.

        Raises:
            ConfigurationError: If a column or label is unknown, or a condition is no range.
            GeneratorError: If the draws do not hold n such rows, or nothing is fitted.
        """
        draw, chooser = (
            partial(self.sample, rng=rng),
            parse_conditions(conditions, self.known_schema()),
        )
        found, drawn = collect(
            draw, lambda rows: np.where(chooser(rows), 0, -1).astype(np.intp), [n], max_draws
        )
        if len(found[0]) < n:
            raise GeneratorError(
                f"{len(found[0])} of {n} rows with {dict(conditions)} found in {drawn} draws: "
                "widen the conditions, ask for fewer rows or raise max_draws"
            )
        return found[0]

    def sample_balanced(
        self,
        n: int,
        rng: np.random.Generator,
        *,
        column: str | None = None,
        max_draws: int = MAX_DRAWS,
    ) -> NDArray[np.float64]:
        """Draws coded rows, float64 (n, C + 1), with equally many of each class, by rejection.

        Where n is no multiple of the classes, random ones have one row more.

        Args:
            n: Number of rows.
            rng: Source of all randomness.
            column: Whose categories are balanced, a subgroup's column for one; None takes the
                target. A row without the cell belongs to none.
            max_draws: Rows drawn at most.

        Raises:
            ConfigurationError: If there is no such column, or it has no categories.
            GeneratorError: If the draws do not hold enough rows of a class, or nothing is fitted.
        """
        schema = self.known_schema()
        names = [c.name for c in schema.columns]
        name = schema.target.name if column is None else column_name(column, "column")
        if name not in names:
            raise ConfigurationError(f"no column {name!r} to balance: there are {', '.join(names)}")
        place = names.index(name)
        classes = schema.columns[place].categories
        if not classes:
            raise ConfigurationError(
                "sample_balanced needs a column with categories: use sample_where for a range of "
                f"{name!r}"
            )
        extra = rng.permutation(len(classes)) < n % len(classes)
        quotas = (n // len(classes) + extra).tolist()
        draw = partial(self.sample, rng=rng)
        found, drawn = collect(
            draw,
            lambda rows: np.nan_to_num(rows[:, place], nan=-1).astype(np.intp),
            quotas,
            max_draws,
        )
        for label, rows, quota in zip(classes, found, quotas, strict=True):
            if len(rows) < quota:
                raise GeneratorError(
                    f"{len(rows)} of {quota} rows of class {label!r} found in {drawn} draws: ask "
                    "for fewer rows or raise max_draws"
                )
        return rng.permutation(np.concatenate(found))
