"""Does the true graph help? Tables with a known graph, and the studies that compare graphs.

    python benchmarks/known_graphs.py --cache ~/.cache/pgmpy --out FOLDER
    for study in FOLDER/*.yaml; do lit-causalmix study run --config $study --out FOLDER/store; done
    lit-causalmix study report --store FOLDER/store --out known-graphs.html

writes one table (.csv) and one study (.yaml) per problem: public structures with mixed mechanisms
of our own (`structure_networks.draw_mixed`), drawn anew for every seed of mechanisms. The target is
the nominal node with most neighbours; with the first seed the numerical one, too, for regression.
The caps are those of the large grids. Beside default fine-tuning, CausalMixFT runs with the graphs
that discovery finds (8 and 32 of them), with the true graph, and with none, so that columns are
independent.

pgmpy's wheel is downloaded to the cache folder, not installed.
"""

from __future__ import annotations

import argparse
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import yaml
from structure_networks import Network, draw_mixed, load, mixed, wheel

STRUCTURES = ("child", "insurance", "alarm", "ecoli70")
ROWS = 2_000
SEEDS = [0, 1]
SCM = "lit_causalmix.generators.SCMGenerator"


def target_of(network: Network, *, numerical: bool) -> str:
    """Returns the node of a kind with most parents and children, the first of equals."""
    neighbours = {
        name: len(node.parents) + sum(name in other.parents for other in network.values())
        for name, node in network.items()
        if numerical is not bool(node.states)
    }
    return max(neighbours, key=neighbours.__getitem__)


def frame_of(network: Network, mechanisms: int) -> pd.DataFrame:
    """Draws the rows, categories as labels."""
    values = draw_mixed(network, ROWS, mechanisms, mechanisms)
    return pd.DataFrame(
        {
            name: np.array([f"c{k}" for k in range(len(node.states))])[cells.astype(int)]
            if node.states
            else cells
            for (name, node), cells in zip(network.items(), values.T, strict=True)
        }
    )


def study_of(source: Path, target: str, edges: Sequence[Sequence[str]]) -> dict[str, Any]:
    """Returns the study of one table."""

    def with_scm(**init_args: Any) -> dict[str, Any]:
        settings = {"test_budget": 500_000, **init_args}
        generator = {"class_path": SCM, "init_args": settings}
        return {"config": "baselines/causalmixft", "data": {"generator": generator}}

    return {
        "tables": [{"source": str(source.absolute()), "target": target}],
        "methods": {
            "default": "baselines/default",
            "causalmixft": with_scm(),
            "more-graphs": with_scm(n_dags=32),
            "true-graph": with_scm(edges=[list(edge) for edge in edges]),
            "empty-graph": with_scm(edges=[]),
        },
        "seeds": SEEDS,
        "base": {"config": ["caps/two-cores", "backbones/nano-v1"]},
    }


def write(network: Network, name: str, target: str, mechanisms: int, folder: Path) -> None:
    """Writes one table and its study."""
    source = folder / f"{name}.csv"
    frame_of(network, mechanisms).to_csv(source, index=False)
    edges = [(parent, child) for child, node in network.items() for parent in node.parents]
    text = yaml.safe_dump(study_of(source, target, edges), sort_keys=False)
    (folder / f"{name}.yaml").write_text(text, encoding="utf-8")


def main(arguments: Sequence[str] | None = None) -> None:
    """Writes all tables and studies."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--cache", type=Path, required=True, help="folder for pgmpy's wheel")
    parser.add_argument("--out", type=Path, required=True, help="folder of tables and studies")
    parser.add_argument("--mechanisms", type=int, nargs="+", default=[0, 1], help="their seeds")
    options = parser.parse_args(arguments)
    options.cache.mkdir(parents=True, exist_ok=True)
    options.out.mkdir(parents=True, exist_ok=True)
    archive = wheel(options.cache)
    for structure in STRUCTURES:
        for seed in options.mechanisms:
            network = mixed(load(archive, structure), seed)
            first = seed == options.mechanisms[0]
            for kind, numerical in [("class", False), *([("number", True)] if first else [])]:
                target = target_of(network, numerical=numerical)
                write(network, f"{structure}_{seed}_{kind}", target, seed, options.out)


if __name__ == "__main__":
    main()
