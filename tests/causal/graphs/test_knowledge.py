import json
import logging
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from lit_causalmix.causal.graphs.constraints import Constraints, find_cycle
from lit_causalmix.causal.graphs.dags import sample_dags
from lit_causalmix.causal.graphs.knowledge import Knowledge
from lit_causalmix.errors import ConfigurationError, GeneratorError

COLUMNS = ["age", "sex", "income", "debt", "risk"]


def constraints(**content: Any) -> Constraints:
    return Knowledge(**content).constraints(COLUMNS, "risk")


@pytest.mark.parametrize(
    ("content", "message"),
    [
        ({"required": [["age", "incme"]]}, "no column 'incme': did you mean 'income'"),
        ({"exogenous": ["zzz"]}, "no column 'zzz': its columns are 'age', 'sex'"),
        ({"required": [["age"]]}, r"\[cause, effect\].*required lists \['age'\]"),
        ({"forbidden": [["age", "age"]]}, "two different columns"),
        ({"exogenous": "age"}, "exogenous is a list of columns, got 'age'"),
        ({"tiers": ["age", "sex"]}, "tiers is a list of lists of columns, got 'age'"),
        ({"required": ["ab"]}, "required is a list of lists of columns, got 'ab'"),
        ({"exogenous": [1.5]}, "exogenous names the column 1.5, read as float"),
        ({"tiers": [["age"], ["sex", "age"]]}, "one tier, but 'age' is listed twice"),
        (
            {"required": [["age", "debt"]], "forbidden": [["age", "debt"]]},
            "'age' → 'debt' is required, but it is forbidden as well",
        ),
        (
            {"required": [["debt", "age"]], "tiers": [["age"], ["sex"], ["debt"]]},
            "'debt' → 'age' is required, but 'debt' stands in a later tier than 'age'",
        ),
        (
            {"required": [["age", "sex"]], "tiers": [["age", "sex"]], "forbid_within_tiers": True},
            "'age' and 'sex' stand in one tier",
        ),
        ({"required": [["sex", "age"]], "exogenous": ["age"]}, "'age' is exogenous"),
        ({"required": [["risk", "age"]], "target_is_sink": True}, "target 'risk' is a sink"),
        (
            {"required": [["risk", "sex"], ["age", "sex"], ["sex", "debt"], ["debt", "age"]]},
            "cycle, 'sex' → 'debt' → 'age' → 'sex'",
        ),
    ],
)
def test_what_is_infeasible_is_refused_on_one_line(content: dict[str, Any], message: str) -> None:
    with pytest.raises(ConfigurationError, match=message) as caught:
        constraints(**content)
    assert "\n" not in str(caught.value)


def test_whole_numbers_name_the_columns_of_a_table_without_names() -> None:
    columns: list[Any] = [[0, 1]]  # as of pd.DataFrame(array)
    knowledge = Knowledge(required=columns, tiers=columns, exogenous=columns[0][:1])
    assert (
        knowledge.settings()
        == Knowledge(required=[["0", "1"]], tiers=[["0", "1"]], exogenous=["0"]).settings()
    )
    assert knowledge.constraints(["0", "1"]).required == (("0", "1"),)


def test_contradictions_show_without_a_table() -> None:
    with pytest.raises(ConfigurationError, match="cycle"):
        Knowledge(required=[["a", "b"], ["b", "a"]])
    with pytest.raises(ConfigurationError, match="later tier"):
        Knowledge(required=[["b", "a"]], tiers=[["a"], ["b"]])


def test_every_kind_of_knowledge_forbids_what_it_says() -> None:
    assert set(constraints(forbidden=[["age", "debt"]]).forbidden) == {("age", "debt")}
    tiers = constraints(tiers=[["age", "sex"], ["income"], ["risk"]])
    assert set(tiers.forbidden) == {
        ("income", "age"),
        ("income", "sex"),
        ("risk", "age"),
        ("risk", "sex"),
        ("risk", "income"),
    }
    within = constraints(tiers=[["age", "sex"], ["income"]], forbid_within_tiers=True)
    assert {("age", "sex"), ("sex", "age")} <= set(within.forbidden)
    sink = constraints(target_is_sink=True)
    assert set(sink.forbidden) == {("risk", c) for c in COLUMNS[:-1]}
    assert set(constraints(exogenous=["sex"]).forbidden) == {
        (c, "sex") for c in COLUMNS if c != "sex"
    }


