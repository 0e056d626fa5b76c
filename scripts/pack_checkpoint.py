"""Cuts a checkpoint of a pre-training to a third, so that it is small enough for the repository.

    python scripts/pack_checkpoint.py --checkpoint runs/NAME/version_0/checkpoints/last.ckpt \
        --out pretraining/NAME.ckpt
    lit-causalmix fit --config configs/pretrain/NAME.yaml --ckpt_path pretraining/NAME.ckpt

Weights and their average are kept in float16. Muon's momentum is left out: it is an average over
some twenty steps, and begins anew. Everything else stays as it is. The result is a checkpoint like
any other: what loads it gets float32 weights. A run that goes on from it is the recipe's run up to
that rounding and those steps.
"""

from __future__ import annotations

import argparse
import pickle
import sys
from pathlib import Path
from typing import Any

import torch

from lit_causalmix.errors import LitCausalMixError, WeightsError
from lit_causalmix.training.kept_weights import seal

WEIGHTS = ("state_dict", "ema_weights")


def packed(checkpoint: dict[str, Any]) -> dict[str, Any]:
    """Returns a checkpoint with short weights and without momentum.

    Raises:
        WeightsError: If a weight is too large for float16.
    """
    found = dict(checkpoint)
    for key in WEIGHTS:
        if key in found:
            found[key] = {name: _half(name, value) for name, value in found[key].items()}
    found["optimizer_states"] = [
        {**optimiser, "state": {i: _without_momentum(s) for i, s in optimiser["state"].items()}}
        for optimiser in found.get("optimizer_states", [])
    ]
    if "scoreboard" in found:
        seal(found, found["scoreboard"])
    return found


def _half(name: str, value: torch.Tensor) -> torch.Tensor:
    if not value.is_floating_point():
        return value
    half = value.half()
    if torch.isfinite(value).all() and not torch.isfinite(half).all():
        raise WeightsError(f"{name} reaches {value.abs().max():.3g}, float16 ends at 65504")
    return half


def _without_momentum(state: dict[str, Any]) -> dict[str, Any]:
    return {name: value for name, value in state.items() if name != "momentum_buffer"}


def main() -> None:
    """Reads the command line and writes the packed checkpoint."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else None)
    parser.add_argument("--checkpoint", type=Path, required=True)
    parser.add_argument("--out", type=Path, required=True)
    arguments = parser.parse_args()
    try:
        whole = torch.load(arguments.checkpoint, weights_only=True, map_location="cpu")
        small = packed(whole)
    except (OSError, RuntimeError, pickle.UnpicklingError, LitCausalMixError) as error:
        parser.error(f"{arguments.checkpoint}: {str(error).splitlines()[0]}")
    arguments.out.parent.mkdir(parents=True, exist_ok=True)
    partial = arguments.out.with_suffix(".partial")
    torch.save(small, partial)
    partial.replace(arguments.out)
    size = arguments.out.stat().st_size / 1e6
    sys.stdout.write(f"step {small['global_step']}, {size:.1f} MB\n")


if __name__ == "__main__":
    main()
