import json
import logging
import subprocess
import sys
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from lit_causalmix.causal import structure
from lit_causalmix.causal.graphs.knowledge import Knowledge
from lit_causalmix.files.digests import of_json
from lit_causalmix.files.entries import is_intact
from lit_causalmix.generators.parts.cache import fit_or_load, generator_fingerprint
from lit_causalmix.generators.scm import SCMGenerator
from lit_causalmix.tables import SplitSpec, Table, TableSpec, load_splits


@pytest.fixture
def train(frame: pd.DataFrame) -> Table:
    return load_splits(TableSpec(frame, target="target", name="mixed"), SplitSpec()).train


def generator(**settings: object) -> SCMGenerator:
    return SCMGenerator(
        **{"n_dags": 2, "n_resamples": 1, "alphas": (0.05,), "mechanism": "linear"} | settings  # type: ignore[arg-type]
    )


def sample(fitted: SCMGenerator) -> np.ndarray:
    return fitted.sample(20, np.random.default_rng(0))


def build(train: Table, root: Path) -> tuple[Path, SCMGenerator]:
    made = generator()
    return fit_or_load(made, train, seed=0, root=root, progress=False), made


def test_a_second_run_loads_the_same_generator(
    train: Table, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    folder, made = build(train, tmp_path)
    monkeypatch.setattr(SCMGenerator, "fit", lambda *_, **__: pytest.fail("fitted again"))
    again, loaded = build(train, tmp_path)
    assert again == folder
    assert np.array_equal(sample(made), sample(loaded), equal_nan=True)


def test_fingerprint_follows_data_schema_settings_and_seed(
    train: Table, frame: pd.DataFrame
) -> None:
    base = generator_fingerprint(generator(), train, 0)
    assert base == generator_fingerprint(generator(), train, 0)
    changed = train.values.copy()
    changed[0, 0] += 1
    others = [
        generator_fingerprint(generator(), train, 1),
        generator_fingerprint(generator(n_dags=3), train, 0),
        generator_fingerprint(
            generator(), Table(train.name, "", train.schema, changed, train.rows), 0
        ),
        generator_fingerprint(generator(), train.take(np.arange(len(train) - 1)), 0),
    ]
    assert len({base, *others}) == 5


@pytest.mark.parametrize("damage", ["truncate", "remove", "garbage_manifest", "half_written"])
def test_a_damaged_entry_is_rebuilt_and_said(
    train: Table, tmp_path: Path, caplog: pytest.LogCaptureFixture, damage: str
) -> None:
    folder, made = build(train, tmp_path)
    expected = sample(made)
    files = sorted(p for p in folder.iterdir() if p.name != "manifest.json")
    if damage == "truncate":
        files[0].write_bytes(files[0].read_bytes()[:-7])
    elif damage == "remove":
        files[-1].unlink()
    elif damage == "garbage_manifest":
        (folder / "manifest.json").write_text("{")
    else:
        (folder / "manifest.json").unlink()
    assert not is_intact(folder)
    with caplog.at_level(logging.WARNING):
        again, rebuilt = build(train, tmp_path)
    assert "damaged or half-written: rebuilding it" in caplog.text
    assert again == folder
    assert is_intact(folder)
    assert np.array_equal(sample(rebuilt), expected, equal_nan=True)


def test_an_entry_that_is_intact_but_does_not_load_is_rebuilt_and_said(
    train: Table, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    folder, _ = build(train, tmp_path)
    for path in folder.iterdir():
        path.unlink()
    content = {"entry": folder.name, "files": {}, "seconds": 1.0}
    manifest = content | {"digest": of_json(content)}
    (folder / "manifest.json").write_text(json.dumps(manifest))
    assert is_intact(folder)
    with caplog.at_level(logging.WARNING):
        build(train, tmp_path)
        build(train, tmp_path)
    assert caplog.text.count("does not load") == 1


def test_generators_that_search_alike_share_the_edges(
    train: Table, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    searches = []
    search = structure.discover
    monkeypatch.setattr(
        structure, "discover", lambda *a, **k: searches.append(k["seed"]) or search(*a, **k)
    )
    known = Knowledge(target_is_sink=True)
    for made in (generator(), generator(n_dags=3), generator(knowledge=known)):
        fit_or_load(made, train, seed=0, root=tmp_path, progress=False)
        alone = generator(n_dags=made.spec.n_dags, knowledge=made.spec.knowledge)
        alone.fit(train, seed=0, progress=False)
        assert np.array_equal(sample(made), sample(alone), equal_nan=True)
    assert len(searches) == 1 + 3  # once for all, and once for each that was fitted alone
    for other in (generator(alphas=(0.1,)), generator(search="causal-learn", knowledge=known)):
        fit_or_load(other, train, seed=0, root=tmp_path, progress=False)
    fit_or_load(generator(), train, seed=1, root=tmp_path, progress=False)
    assert len(searches) == 4 + 3


def test_scratch_of_an_interrupted_write_is_no_entry(train: Table, tmp_path: Path) -> None:
    scratch = tmp_path / ".writing-abc" / "entry"
    scratch.mkdir(parents=True)
    (scratch / "half.json").write_text("{")
    folder, _ = build(train, tmp_path)
    assert folder.parent == tmp_path
    assert is_intact(folder)


_FIT = """
import sys
import time
from pathlib import Path

import pandas as pd

from lit_causalmix.generators.parts.cache import fit_or_load
from lit_causalmix.generators import JitterGenerator
from lit_causalmix.tables import SplitSpec, TableSpec, load_splits


class Slow(JitterGenerator):
    def fit(self, train, *, seed, progress=True):
        with open("fits.txt", "a") as file:
            file.write("fit\\n")
        time.sleep(1)
        super().fit(train, seed=seed, progress=progress)


train = load_splits(TableSpec("mixed.csv", target="target"), SplitSpec()).train
Path(sys.argv[1]).touch()
while not (Path("one").exists() and Path("two").exists()):
    time.sleep(0.01)
fit_or_load(Slow(), train, seed=0, root=Path("cache"), progress=False)
"""


def test_processes_that_need_the_same_generator_at_once_fit_it_once(
    csv: Path, tmp_path: Path
) -> None:
    command = [sys.executable, "-c", _FIT]
    fits = [subprocess.Popen([*command, name], cwd=tmp_path) for name in ("one", "two")]
    assert [process.wait(timeout=120) for process in fits] == [0, 0]
    assert (tmp_path / "fits.txt").read_text() == "fit\n"
