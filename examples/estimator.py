"""Fit, judge, save, load, predict: scikit-learn's way, on the German credit table.

Run it with `python examples/estimator.py`.
"""

from __future__ import annotations

import tempfile
from pathlib import Path

from sklearn.metrics import roc_auc_score
from sklearn.model_selection import train_test_split

import lit_causalmix
from lit_causalmix.estimators import CausalMixClassifier
from lit_causalmix.tables import BUILTIN_TABLES


def main(method: str = "causalmixft", max_steps: int | None = None, rows: int = 400) -> float:
    """Fits to some rows, and returns the ROC-AUC of the loaded model on all others."""
    table = BUILTIN_TABLES["german_credit"]
    frame = table.read()
    X, y = frame.drop(columns=table.target), frame[table.target]
    X_train, X_test, y_train, y_test = train_test_split(
        X, y, train_size=rows, stratify=y, random_state=0
    )

    model = CausalMixClassifier(method, max_steps=max_steps, random_state=0)
    model.fit(X_train, y_train)
    print(f"{model.model_.record['method']}; selected: {model.model_.record['selected']}")

    with tempfile.TemporaryDirectory() as folder:
        model.save(Path(folder) / "credit-model")
        kept = lit_causalmix.load_model(Path(folder) / "credit-model")
    probabilities = kept.predict_proba(X_test)
    assert (probabilities == model.predict_proba(X_test)).all()  # the same bits

    roc_auc = float(roc_auc_score(y_test == kept.labels[1], probabilities[:, 1]))
    print(f"test ROC-AUC {roc_auc:.3f} on {len(y_test)} rows")
    return roc_auc


if __name__ == "__main__":
    main()
