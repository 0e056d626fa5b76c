"""Knowledge as an argument of the generator, from Python and from YAML."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

from lit_causalmix.causal.graphs.knowledge import Knowledge
from lit_causalmix.errors import ConfigurationError, GeneratorError
from lit_causalmix.generators.scm import SCMGenerator
from lit_causalmix.tables.schema import Column, ColumnKind, Schema, TaskType
from lit_causalmix.tables.table import Table

SMALL: dict[str, Any] = {"n_dags": 6, "n_resamples": 1, "alphas": (0.05,), "mechanism": "linear"}

YAML = """
generator:
  class_path: lit_causalmix.generators.scm.SCMGenerator
  init_args:
    knowledge:
      required:
      - [age, income]
      forbidden:
      - [member, colour]
      tiers:
      - [age, colour]
      - [income, member]
      - [risk]
      forbid_within_tiers: false
      target_is_sink: true
      exogenous: [age]
"""


def has(generator: SCMGenerator, cause: str, effect: str) -> list[bool]:
    names = generator.edge_probabilities.names
    edges: list[bool] = generator.dags[:, names.index(cause), names.index(effect)].tolist()
    return edges


def test_every_graph_keeps_the_knowledge(mixed: Table) -> None:
    free = SCMGenerator(**SMALL)
    free.fit(mixed, seed=0, progress=False)
    names = free.edge_probabilities.names
    assert any(any(has(free, "risk", c)) for c in names)  # so the test below can fail
    bound = SCMGenerator(
        **SMALL,
        knowledge=Knowledge(
            required=[["colour", "age"]], target_is_sink=True, exogenous=["member"]
        ),
    )
    bound.fit(mixed, seed=0, progress=False)
    assert all(has(bound, "colour", "age"))
    assert not any(any(has(bound, "risk", c)) for c in names)
    assert not any(any(has(bound, c, "member")) for c in names)
    assert (bound.edge_probabilities.matrix == free.edge_probabilities.matrix).all()


def chain() -> Table:
    """a → b → c, linear."""
    a, b, c = np.random.default_rng(0).normal(size=(3, 500))
    b = a + 0.5 * b
    values = np.column_stack([a, b, b + 0.5 * c])
    columns = tuple(Column(name, ColumnKind.NUMERICAL) for name in "abc")
    schema = Schema(columns[:2], columns[2], TaskType.REGRESSION)
    return Table("chain", "test", schema, values, np.arange(500))


def drawn(edges: Sequence[Sequence[str]]) -> NDArray[np.float64]:
    generator = SCMGenerator(mechanism="linear", edges=edges)
    generator.fit(chain(), seed=0, progress=False)
    assert generator.edge_probabilities.runs == {"given": 1}  # nothing was searched for
    assert generator.dags.sum() == len(edges)
    assert all(all(has(generator, *edge)) for edge in edges)
    found: NDArray[np.float64] = np.corrcoef(generator.sample(3_000, np.random.default_rng(0)).T)
    return found


def test_a_given_graph_takes_the_place_of_discovery() -> None:
    true = np.corrcoef(chain().values.T)
    assert np.abs(drawn([["a", "b"], ["b", "c"]]) - true).max() < 0.05
    alone = drawn([["a", "b"]])
    assert abs(alone[0, 1] - true[0, 1]) < 0.05
    assert np.abs(alone[:2, 2]).max() < 0.08


def test_an_empty_graph_makes_columns_independent() -> None:
    assert np.abs(drawn([]) - np.eye(3)).max() < 0.08


@pytest.mark.parametrize(
    ("edges", "reason"),
    [
        ([["a", "b"], ["b", "a"]], "cycle"),
        ([["a", "d"]], "no column 'd'"),
        ([["a", "a"]], "two different columns"),
    ],
)
def test_a_given_graph_that_cannot_be(edges: list[list[str]], reason: str) -> None:
    with pytest.raises(ConfigurationError, match=reason):
        SCMGenerator(edges=edges).fit(chain(), seed=0, progress=False)


def many_classes() -> Table:
    """The class follows a number; there are more classes than a node with causes takes."""
    x = np.random.default_rng(0).normal(size=800)
    y = np.searchsorted(np.quantile(x, np.arange(1, 40) / 40), x)
    classes = tuple(f"c{k:02d}" for k in range(40))
    target = Column("y", ColumnKind.CATEGORICAL, classes)
    schema = Schema((Column("x", ColumnKind.NUMERICAL),), target, TaskType.MULTICLASS)
    return Table("many", "test", schema, np.column_stack([x, y]), np.arange(800))


@pytest.mark.parametrize(
    "knowledge", [Knowledge(tiers=[["x"], ["y"]]), Knowledge(target_is_sink=True)]
)
def test_labels_that_could_follow_from_nothing_are_refused(knowledge: Knowledge) -> None:
    with pytest.raises(ConfigurationError, match=r"'y' has 40 categories .* at most 32, but it is"):
        SCMGenerator(**SMALL, knowledge=knowledge).fit(many_classes(), seed=0, progress=False)


def test_many_classes_may_be_the_cause_of_the_features() -> None:
    generator = SCMGenerator(**SMALL, knowledge=Knowledge(tiers=[["y"], ["x"]]))
    generator.fit(many_classes(), seed=0, progress=False)
    rows = generator.sample(500, np.random.default_rng(0))
    assert np.corrcoef(rows.T)[0, 1] > 0.9


def test_a_whole_graph_and_knowledge_do_not_go_together() -> None:
    with pytest.raises(ConfigurationError, match="set one of them"):
        SCMGenerator(edges=[["a", "b"]], knowledge=Knowledge(exogenous=["a"]))


def test_a_state_of_a_given_graph_is_not_one_of_the_same_required_edges(
    mixed: Table, tmp_path: Path
) -> None:
    given = SCMGenerator(**SMALL, edges=[["age", "income"]])
    given.fit(mixed, seed=0, progress=False)
    given.save(tmp_path)
    SCMGenerator(**SMALL, edges=[["age", "income"]]).load(tmp_path, mixed)
    required = SCMGenerator(**SMALL, knowledge=Knowledge(required=[["age", "income"]]))
    with pytest.raises(GeneratorError, match="given"):
        required.load(tmp_path, mixed)


def test_knowledge_of_a_column_that_is_set_aside(mixed: Table) -> None:
    with pytest.raises(ConfigurationError, match=r"'years' is no node .*duplicate"):
        SCMGenerator(**SMALL, knowledge=Knowledge(required=[["years", "income"]])).fit(
            mixed, seed=0, progress=False
        )


def test_knowledge_is_part_of_the_saved_state(mixed: Table, tmp_path: Path) -> None:
    generator = SCMGenerator(**SMALL, knowledge=Knowledge(exogenous=["age"]))
    generator.fit(mixed, seed=0, progress=False)
    generator.save(tmp_path)
    SCMGenerator(**SMALL, knowledge=Knowledge(exogenous=["age"])).load(tmp_path, mixed)
    with pytest.raises(GeneratorError, match="knowledge"):
        SCMGenerator(**SMALL).load(tmp_path, mixed)


def test_yaml_gives_knowledge() -> None:
    from jsonargparse import ArgumentParser

    from lit_causalmix.generators.base import Generator

    parser = ArgumentParser(exit_on_error=False)
    parser.add_argument("--generator", type=Generator)
    generator = parser.instantiate_classes(parser.parse_string(YAML)).generator
    assert generator.settings()["knowledge"] == {
        "required": [["age", "income"]],
        "forbidden": [["member", "colour"]],
        "tiers": [["age", "colour"], ["income", "member"], ["risk"]],
        "forbid_within_tiers": False,
        "target_is_sink": True,
        "exogenous": ["age"],
    }
