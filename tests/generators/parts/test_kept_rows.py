"""Rows of slow generators: drawn once from the pre-trained weights, for all runs and ranks."""

import hashlib
import os
import subprocess
import sys
from pathlib import Path

import pytest

from lit_causalmix.commands.main import main

TINY = Path(__file__).parents[2] / "conf" / "tiny.yaml"

_SCRIPT = """
import sys

import lightning.pytorch as pl
import torch
from lit_causalmix.backbones import Tab2D
from lit_causalmix.datamodules import CausalMixDataModule
from lit_causalmix.generators import TabEBMGenerator
from lit_causalmix.tables import TableSpec
from lit_causalmix.training.task import CausalMixTask

torch.set_num_threads(1)
csv, folder, devices = sys.argv[1], sys.argv[2], int(sys.argv[3])
data = CausalMixDataModule(
    TableSpec(csv, target="target", name="mixed"),
    generator=TabEBMGenerator(n_steps=2),
    synthetic_size=0.5,
    episodes_per_epoch=2,
    cache_dir=f"{folder}/cache",
    progress=False,
)
trainer = pl.Trainer(
    accelerator="cpu",
    devices=devices,
    strategy="ddp" if devices > 1 else "auto",
    max_epochs=1,
    default_root_dir=folder,
    logger=False,
    enable_checkpointing=False,
    enable_progress_bar=False,
    enable_model_summary=False,
)
trainer.fit(CausalMixTask(Tab2D(dim=8, n_layers=1)), datamodule=data)
rows = data.train_stream.synthetic.draw(30, 0, 0)
with open(f"{folder}/rows-{trainer.global_rank}", "wb") as file:
    file.write(rows.tobytes())
"""


@pytest.fixture(autouse=True)
def _workplace(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(sys, "argv", ["lit-causalmix"])


def contents(cache: Path) -> dict[str, str]:
    """The files of a cache by name, with their hashes."""
    return {
        str(path.relative_to(cache)): hashlib.sha256(path.read_bytes()).hexdigest()
        for path in sorted(cache.rglob("*"))
        if path.is_file() and path.suffix in (".json", ".safetensors")
    }


def tabebm(csv: Path, *options: str, command: str = "fit") -> int:
    return main(
        [
            command,
            *("--config", str(TINY), "--config", "baselines/tabebm"),
            *(f"--data.table.source={csv}", "--data.table.target=target"),
            *("--data.cache_dir=cache", "--data.generator.n_steps=2", *options),
        ]
    )


@pytest.mark.slow
def test_later_runs_find_the_rows_of_the_first(csv: Path) -> None:
    """Whatever the weights have become: a test of trained ones and a resumed fit among them."""
    assert tabebm(csv) == 0
    first = contents(Path("cache"))
    assert len({name.partition("/")[0] for name in first}) == 2  # the generator and its pool
    run = Path("runs/fit/version_0")
    assert tabebm(csv, f"--ckpt_path={run / 'best.ckpt'}", command="test") == 0
    last = next(run.rglob("last.ckpt"))
    assert tabebm(csv, f"--ckpt_path={last}", "--trainer.max_epochs=3") == 0
    assert contents(Path("cache")) == first
    assert tabebm(csv, "--model.backbone.seed=1") == 0  # other weights, other rows
    assert len(contents(Path("cache"))) == 2 * len(first)


def test_fresh_rows_for_every_episode_are_refused(
    csv: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert tabebm(csv, "--data.synthetic_size=null") == 2
    error = capsys.readouterr().err
    assert "TabEBMGenerator is too slow to draw fresh rows for every episode" in error
    assert error.count("\n") == 1
    assert not Path("cache").exists()


@pytest.mark.slow
@pytest.mark.timeout(300)
def test_all_ranks_have_the_same_rows(csv: Path, tmp_path: Path) -> None:
    env = {k: v for k, v in os.environ.items() if k not in ("LOCAL_RANK", "WORLD_SIZE")}
    caches = []
    for devices in (1, 2):
        folder = tmp_path / str(devices)
        folder.mkdir()
        (folder / "train.py").write_text(_SCRIPT)
        result = subprocess.run(
            [sys.executable, str(folder / "train.py"), str(csv), str(folder), str(devices)],
            env=env | {"OMP_NUM_THREADS": "1"},
            capture_output=True,
            text=True,
            timeout=120,
            check=False,
        )
        assert result.returncode == 0, result.stderr[-3000:]
        found = contents(folder / "cache")  # a manifest notes the time that was taken
        caches.append({n: h for n, h in found.items() if not n.endswith("manifest.json")})
    assert caches[0] == caches[1]
    drawn = [(tmp_path / name).read_bytes() for name in ("1/rows-0", "2/rows-0", "2/rows-1")]
    assert drawn[0] == drawn[1] == drawn[2]
