"""Knowledge as an argument of the generator, from Python and from YAML."""

from pathlib import Path
from typing import Any

import pytest

from lit_causalmix.causal.knowledge import Knowledge
from lit_causalmix.errors import ConfigurationError, GeneratorError
from lit_causalmix.generators.scm import SCMGenerator
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
