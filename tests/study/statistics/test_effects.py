from typing import Any

import numpy as np
import pytest
from scipy import stats

from lit_causalmix.errors import ConfigurationError
from lit_causalmix.study.statistics import detectable_effect, paired_effects, summarise
from lit_causalmix.study.statistics.effects import signed_rank_p

SCORE = "test/real/roc_auc_normalized"


def test_pairs_remove_what_tables_and_seeds_share(study: Any) -> None:
    records = study({"scm": 0.2, "default": 0.0}, spread=5.0)
    summary = summarise(paired_effects(records, SCORE, "scm", "default"))
    assert summary.mean.value == pytest.approx(0.2, abs=0.05)
    assert summary.mean.low > 0.1
    assert summary.median.low < summary.median.value < summary.median.high
    assert summary.p < 0.001
    assert (summary.wins, summary.ties, summary.losses) == (16, 0, 0)
    means = summary.tables["mean"].to_numpy()
    expected = stats.ttest_1samp(means, 0).confidence_interval(0.95)
    assert (summary.mean.low, summary.mean.high) == pytest.approx(tuple(expected))
    assert summary.equivalence_p > 0.99, "0.2 is beyond 0.1"
    assert summary.detectable == pytest.approx(detectable_effect(means))
    assert summary.label == "scm minus default"
    first = summary.tables.iloc[0]
    runs = records[records["table"] == first["table"]].pivot(
        index="seed", columns="method", values=SCORE
    )
    differences = runs["scm"] - runs["default"]
    expected = stats.ttest_1samp(differences, 0).confidence_interval(0.95)
    assert first["mean"] == pytest.approx(differences.mean())
    assert (first["low"], first["high"]) == pytest.approx(tuple(expected))


def test_runs_without_a_partner_are_left_out_by_name(study: Any) -> None:
    records = study({"scm": 0.2, "default": 0.0}).drop(index=[1, 3])
    effects = paired_effects(records, SCORE, "scm", "default")
    assert len(effects.frame) == 46
    assert effects.notes == ("2 of 48 pairs lack a run and are left out: finance_0",)


def test_pairs_agree_in_more_than_the_seed_where_asked(study: Any) -> None:
    records = study({"scm": 0.2, "default": 0.0})
    records.loc[records["method"] == "scm", "backbone"] = "Tab2D"
    assert len(paired_effects(records, SCORE, "scm", "default").frame) == 48
    with pytest.raises(ConfigurationError, match="the same table, seed, backbone"):
        paired_effects(records, SCORE, "scm", "default", match=["seed", "backbone"])


def test_ties_count_and_few_tables_are_said(study: Any) -> None:
    records = study({"scm": 0.0, "default": 0.0}, domains={"finance": 4}, noise=0.0)
    summary = summarise(paired_effects(records, SCORE, "scm", "default"))
    assert (summary.wins, summary.ties, summary.losses) == (0, 4, 0)
    assert summary.p == 1
    assert "with 4 tables the signed-rank test cannot reach p < 0.05" in summary.notes[0]


def test_an_unknown_method_is_refused(study: Any) -> None:
    with pytest.raises(ConfigurationError, match="no run has the method 'ctgan': there are 'scm'"):
        paired_effects(study({"scm": 0.0}), SCORE, "ctgan", "scm")


def test_signed_ranks_are_scipys_and_zeros_say_nothing_of_the_direction() -> None:
    d = np.array([0.3, -0.1, 0.5, 0.2, 0.7, 0.4, 0.9])
    assert signed_rank_p(d) == pytest.approx(stats.wilcoxon(d).pvalue)
    assert signed_rank_p(np.r_[d, np.zeros(7)]) == pytest.approx(signed_rank_p(d), abs=0.02)
    assert signed_rank_p(np.zeros(5)) == 1
    smallest = min(signed_rank_p(np.arange(1.0, n + 1)) for n in range(1, 6))
    assert smallest > 0.05 > signed_rank_p(np.arange(1.0, 7))


@pytest.mark.parametrize("seed", range(8))
def test_ties_and_zeros_are_scipys_test_over_all_signs(seed: int) -> None:
    generator = np.random.default_rng(seed)
    d = generator.integers(-3, 4, size=2 + seed) * 0.1
    d[0] = 0.3
    assert signed_rank_p(d) == pytest.approx(stats.wilcoxon(d, zero_method="zsplit").pvalue)


@pytest.mark.parametrize("zeros", [0, 9, 52, 200])
def test_among_any_number_of_zeros_ten_gains_have_the_chance_of_ten_heads(zeros: int) -> None:
    assert signed_rank_p(np.r_[np.full(10, 0.2), np.zeros(zeros)]) == pytest.approx(2 / 2**10)


def test_of_many_tied_differences_as_often_small_as_it_says() -> None:
    generator = np.random.default_rng(0)
    signs = generator.choice([-1.0, 1.0], size=(800, 34))
    sizes = np.r_[np.zeros(26), np.arange(1.0, 9.0)]
    found = np.array([signed_rank_p(row * sizes) for row in signs])
    assert 0.03 < (found < 0.05).mean() < 0.06  # 12 of the 256 outcomes, 4.7 %
