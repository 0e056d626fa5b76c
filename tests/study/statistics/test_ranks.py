import math
from typing import Any

import numpy as np
import pandas as pd
import pytest
from scipy import stats

from lit_causalmix.errors import ConfigurationError
from lit_causalmix.study.statistics import rank_methods
from lit_causalmix.study.statistics.posthocs import holm

SCORE = "test/real/roc_auc_normalized"


def one_seed(matrix: list[list[float]], methods: str = "abcd") -> pd.DataFrame:
    rows = [
        (f"t{i}", "finance", 0, methods[j], value)
        for i, row in enumerate(matrix)
        for j, value in enumerate(row)
    ]
    return pd.DataFrame(rows, columns=["table", "domain", "seed", "method", SCORE])


def test_friedman_and_nemenyi_of_demsars_example() -> None:
    # Demšar (2006), table 6: C4.5, C4.5+m, C4.5+cf and C4.5+m+cf on 14 data sets.
    auc = [
        [0.763, 0.768, 0.771, 0.798],
        [0.599, 0.591, 0.590, 0.569],
        [0.954, 0.971, 0.968, 0.967],
        [0.628, 0.661, 0.654, 0.657],
        [0.882, 0.888, 0.886, 0.898],
        [0.936, 0.931, 0.916, 0.931],
        [0.661, 0.668, 0.609, 0.685],
        [0.583, 0.583, 0.563, 0.625],
        [0.775, 0.838, 0.866, 0.875],
        [1.000, 1.000, 1.000, 1.000],
        [0.940, 0.962, 0.965, 0.962],
        [0.619, 0.666, 0.614, 0.669],
        [0.972, 0.981, 0.9751, 0.975],
        [0.957, 0.978, 0.946, 0.970],
    ]
    ranking = rank_methods(one_seed(auc), SCORE, post_hoc="nemenyi")
    # As printed there: average ranks 3.143, 2.000, 2.893, 1.964; chi-square 9.28; CD 1.25.
    assert ranking.ranks.to_dict() == pytest.approx(
        {"d": 1.964, "b": 2.000, "c": 2.893, "a": 3.143}, abs=1e-3
    )
    assert list(ranking.ranks.index) == ["d", "b", "c", "a"]
    assert ranking.critical_difference == pytest.approx(1.25, abs=5e-3)
    # There without the correction for ties that scipy makes.
    assert ranking.friedman >= 9.28 - 0.01
    assert ranking.friedman == pytest.approx(stats.friedmanchisquare(*np.array(auc).T).statistic)
    differ = (ranking.pairwise_p < 0.05).to_numpy()
    ranks = ranking.ranks.to_numpy()
    apart = np.abs(ranks[:, None] - ranks) > ranking.critical_difference
    assert (differ == apart).all()


def test_wilcoxon_holm_known_answer(study: Any) -> None:
    records = study({"a": 0.0, "b": 0.0, "c": 1.0})
    ranking = rank_methods(records, SCORE)
    assert ranking.ranks.index[0] == "c"
    assert ranking.friedman_p < 1e-4
    means = records.groupby(["table", "method"])[SCORE].mean().unstack()
    raw = {
        pair: stats.wilcoxon(means[pair[0]], means[pair[1]]).pvalue for pair in ("ab", "ac", "bc")
    }
    assert ranking.pairwise_p.loc["a", "c"] == pytest.approx(3 * raw["ac"])
    assert ranking.pairwise_p.loc["a", "b"] == pytest.approx(raw["ab"])
    assert ranking.pairwise_p.loc["a", "b"] == ranking.pairwise_p.loc["b", "a"]
    assert math.isnan(ranking.critical_difference)


def test_holm_known_answer() -> None:
    assert holm([0.01, 0.04, 0.03, 0.005]) == pytest.approx([0.03, 0.06, 0.06, 0.02])


def test_less_is_better_where_the_sign_says_so() -> None:
    records = one_seed([[1, 2, 3], [1, 2, 3], [1, 3, 2]], "abc")
    assert rank_methods(records, SCORE).ranks.index[0] == "c"
    assert rank_methods(records, SCORE, sign=-1).ranks.index[0] == "a"


def test_ties_share_a_rank_and_all_ties_are_said() -> None:
    ranking = rank_methods(one_seed([[1, 1, 0], [1, 1, 0], [2, 1, 0]], "abc"), SCORE)
    assert ranking.table_ranks.iloc[0].tolist() == [1.5, 1.5, 3.0]
    equal = rank_methods(one_seed([[1, 1, 1]] * 7, "abc"), SCORE, post_hoc="nemenyi")
    assert equal.friedman_p == 1
    assert (equal.pairwise_p == 1).all(axis=None)
    assert equal.notes == ("all methods tie on every table",)


def test_incomplete_tables_are_dropped_and_said(study: Any) -> None:
    records = study({"a": 0.0, "b": 0.5, "c": 1.0})
    gone = (records["table"] == "finance_1") & (records["method"] == "b")
    ranking = rank_methods(records[~gone], SCORE)
    assert len(ranking.table_ranks) == 15
    assert "left out: finance_1" in ranking.notes[0]


def test_two_methods_are_compared_by_signed_ranks(study: Any) -> None:
    records = study({"a": 0.0, "b": 0.5})
    ranking = rank_methods(records, SCORE, post_hoc="nemenyi")
    assert ranking.post_hoc == "wilcoxon-holm"
    assert math.isnan(ranking.friedman_p)
    assert ranking.pairwise_p.loc["a", "b"] < 0.001
    assert "needs three methods" in ranking.notes[0]


@pytest.mark.parametrize(
    ("records", "got"),
    [(one_seed([[1, 2, 3]], "abc"), "3 and 1"), (one_seed([[1], [2]], "a"), "1 and 2")],
)
def test_too_little_to_rank_is_refused(records: pd.DataFrame, got: str) -> None:
    with pytest.raises(ConfigurationError, match=f"two or more tables .* got {got}"):
        rank_methods(records, SCORE)
