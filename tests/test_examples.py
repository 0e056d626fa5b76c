import importlib.util
from pathlib import Path
from types import ModuleType

EXAMPLES = Path(__file__).parent.parent / "examples"


def _load(name: str) -> ModuleType:
    spec = importlib.util.spec_from_file_location(name, EXAMPLES / f"{name}.py")
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def test_the_plain_loop_learns_from_mixed_rows(tmp_path: Path) -> None:
    assert _load("plain_loop").main(cache_dir=str(tmp_path)) > 0.65


def test_the_plain_loop_uses_neither_task_nor_backbone_nor_command_line() -> None:
    source = (EXAMPLES / "plain_loop.py").read_text()
    for part in (
        "lit_causalmix.training.task",
        "lit_causalmix.backbones",
        "lit_causalmix.commands.main",
        "Trainer(",
    ):
        assert part not in source


def test_the_estimator_is_fitted_kept_and_loaded() -> None:
    assert _load("estimator").main("default", max_steps=0, rows=300) > 0.7
