"""Builds an environment of its own that holds AutoGluon's Mitra, and runs scripts inside it.

AutoGluon's full installation is heavy and needs other versions than this package. Its Mitra needs
four AutoGluon packages, installed without their dependencies, and a few small ones.
"""

from __future__ import annotations

import subprocess
import sys
import venv
from pathlib import Path

AUTOGLUON = "1.6.3"
PACKAGES = (
    "torch==2.13.0",  # first and alone: a plain `torch` may bring a CUDA build
    "numpy<2.6",
    "pandas<2.4",
    "scipy<1.19",
    "scikit-learn<1.10",
    "einx",
    "einops",
    "omegaconf",
    "loguru",
    "transformers",
    "huggingface_hub<2",
    "safetensors",
)
WITHOUT_DEPENDENCIES = (
    *(f"autogluon.{part}=={AUTOGLUON}" for part in ("tabular", "core", "common", "features")),
    "mitra-finetune==0.3.0",  # Mitra v2's changes of AutoGluon, for a binned head
)


def python(folder: Path) -> Path:
    """Returns the environment's interpreter, building the environment on the first call.

    Args:
        folder: Where the environment stands or will stand, about 1.5 GB.

    Raises:
        subprocess.CalledProcessError: If an installation fails; the next call resumes it.
    """
    interpreter = folder / ("Scripts/python.exe" if sys.platform == "win32" else "bin/python")
    complete = folder / f"autogluon-{AUTOGLUON}-v2.complete"
    if complete.exists():
        return interpreter
    if not interpreter.exists():
        venv.create(folder, with_pip=True)
    pip = [str(interpreter), "-m", "pip", "install", "--quiet"]
    subprocess.run([*pip, PACKAGES[0]], check=True)
    subprocess.run([*pip, "--no-deps", *WITHOUT_DEPENDENCIES], check=True)
    subprocess.run([*pip, *PACKAGES[1:]], check=True)
    complete.touch()
    return interpreter


def run_inside(folder: Path, script: Path, *arguments: str) -> None:
    """Runs a script with the environment's interpreter.

    Raises:
        subprocess.CalledProcessError: If the script fails.
    """
    subprocess.run([str(python(folder)), str(script), *arguments], check=True)
