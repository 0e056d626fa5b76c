"""The learner behind the two-sample test and the utility of rows."""

from __future__ import annotations

from typing import Any

import numpy as np

from lit_causalmix.tables.schema import Column

_MOST_CATEGORIES = 255  # of scikit-learn's histogram boosting


def boosting(columns: tuple[Column, ...], n_rows: int, *, classify: bool, seed: int) -> Any:
    """A scikit-learn histogram boosting model that takes coded rows as they are.

    Missing cells and categories are handled by the trees. Columns with more than 255 categories
    are split by their codes. Leaves hold a twentieth of the rows, 2 to 20, since the default of 20
    could not split a table of 30 rows at all [our choice].

    Args:
        columns: Input columns, in order.
        n_rows: Rows that it will be fitted on.
        classify: Classifier or regressor.
        seed: Its only randomness.
    """
    from sklearn.ensemble import HistGradientBoostingClassifier, HistGradientBoostingRegressor

    model = HistGradientBoostingClassifier if classify else HistGradientBoostingRegressor
    return model(
        max_iter=60,
        max_leaf_nodes=15,
        min_samples_leaf=int(np.clip(n_rows // 20, 2, 20)),
        early_stopping=False,
        categorical_features=[
            not c.is_numerical and len(c.categories) <= _MOST_CATEGORIES for c in columns
        ],
        random_state=seed,
    )
