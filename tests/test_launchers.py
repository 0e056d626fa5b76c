"""The scripts in examples/ that launch fits: torchrun, and SLURM with its commands stood in for."""

import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest
import torch

ROOT = Path(__file__).parent.parent
CONF = Path(__file__).parent / "conf"
JOB = {
    "SLURM_JOB_NAME": "lit-causalmix",
    "SLURM_NTASKS": "1",
    "SLURM_NTASKS_PER_NODE": "1",
    "SLURM_NNODES": "1",
    "SLURM_NODELIST": "localhost",
    **dict.fromkeys(("SLURM_PROCID", "SLURM_LOCALID", "SLURM_NODEID"), "0"),
}


def command(folder: Path, name: str, line: str) -> None:
    """Puts a command into the folder `bin` of a folder."""
    file = folder / "bin" / name
    file.parent.mkdir(exist_ok=True)
    file.write_text(f"#!/usr/bin/env bash\n{line}\n")
    file.chmod(0o755)


def environment(folder: Path) -> dict[str, str]:
    """That of a shell which finds these commands, on one thread and outside of any launcher."""
    command(folder, "lit-causalmix", f'exec {sys.executable} -m lit_causalmix "$@"')
    launchers = ("SLURM_", "TORCHELASTIC_", "MASTER_", "LOCAL_RANK", "NODE_RANK", "WORLD_SIZE")
    own = {k: v for k, v in os.environ.items() if not k.startswith(launchers)}
    return own | {"PATH": f"{folder / 'bin'}:{os.environ['PATH']}", "OMP_NUM_THREADS": "1"}


def options(csv: Path) -> list[str]:
    """The tiny configuration without early stopping, on the table."""
    table = [f"--data.table.source={csv}", "--data.table.target=target", "--data.cache_dir=cache"]
    configs = [f"--config={CONF / name}" for name in ("tiny.yaml", "endless.yaml")]
    return [*configs, *table, "--data.synthetic_ratio=0"]


@pytest.mark.parametrize("script", sorted((ROOT / "examples").glob("*.sh")))
def test_scripts_are_shell(script: Path) -> None:
    subprocess.run(["bash", "-n", script], check=True)
    assert os.access(script, os.X_OK)


@pytest.mark.slow
@pytest.mark.timeout(400)
def test_torchrun_fits_on_two_processes(csv: Path, tmp_path: Path) -> None:
    command(tmp_path, "torchrun", f'exec {sys.executable} -m torch.distributed.run "$@"')
    script = [ROOT / "examples" / "torchrun.sh", "2", *options(csv)]
    more = ["--data.episodes_per_epoch=4", "--trainer.max_epochs=2"]
    result = subprocess.run(
        [*script, *more],
        cwd=tmp_path,
        env=environment(tmp_path),
        capture_output=True,
        text=True,
        timeout=300,
        check=False,
    )
    assert result.returncode == 0, result.stderr[-3000:]
    (run,) = (tmp_path / "runs" / "fit").iterdir()
    last = torch.load(run / "checkpoints" / "last.ckpt", weights_only=True)
    assert last["global_step"] == 4  # two episodes a step
    assert (run / "model" / "model.json").is_file()
    assert result.stdout.count("test rows\n") == 1


@pytest.mark.slow
@pytest.mark.timeout(400)
def test_ray_train_fits_on_two_workers(csv: Path, tmp_path: Path) -> None:
    pytest.importorskip("ray", reason="Ray is not installed: pip install 'lit-causalmix[ray]'")
    script = [sys.executable, ROOT / "examples" / "ray_train.py", "2", *options(csv)]
    more = ["--data.episodes_per_epoch=4", "--trainer.max_epochs=2"]
    env = environment(tmp_path) | {"RAY_USAGE_STATS_ENABLED": "0"}
    subprocess.run([*script, *more], cwd=tmp_path, env=env, timeout=300, check=True)
    (run,) = (tmp_path / "runs" / "fit").iterdir()
    last = torch.load(run / "checkpoints" / "last.ckpt", weights_only=True)
    assert last["global_step"] == 4  # two episodes a step
    assert (run / "model" / "model.json").is_file()


@pytest.mark.slow
@pytest.mark.timeout(500)
def test_a_slurm_job_whose_time_ends_is_requeued_and_goes_on_with_the_same_bits(
    csv: Path, tmp_path: Path
) -> None:
    command(tmp_path, "srun", 'echo $$ > task; exec "$@"')
    command(tmp_path, "scontrol", 'echo "$*" >> asked')
    script = [ROOT / "examples" / "slurm.sh", *options(csv), "--trainer.max_epochs=12"]
    env = environment(tmp_path) | JOB

    def job(number: int) -> "subprocess.Popen[bytes]":
        return subprocess.Popen(script, cwd=tmp_path, env=env | {"SLURM_JOB_ID": str(number)})

    assert job(1).wait(200) == 0
    assert not (tmp_path / "asked").exists()
    runs = [tmp_path / "runs" / "2" / "fit" / f"version_{number}" for number in (0, 1)]
    stopped = job(2)
    deadline = time.monotonic() + 120
    while not (runs[0] / "checkpoints" / "last.ckpt").exists() and time.monotonic() < deadline:
        time.sleep(0.02)
    os.kill(int((tmp_path / "task").read_text()), signal.SIGUSR1)
    assert stopped.wait(120) == 128 + signal.SIGUSR1
    assert (tmp_path / "asked").read_text() == "requeue 2\n"
    assert job(2).wait(200) == 0
    assert (tmp_path / "asked").read_text() == "requeue 2\n"
    whole = tmp_path / "runs" / "1" / "fit" / "version_0"
    states = [
        torch.load(run / "checkpoints" / "last.ckpt", weights_only=True) for run in (whole, *runs)
    ]
    assert states[1]["global_step"] < states[0]["global_step"] == states[2]["global_step"] == 24
    assert states[2]["run"]["lineage"] == [states[1]["run"]["id"]]
    for name, weight in states[0]["state_dict"].items():
        assert torch.equal(weight, states[2]["state_dict"][name]), name
