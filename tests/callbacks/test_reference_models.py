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


@pytest.mark.parametrize("seed", [-1, 2**32])
def test_a_seed_that_scikit_learn_does_not_take_is_refused(seed: int) -> None:
    with pytest.raises(ConfigurationError, match=rf"integer >= 0 and < 2\*\*32, got {seed}"):
        ReferenceModels(seed=seed)