def test_probabilities_follow_and_votes_turn_to_the_open_direction() -> None:
    names = ["a", "b", "c"]
    matrix = np.array([[0, 0.6, 0.2], [0.3, 0, 0.5], [0.1, 0.1, 0]])
    kept = Constraints((("c", "a"),), {("b", "a"): "x", ("b", "c"): "x", ("c", "b"): "x"})
    np.testing.assert_allclose(kept.apply(matrix, names), [[0, 0.9, 0], [0, 0, 0], [1, 0, 0]])
    assert matrix[1, 0] == 0.3


@settings(deadline=None)
@given(st.integers(0, 2**32 - 1))
def test_every_sampled_graph_keeps_the_constraints(seed: int) -> None:
    rng = np.random.default_rng(seed)
    d = 6
    names = [str(j) for j in range(d)]
    order = rng.permutation(d)
    total, share = np.round(rng.random((d, d)), 1), rng.random((d, d))
    low = np.tril(np.ones((d, d)), -1) > 0
    matrix = np.where(low, total * share, 0) + np.where(low, total * (1 - share), 0).T
    picks = [(str(order[i]), str(order[j])) for i in range(d) for j in range(i + 1, d)]
    required = tuple(e for e in picks if rng.random() < 0.3)
    free = [(a, b) for a in names for b in names if a != b and (a, b) not in required]
    both = Constraints(required, {e: "so" for e in free if rng.random() < 0.3})
    applied = both.apply(matrix, names)
    dags = sample_dags(applied, 5, rng, both.matrices(names)[0])
    both.check(dags, names)
    mandatory, forbidden = both.matrices(names)
    assert (dags | ~mandatory).all()
    assert not (dags & forbidden).any()


def test_a_graph_that_breaks_a_constraint_is_named() -> None:
    both = Constraints((("a", "b"),), {("b", "c"): "'c' is exogenous"})
    good, names = np.array([[0, 1, 0], [0, 0, 0], [0, 0, 0]], dtype=bool), ["a", "b", "c"]
    both.check(good[None], names)
    with pytest.raises(GeneratorError, match="graph 1 lacks the required edge 'a' → 'b'"):
        both.check(np.stack([good, np.zeros_like(good)]), names)
    bad = good.copy()
    bad[1, 2] = True
    with pytest.raises(GeneratorError, match="forbidden edge 'b' → 'c': 'c' is exogenous"):
        both.check(bad[None], names)


def test_columns_set_aside(caplog: pytest.LogCaptureFixture) -> None:
    knowledge = Knowledge(
        required=[["age", "income"]], forbidden=[["sex", "debt"]], tiers=[["age"], ["debt"]]
    )
    with caplog.at_level(logging.WARNING):
        left = knowledge.node_constraints(COLUMNS, "risk", {"debt": "duplicate"})
    assert "knowledge about 'debt' has no effect" in caplog.text
    assert left == Constraints((("age", "income"),))
    with pytest.raises(ConfigurationError, match=r"'income' is no node .* \(constant column\)"):
        knowledge.node_constraints(COLUMNS, "risk", {"income": "constant"})


def test_cycles_are_found() -> None:
    assert find_cycle([]) == []
    assert find_cycle([("a", "b"), ("a", "c"), ("b", "c")]) == []
    assert find_cycle([("x", "a"), ("a", "b"), ("b", "a"), ("b", "c")]) in (["a", "b"], ["b", "a"])


def test_settings_are_json_values() -> None:
    settings = Knowledge(required=[["a", "b"]], exogenous=["a"]).settings()
    assert json.loads(json.dumps(settings)) == settings
