"""What predictions rest on: permutation importance and Shapley values, on the German credit table.

Permutation importance (scikit-learn) says how much worse a model scores when a column is shuffled:
one number for each column. Shapley values (`pip install 'lit-causalmix[explain]'`) say how much
each cell of a row moved its prediction away from the average one.

Run it with `python examples/explain.py`.
"""

from __future__ import annotations

import numpy as np
import pandas as pd
from numpy.typing import NDArray
from sklearn.inspection import permutation_importance
from sklearn.model_selection import train_test_split

from lit_causalmix.estimators import CausalMixClassifier
from lit_causalmix.tables import BUILTIN_TABLES


class Codes:
    """Rows as numbers and back: SHAP mixes cells in arrays of numbers, whatever the cells are.

    Attributes:
        numbers: float64 (n, C), the number of each cell among those of its column; a gap is -1.
    """

    def __init__(self, frame: pd.DataFrame) -> None:
        pairs = {str(name): pd.factorize(frame[name]) for name in frame}
        self.numbers = np.stack([codes for codes, _ in pairs.values()], axis=1).astype(np.float64)
        self._cells = {
            name: np.append(np.asarray(cells, dtype=object), None)  # -1 finds the last one
            for name, (_, cells) in pairs.items()
        }

    def rows(self, numbers: NDArray[np.float64]) -> pd.DataFrame:
        """The rows whose cells have these numbers, (n, C)."""
        columns = zip(self._cells.items(), numbers.astype(np.int64).T, strict=True)
        return pd.DataFrame({name: cells[column] for (name, cells), column in columns})


def importance(
    model: CausalMixClassifier, X: pd.DataFrame, y: pd.Series[str], repeats: int = 3
) -> pd.Series[float]:
    """The loss of ROC-AUC when a column is shuffled, by column; on rows that were not fitted to."""
    found = permutation_importance(
        model, X, y, scoring="roc_auc", n_repeats=repeats, random_state=0
    )
    return pd.Series(found.importances_mean, index=X.columns)


def shapley_values(
    model: CausalMixClassifier, rows: pd.DataFrame, background: pd.DataFrame
) -> tuple[pd.DataFrame, pd.Series[float]]:
    """How much each cell of some rows adds to the probability of the second class.

    Args:
        model: The fitted model.
        rows: Rows to explain.
        background: Some rows that stand for all: what a cell is left out for.

    Returns:
        A value for each cell, and for each row what they start from: the mean probability over the
        background. Together they make the row's probability.
    """
    import shap

    codes = Codes(pd.concat([rows, background], ignore_index=True))

    def probability(numbers: NDArray[np.float64]) -> NDArray[np.float32]:
        return model.predict_proba(codes.rows(numbers))[:, 1]

    masker = shap.maskers.Independent(codes.numbers[len(rows) :], max_samples=len(background))
    explainer = shap.PermutationExplainer(probability, masker, seed=0)
    # Forwards and backwards through the columns once: the values add up after every such turn.
    found = explainer(codes.numbers[: len(rows)], max_evals=2 * rows.shape[1] + 1, silent=True)
    values = pd.DataFrame(found.values, columns=rows.columns, index=rows.index)
    return values, pd.Series(found.base_values, index=rows.index)


def main(method: str = "causalmixft", max_steps: int | None = None, n_rows: int = 3) -> None:
    """Fits to 200 rows and explains the model, and some of its predictions on other rows."""
    table = BUILTIN_TABLES["german_credit"]
    frame = table.read()
    X, y = frame.drop(columns=str(table.target)), frame[str(table.target)]
    X_train, X_test, y_train, y_test = train_test_split(
        X, y, train_size=200, test_size=100, stratify=y, random_state=0
    )
    model = CausalMixClassifier(method, max_steps=max_steps, random_state=0).fit(X_train, y_train)

    ranked = importance(model, X_test, y_test).sort_values(ascending=False)
    print("loss of ROC-AUC when a column is shuffled:")
    print(ranked.head(5).to_string(float_format="{:+.3f}".format))

    rows = X_test.head(n_rows)
    values, start = shapley_values(model, rows, X_train.head(20))
    for number in rows.index:
        strongest = values.loc[number].sort_values(key=abs, ascending=False).head(3)
        probability = start[number] + values.loc[number].sum()
        print(
            f"\nrow {number}: {model.classes_[1]!r} {probability:.2f}, from {start[number]:.2f} by"
        )
        for column, value in strongest.items():
            print(f"  {value:+.3f}  {column} = {rows.loc[number, column]}")


if __name__ == "__main__":
    main()
