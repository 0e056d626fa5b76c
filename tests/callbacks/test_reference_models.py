import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch

from lit_causalmix.callbacks import ReferenceModels
from lit_causalmix.errors import ConfigurationError


def test_references_stand_in_the_report_and_change_no_bit(
    fit: Callable[..., Any], tmp_path: Path
) -> None:
    _, alone = fit("alone")
    references = ReferenceModels()
    trainer, task = fit("beside", callbacks=[references])
    for one, other in zip(alone.parameters(), task.parameters(), strict=True):
        assert torch.equal(one, other)

    trainer.test(task, datamodule=trainer.datamodule, verbose=False)
    report = json.loads((tmp_path / "beside" / "report.json").read_text(encoding="utf-8"))
    forest = references.scores["random forest"]
    assert report["references"]["random forest"]["real/roc_auc"]["value"] == (
        forest["real/roc_auc"].value
    )
    assert forest["real/roc_auc"].value > 0.6
    assert set(forest) == {f"{r['domain']}/{r['metric']}" for r in report["rows"]}


def test_a_seed_below_zero_is_refused() -> None:
    with pytest.raises(ConfigurationError, match="seed must be an integer >= 0, got -1"):
        ReferenceModels(seed=-1)
