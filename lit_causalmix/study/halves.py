"""The two halves of a study's tables: one to choose settings on, one to judge them on."""

from __future__ import annotations

from collections.abc import Mapping

FIRST_HALF = frozenset(
    [
        "MIC",
        "airfoil_self_noise",
        "bank_customer_churn",
        "churn",
        "credit_g",
        "ecommerce_shipping",
        "fiat500_used",
        "heloc",
        "jm1",
        "maternal_health_risk",
        "miami_housing",
        "polish_bankruptcy",
        "seismic_bumps",
        "students_dropout",
        "website_phishing",
        "wine_quality",
    ]
)
"""The development half of the first 30 tables (`docs/results/recipes.md`)."""

TUNED_ON = FIRST_HALF | {"splice", "concrete", "wdbc", "diabetes_progression"}
"""Tables that something was chosen on: that half, the comparison before it (`comparison.yaml`), and
copies of scikit-learn's tables, which selected the embedded weights."""


def halves(kinds: Mapping[str, str]) -> dict[str, frozenset[str]]:
    """Parts tables into a development and a report half.

    In alphabetical order, and for each kind apart, the first, third, … table is for development,
    the others for the report: a rule that knows no score [our choice]. Tables that something was
    chosen on before are development tables wherever they stand.

    Args:
        kinds: The kind (classification or regression) of each table by its name.

    Example:
        >>> kinds = dict.fromkeys(["a", "b", "c", "splice"], "classification")
        >>> {half: sorted(names) for half, names in halves(kinds).items()}
        {'development': ['a', 'c', 'splice'], 'report': ['b']}
    """
    by_rule = {
        table
        for kind in set(kinds.values())
        for table in sorted(t for t in kinds if kinds[t] == kind)[::2]
    }
    development = by_rule | (TUNED_ON & kinds.keys())
    return {"development": frozenset(development), "report": frozenset(kinds.keys() - development)}
