"""A grid of tiny fits on two tables, in the folder of the test."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import yaml

from lit_causalmix.study.merging import merged
from lit_causalmix.study.spec import StudySpec

_CONF = Path(__file__).parents[1] / "conf" / "study.yaml"

MakeStudy = Callable[..., dict[str, Any]]


@pytest.fixture
def study(
    tmp_path: Path, make_frame: Callable[..., Any], monkeypatch: pytest.MonkeyPatch
) -> MakeStudy:
    """Returns the declaration of the grid with some fields replaced; its tables are there."""
    monkeypatch.chdir(tmp_path)
    for seed, name in enumerate(("first", "second")):
        make_frame(120, seed=seed).to_csv(f"{name}.csv", index=False)

    def make(**fields: Any) -> dict[str, Any]:
        content = yaml.safe_load(_CONF.read_text(encoding="utf-8"))
        base = merged(content["base"], fields.pop("base", {}))
        if isinstance(fields.get("methods"), list):
            fields["methods"] = {name: content["methods"][name] for name in fields["methods"]}
        return content | fields | {"base": base}

    return make


@pytest.fixture
def spec(study: MakeStudy) -> Callable[..., StudySpec]:
    """The same as the parsed declaration."""
    return lambda **fields: StudySpec(**study(**fields))
