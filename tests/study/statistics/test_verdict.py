"""A verdict must be the one that the simulated truth deserves, and seldom one without a truth."""

import math
from collections.abc import Mapping

import numpy as np
import pandas as pd
import pytest

from lit_causalmix.errors import ConfigurationError
from lit_causalmix.study.statistics import Effects, verdict


def effects(
    truth: Mapping[str, float], *, tables: int = 6, spread: float = 0.3, seed: int = 0
) -> Effects:
    generator = np.random.default_rng(seed)
    rows = [
        (f"{domain}_{k}", domain, run, mean + shift + generator.normal(0, 0.3))
        for domain, mean in truth.items()
        for k, shift in enumerate(generator.normal(0, spread, tables))
        for run in range(3)
    ]
    return Effects(pd.DataFrame(rows, columns=["table", "domain", "seed", "effect"]), "x")


@pytest.mark.parametrize(
    ("truth", "word"),
    [
        ({"finance": 1.0, "medicine": 1.0, "physics": 1.0}, "consistent"),
        ({"finance": 3.0, "medicine": 1.5, "physics": 1.5}, "consistent"),  # all gain, unequally
        ({"finance": -1.0, "medicine": -1.0, "physics": -1.0}, "harmful"),
        ({"finance": 1.5, "medicine": -1.5, "physics": 0.0}, "domain-dependent"),
        ({"finance": 2.0, "medicine": 0.0, "physics": 0.0}, "domain-dependent"),
        ({"finance": 0.0, "medicine": 0.0, "physics": 0.0}, "no effect"),
    ],
)
@pytest.mark.parametrize("seed", [1, 2, 3])
def test_each_verdict_on_data_that_deserve_it(
    truth: dict[str, float], word: str, seed: int
) -> None:
    result = verdict(effects(truth, seed=seed), level=0.99)
    assert result.word == word, result.reason
    assert f"{result.overall.value:+.3g}" in result.reason


def test_false_positives_are_as_rare_as_the_level_says() -> None:
    null = {f"d{i}": 0.0 for i in range(4)}
    words = [verdict(effects(null, seed=i), n_permutations=300).word for i in range(300)]
    assert 0.01 < np.mean([word not in ("no effect", "equivalent") for word in words]) < 0.1


def test_small_effects_do_not_count_below_the_margin() -> None:
    small = effects({"finance": 0.3, "medicine": 0.3}, spread=0.05)
    assert verdict(small).word == "consistent"
    assert verdict(small, margin=0.6).word == "no effect"


def test_nothing_is_a_statement_where_the_tables_rule_an_effect_out() -> None:
    none = {f"d{i}": 0.0 for i in range(4)}
    narrow, wide = effects(none, spread=0.05, tables=20), effects(none, spread=1.0)
    found = verdict(narrow)
    assert (found.word, found.bound) == ("equivalent", 0.1)
    assert found.equivalence_p < 0.05
    assert "an effect beyond ±0.1 is ruled out" in found.reason
    assert verdict(wide).word == "no effect"
    assert verdict(wide, bound=2.0).word == "equivalent"
    assert verdict(wide).detectable > 5 * found.detectable


def test_the_numbers_are_there() -> None:
    result = verdict(effects({"finance": 2.0, "medicine": -2.0}))
    assert result.domains["domain"].tolist() == ["finance", "medicine"]
    assert result.domains["shows"].tolist() == ["gain", "harm"]
    assert result.heterogeneity_p < 0.01
    assert "gain in finance; harm in medicine" in result.reason
    # Bonferroni: wider than Student's interval at the level itself.
    own = effects({"finance": 2.0, "medicine": -2.0}).frame.query("domain == 'finance'")
    means = own.groupby("table")["effect"].mean()
    half = 3.163 * means.std() / math.sqrt(6)  # t quantile at 0.9875 with 5 degrees of freedom
    assert result.domains.loc[0, "high"] == pytest.approx(means.mean() + half, rel=1e-3)


def test_one_domain_and_single_tables() -> None:
    alone = verdict(effects({"finance": 1.0}))
    assert alone.word == "consistent"
    assert math.isnan(alone.heterogeneity_p)
    single = verdict(effects({f"d{i}": 1.0 for i in range(8)}, tables=1))
    assert single.word == "consistent"
    assert set(single.domains["shows"]) == {"open"}
    assert "one table tells nothing of its domain: d0" in single.notes[0]
    with pytest.raises(ConfigurationError, match="two or more tables, got 1"):
        verdict(effects({"finance": 1.0}, tables=1))


@pytest.mark.parametrize("wrong", [{"margin": -1.0}, {"level": 95.0}])
def test_settings_that_make_no_sense_are_refused(wrong: dict[str, float]) -> None:
    with pytest.raises(ConfigurationError, match="a margin >= 0 and a level in"):
        verdict(
            effects({"finance": 1.0}),
            margin=wrong.get("margin", 0.0),
            level=wrong.get("level", 0.95),
        )


def test_same_seed_same_numbers() -> None:
    data = effects({"finance": 0.2, "medicine": 0.0})
    assert verdict(data).heterogeneity_p == verdict(data).heterogeneity_p
