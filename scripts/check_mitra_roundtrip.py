"""Checks that a fine-tuned Tab2D folder predicts the same in AutoGluon's MitraClassifier.

    python scripts/check_mitra_roundtrip.py [--environment FOLDER]

trains a small Tab2D for a few steps on breast_cancer (and on diabetes for regression, with one
output and with bins), saves it by `save_pretrained`, loads the folder by
`MitraClassifier(hf_model=FOLDER)` (`MitraRegressor`) in an environment of its own, and prints the
largest difference of the predictions. The exit status is 1 when it exceeds 1e-5 (of a probability,
or of the target's range) in float32.
"""

from __future__ import annotations

import argparse
import sys
import tempfile
from pathlib import Path
from typing import Any, Literal

import mitra_environment
import torch
from safetensors.torch import load_file, save_file
from sklearn.datasets import load_breast_cancer, load_diabetes

from lit_causalmix.backbones.tab2d import Tab2D
from lit_causalmix.episode import Episode
from lit_causalmix.seeding import rng

HERE = Path(__file__).resolve().parent
TOLERANCE = 1e-5
BINS = 1_000
"""Of Mitra v2's regressor, which AutoGluon takes with the changes of mitra-finetune alone."""


Task = Literal["classification", "regression"]


def table(task: str) -> tuple[torch.Tensor, torch.Tensor, int]:
    """Returns features float32 (n, C), targets and the number of classes, rows shuffled."""
    x, y = (load_breast_cancer if task == "classification" else load_diabetes)(return_X_y=True)
    order = rng(0, "rows").permutation(len(x))
    features = torch.tensor(x[order], dtype=torch.float32)
    if task == "classification":
        return features, torch.tensor(y[order]), 2
    return features, torch.tensor(y[order], dtype=torch.float32), 0


def fine_tune(task: Task, data: Any, n_outputs: int | None, steps: int) -> Tab2D:
    """Trains on random context/query splits of the first 300 rows."""
    x, y, n_classes = data
    model = Tab2D(dim=32, n_layers=2, task=task, n_outputs=n_outputs)
    optimiser = torch.optim.AdamW(model.parameters(), lr=1e-3)
    for step in range(steps):
        order = torch.from_numpy(rng(0, "step", step).permutation(300))
        e = Episode.of_rows(x[order], y[order], 240, n_classes)
        loss = model.loss(model(e), e)
        optimiser.zero_grad()
        loss.backward()  # type: ignore[no-untyped-call]
        optimiser.step()
    return model


def difference(task: Task, environment: Path, n_outputs: int | None = None) -> float:
    """Returns the largest float32 difference, and prints it and AutoGluon's own bfloat16 one."""
    x, y, n_classes = data = table(task)
    # A distribution over many bins takes longer to say anything about a row.
    model = fine_tune(task, data, n_outputs, steps=20 if n_outputs is None else 600)
    e = Episode.of_rows(x, y, 300, n_classes)
    with torch.no_grad():
        ours = model.predict(model(e), e)
    span = 1.0 if n_classes else float(y[:300].max() - y[:300].min())
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        model.save_pretrained(folder / "model")
        rows = {"x_context": e.x_context, "y_context": e.y_context, "x_query": e.x_query}
        save_file({k: v.contiguous() for k, v in rows.items()}, folder / "table")
        paths = [str(folder / part) for part in ("model", "table", "output")]
        mitra_environment.run_inside(environment, HERE / "mitra_reference.py", "predict", *paths)
        theirs = load_file(folder / "output")
    gaps = {k: float((v - ours).abs().max()) / span for k, v in theirs.items()}
    spread = float(ours.std(dim=0).max()) / span
    sys.stdout.write(
        f"{task}, {model.config.dim_output} outputs: {len(ours)} rows, predictions "
        f"spread {spread:.3f}, largest difference "
        f"{gaps['float32']:.1e} in float32, {gaps['bfloat16']:.1e} in AutoGluon's bfloat16\n"
    )
    return gaps["float32"]


def main() -> None:
    """Runs all three."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--environment", type=Path, default=Path(".mitra-environment"))
    environment = parser.parse_args().environment.resolve()
    gaps = [
        difference("classification", environment),
        difference("regression", environment),
        difference("regression", environment, n_outputs=BINS),
    ]
    sys.exit(int(max(gaps) > TOLERANCE))


if __name__ == "__main__":
    main()
