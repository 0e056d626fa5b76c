"""A cell that compares candidates: what `auto` returns, scored on the test rows."""

from __future__ import annotations

import time
from collections.abc import Mapping
from dataclasses import asdict
from functools import partial
from pathlib import Path
from typing import Any

from lit_causalmix.ensembles import AutoSettings
from lit_causalmix.errors import ConfigurationError
from lit_causalmix.files.digests import of_module
from lit_causalmix.metrics import normalized_scores
from lit_causalmix.study.auto import fit_auto
from lit_causalmix.study.candidates import KEY
from lit_causalmix.study.cell_facts import values, versions
from lit_causalmix.study.fit_config import FitCLI, portable
from lit_causalmix.study.fold_fits import FoldSettings
from lit_causalmix.study.merging import merged
from lit_causalmix.study.record import Record


def compared(auto: AutoSettings, config: Mapping[str, Any], scratch: Path) -> Record:
    """Compares the candidates and scores what is taken.

    "val" are the pooled predictions that the choice was made by, so that they look better than they
    are; the test rows took no part.

    Args:
        auto: The candidates.
        config: What they share.
        scratch: Holds the fits meanwhile.

    Returns:
        What `cell.run_cell` keeps of a fit, with `auto` and `chosen`.

    Raises:
        ConfigurationError: If there are no test rows.
    """
    start, processor = time.perf_counter(), time.process_time()
    cli = FitCLI(merged(config))  # the parser changes what it is given
    task, data = cli.model, cli.datamodule
    make = partial(FoldSettings, progress=False)
    found = fit_auto(auto, config, scratch, task, data, make=make)
    ensemble, choice = found.ensemble, found.comparison.choice
    if not ensemble.scores:
        raise ConfigurationError("a cell needs test rows: set data.split.test_fraction above 0")
    zero_shot, pooled = choice.history[0].scores, choice.scores
    scores = {
        "zero_shot": (zero_shot, ensemble.zero_shot),
        "scores": (pooled, ensemble.scores),
        "normalized": (normalized_scores(pooled, zero_shot), ensemble.normalized),
    }
    return {
        "config": portable(cli.values(with_defaults=True)) | {KEY: asdict(auto)},
        "versions": versions(),
        "domain": data.splits.train.domain,
        "task": str(data.splits.train.schema.task),
        "n_train": len(data.splits.train),
        "n_columns": len(data.encoder.columns),
        "n_classes": data.encoder.n_classes,
        "device": cli.trainer.strategy.root_device.type,
        "weights": of_module(task.backbone),
        "best_step": choice.step,
        **{k: {"val": values(val), "test": values(test)} for k, (val, test) in scores.items()},
        KEY: found.comparison.to_json(),
        "chosen": found.comparison.name,
        "seconds": {
            "train": round(time.perf_counter() - start, 3),
            "processor_fit": round(time.process_time() - processor, 3),
        },
    }
