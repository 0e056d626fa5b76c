"""Configurations that cannot be used, or want more than they may: one line, and nothing called."""

import os
import signal
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import pytest
import yaml

from lit_causalmix.commands.main import main

TINY = Path(__file__).parents[1] / "conf" / "tiny.yaml"
CANARY = Path("called")

TRAPS = '''
"""Functions and classes that leave a file behind when they are called."""
from pathlib import Path

from lightning.pytorch import Callback
from torch.optim import SGD, Optimizer

from lit_causalmix.backbones import Backbone


def touch(*args, **kwargs):
    Path("called").touch()


def optimizer(params, lr: float = 0.1) -> Optimizer:
    touch()
    return SGD(params, lr)


def backbone() -> Backbone:
    touch()


def callback() -> Callback:
    touch()
    return Callback()


class Thing:
    def __init__(self, command: str = "") -> None:
        touch()

    def __call__(self, *args):
        touch()


class Own(Callback):
    def __init__(self, number: int = 0, below: Callback | None = None, free=None, fn=None):
        self.number, self.below, self.free = number, below, free

    def on_fit_start(self, trainer, pl_module):
        below, free = type(self.below).__name__, type(self.free).__name__
        print(f"own callback: {self.number}, {below}, {free}")
'''


@pytest.fixture(autouse=True)
def _workplace(tmp_path: Path, csv: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(sys, "argv", ["lit-causalmix"])
    monkeypatch.setattr(sys, "path", [p for p in sys.path if p])
    Path("traps.py").write_text(TRAPS)
    monkeypatch.delitem(sys.modules, "traps", raising=False)


def run(*args: str, command: str = "fit") -> int:
    line = [command, "--config", str(TINY), "--data.table.source=mixed.csv"]
    return main([*line, "--data.table.target=target", "--data.cache_dir=cache", *args])


def refused(capsys: pytest.CaptureFixture[str], *args: str, command: str = "fit") -> str:
    """Runs a command that must be refused in one line, with nothing called and nothing written."""
    before = set(Path().rglob("*"))
    assert run(*args, command=command) == 2
    said = [line for line in capsys.readouterr().err.splitlines() if "lit-causalmix:" in line]
    assert len(said) == 1
    assert not CANARY.exists()
    assert {p for p in Path().rglob("*") if "__pycache__" not in p.parts} == before
    return said[0]


def write(content: Any, name: str = "given.yaml") -> str:
    Path(name).write_text(yaml.safe_dump(content))
    return f"--config={name}"


def spec(kind: str, **arguments: Any) -> dict[str, Any]:
    return {"class_path": kind, "init_args": arguments}


NO_OPTIMIZERS = [
    spec("os.system", command="touch called"),
    spec("subprocess.run", args=["touch", "called"]),
    spec("lit_causalmix.commands.main.os.system", command="touch called"),
    spec("pathlib.Path.touch", self="called"),
    spec("traps.touch"),
    spec("traps.optimizer"),
    spec("traps.Thing"),
    "traps.optimizer",
    "traps.touch",
    "os.system",
]


@pytest.mark.parametrize("optimizer", NO_OPTIMIZERS, ids=str)
@pytest.mark.parametrize("setting", ["optimizer", "lr_scheduler"])
def test_no_function_stands_for_an_optimiser(
    capsys: pytest.CaptureFixture[str], optimizer: Any, setting: str
) -> None:
    assert f"model.{setting}" in refused(capsys, write({"model": {setting: optimizer}}))


@pytest.mark.parametrize("command", ["validate", "test", "predict", "inspect"])
def test_the_other_commands_refuse_it_too(capsys: pytest.CaptureFixture[str], command: str) -> None:
    for bad in ("traps.callback", "traps.Thing", "os.system"):
        given = {"data": {"generator": spec(bad)}}
        assert "data.generator" in refused(capsys, write(given), command=command)
        if command != "inspect":
            given = {"model": {"optimizer": spec(bad)}}
            assert "model.optimizer" in refused(capsys, write(given), command=command)


@pytest.mark.parametrize("thing", ["traps.callback", "traps.backbone", "traps.Thing", "os.system"])
@pytest.mark.parametrize(
    "setting",
    [
        "model.backbone",
        "model.adapter",
        "model.selection",
        "data.generator",
        "data.predict_source",
        "data.table.source",
        "trainer.logger",
        "trainer.profiler",
        "trainer.strategy",
        "trainer.plugins",
        "trainer.callbacks",
    ],
)
def test_every_setting_takes_classes_of_its_kind_alone(
    capsys: pytest.CaptureFixture[str], thing: str, setting: str
) -> None:
    *sections, name = setting.split(".")
    kind: Any = spec(thing)
    given: dict[str, Any] = {name: [kind] if name in ("plugins", "callbacks") else kind}
    for section in reversed(sections):
        given = {section: given}
    assert setting in refused(capsys, write(given))


def test_a_datamodule_is_one(capsys: pytest.CaptureFixture[str]) -> None:
    for bad in ("traps.Thing", "traps.touch", "os.system"):
        refused(capsys, write({"data": spec(bad)}))


@pytest.mark.parametrize(
    ("kind", "name", "value"),
    [
        ("lightning.pytorch.callbacks.LambdaCallback", "setup", "traps.touch"),
        ("lightning.pytorch.callbacks.LambdaCallback", "setup", spec("traps.Thing")),
        ("traps.Own", "below", spec("traps.callback")),
        ("traps.Own", "below", spec("traps.Thing")),
        ("traps.Own", "below", spec("traps.Own", below=spec("traps.callback"))),
    ],
)
def test_arguments_of_classes_are_checked_as_well(
    capsys: pytest.CaptureFixture[str], kind: str, name: str, value: Any
) -> None:
    given = {"trainer": {"callbacks": [spec(kind, **{name: value})]}}
    assert "trainer.callbacks" in refused(capsys, write(given))


def test_a_schedule_is_made_by_no_function(capsys: pytest.CaptureFixture[str]) -> None:
    kind = spec("torch.optim.lr_scheduler.LambdaLR", lr_lambda="traps.touch")
    assert "lr_lambda takes a function" in refused(capsys, write({"model": {"lr_scheduler": kind}}))


def test_own_classes_of_the_working_directory_need_no_ceremony(
    capsys: pytest.CaptureFixture[str],
) -> None:
    own = spec("traps.Own", number=7, below=spec("traps.Own"), free=spec("traps.Thing"))
    config = write({"trainer": {"callbacks": [own], "fast_dev_run": True}})
    assert run(config) == 0
    # What stands in an argument without a type stays what was written.
    assert "own callback: 7, Own, Namespace" in capsys.readouterr().out
    assert not CANARY.exists()


@pytest.mark.parametrize("start", [["-m", "lit_causalmix"], ["console script"]])
def test_modules_of_the_working_directory_shadow_nothing(start: list[str], tmp_path: Path) -> None:
    Path("yaml.py").write_text("open('called', 'w')\n")
    Path("own.py").write_text(TRAPS)
    script = Path(sys.executable).with_name("lit-causalmix")
    command = [sys.executable, *start] if start[0] == "-m" else [str(script)]
    write({"trainer": {"callbacks": ["own.Own"]}})
    line = ["fit", "--config", str(TINY), "--data.table.source=mixed.csv"]
    line += ["--data.table.target=target", "--config=given.yaml", "--print_config"]
    environment = {k: v for k, v in os.environ.items() if k != "PYTHONPATH"}
    result = subprocess.run(
        [*command, *line], capture_output=True, text=True, check=False, env=environment, timeout=300
    )
    assert result.returncode == 0, result.stderr
    assert "class_path: own.Own" in result.stdout
    assert not CANARY.exists()


LAUGHS = "a: &a [x, x, x, x, x, x, x, x, x]\n" + "".join(
    f"{new}: &{new} [{', '.join([f'*{old}'] * 9)}]\n"
    for old, new in zip("abcdefgh", "bcdefghi", strict=True)
)


@pytest.mark.parametrize(
    ("content", "said"),
    [
        (b"", "holds no configuration"),
        (b"7", "holds no configuration"),
        (b"- a\n- b", "holds no configuration"),
        (b"data: {x: \xe9}", "not UTF-8"),
        (LAUGHS.encode(), "100,000 values"),
        (b"a: " + b"[" * 600 + b"]" * 600, "levels deep"),
        (b"a: &a [*a]", "names no finished value"),
        (b"model: !!python/object/apply:os.system ['touch called']", "not readable as YAML"),
        (b"# " + b"x" * 1_100_000, "bytes"),
    ],
    ids=["empty", "number", "list", "latin", "laughs", "deep", "circle", "python", "huge"],
)
def test_files_that_are_no_configuration(
    capsys: pytest.CaptureFixture[str], content: bytes, said: str
) -> None:
    Path("given.yaml").write_bytes(content)
    for command in ("fit", "inspect"):
        assert said in refused(capsys, "--config=given.yaml", command=command)


def test_a_folder_is_no_configuration(capsys: pytest.CaptureFixture[str]) -> None:
    Path("folder").mkdir()
    assert "folder cannot be read" in refused(capsys, "--config", "folder")


@pytest.mark.parametrize(
    ("option", "said"),
    [
        ("--data.sythetic_ratio=0.5", "did you mean data.synthetic_ratio?"),
        ("--model.backbone=Tab2d", "did you mean Tab2D?"),
        ("--model.backbone=lit_causalmix.backbones.Nanoo", "did you mean Nano?"),
        ("--trainer.callbacks+=EMAWeight", "did you mean EMAWeights?"),
        ("--model.selection=CautiousValidaton", "did you mean CautiousValidation?"),
        ("--data.split.sede=3", "did you mean data.split.seed?"),
        ("--trainer.max_epochs=many", '"trainer.max_epochs": Expected a int'),
        ("--model.optimizer.lr=-0.1", "the optimiser refuses its settings: Invalid learning rate"),
        ("--model.optimizer.init_args.lr=-1e9", "Invalid learning rate"),
        ("--data.table.source={a: 1}", "a table's source is a path"),
        ("--config={model: {l2_sq: 1}}", "did you mean model.l2_sp?"),
    ],
)
def test_slips_are_named(capsys: pytest.CaptureFixture[str], option: str, said: str) -> None:
    message = refused(capsys, option)
    assert said in message
    assert len(message) < 400


SETTINGS = "model: {backbone: {init_args: {version: 1}}}"


@pytest.mark.parametrize(
    "given", [["--model.backbone.version=1"], ["--config", "first.yaml"], ["--config=" + SETTINGS]]
)
def test_settings_of_a_backbone_that_is_not_named_are_the_defaults(
    capsys: pytest.CaptureFixture[str], given: list[str]
) -> None:
    Path("first.yaml").write_text(SETTINGS)
    with pytest.raises(SystemExit) as stop:
        main(["fit", "--config", "quickstart", *given, "--print_config"])
    assert stop.value.code == 0
    backbone = yaml.safe_load(capsys.readouterr().out)["model"]["backbone"]
    assert backbone["class_path"] == "lit_causalmix.backbones.Nano"
    assert backbone["init_args"]["version"] == 1


@pytest.mark.parametrize(
    ("given", "said"),
    [
        (["--model.backbone.version=4"], '"version": must be one of 1, 2, 3, got 4'),
        (["--model.backbone.vresion=1"], "did you mean version?"),
        (
            [f"--config={SETTINGS}", "--config=backbones/tab2d"],
            "a class is expected (class_path), named before its settings (init_args)",
        ),
    ],
)
def test_settings_that_the_default_backbone_does_not_have_are_refused(
    capsys: pytest.CaptureFixture[str], given: list[str], said: str
) -> None:
    assert main(["fit", "--config", "quickstart", *given]) == 2
    assert said in capsys.readouterr().err


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("data: {table: {kinds: [1]}}", "data.table.kinds"),
        ("data: {generator: {class_path: SCMGenerator, init_args: 3}}", "data.generator"),
        ("model: {backbone: {class_path: Nano, init_args: [[1]]}}", "model.backbone"),
        ("model: {backbone: {class_path: Tab2D, init_args: {dim: 0}}}", "Tab2D"),
        ("model: {backbone: {class_path: Tab2D, init_args: {dim: 1000000000}}}", ""),
        ("data: 3", "data"),
        ("data: {1: 2}", ""),
        ("? null\n: 1", ""),
        ("trainer: {callbacks: {a: 1}}", "trainer.callbacks"),
        ('trainer: {precision: "2"}', "precision"),
        ("trainer: {max_epochs: !!timestamp 2024-99-99}", "not readable as YAML"),
        ("seed_everything: 1000000000000000000000000", "seed_everything"),
    ],
    ids=str,
)
def test_values_that_the_parser_or_a_class_stumbles_over(
    capsys: pytest.CaptureFixture[str], text: str, said: str
) -> None:
    Path("given.yaml").write_text(text)
    assert said in refused(capsys, "--config=given.yaml")


def test_a_long_value_is_quoted_in_part(capsys: pytest.CaptureFixture[str]) -> None:
    Path("given.yaml").write_text(f"data: {{table: {{source: {'a' * 9000}}}}}")
    assert main(["fit", "--config=given.yaml"]) == 2
    assert len(capsys.readouterr().err) < 2100


def test_an_own_class_that_fails_is_named_with_its_line(capsys: pytest.CaptureFixture[str]) -> None:
    Path("frail.py").write_text(
        "from lightning.pytorch import Callback\n"
        "class Frail(Callback):\n"
        "    def __init__(self) -> None:\n"
        "        raise AttributeError('no such thing')\n"
    )
    message = refused(capsys, write({"trainer": {"callbacks": ["frail.Frail"]}}))
    assert "AttributeError: no such thing (frail.py, line 4)" in message


def test_fewer_steps_than_a_validation_needs(capsys: pytest.CaptureFixture[str]) -> None:
    few = ["--trainer.max_steps=1", "--data.synthetic_ratio=0"]
    assert run(*few) == 2
    assert "the fit ends after 1 training batches" in capsys.readouterr().err
    assert run(*few, "--data.episodes_per_epoch=1") == 0


def test_a_command_that_was_meant(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["fitt"]) == 2
    assert "(did you mean fit?)" in capsys.readouterr().err
    assert main(["study", "statos"]) == 2
    assert "(did you mean status?)" in capsys.readouterr().err


def test_a_source_that_is_a_mapping(capsys: pytest.CaptureFixture[str]) -> None:
    Path("given.yaml").write_text("data: {table: {source: {a: 1}, target: b}}\n")
    assert main(["fit", "--config=given.yaml"]) == 2
    assert "a table's source is a path" in capsys.readouterr().err


@pytest.mark.skipif(not Path("/proc/self").exists(), reason="needs a folder that nobody writes to")
def test_places_that_cannot_be_written(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch, csv: Path
) -> None:
    monkeypatch.chdir("/proc")
    line = [
        "fit",
        "--config",
        str(TINY),
        f"--data.table.source={csv}",
        "--data.table.target=target",
    ]
    assert main([*line, f"--data.cache_dir={csv.parent / 'cache'}"]) == 2
    error = capsys.readouterr().err.splitlines()[-1]
    assert error.startswith("lit-causalmix: error: ")
    assert "runs" in error
    monkeypatch.setenv("HOME", "/proc/none")
    monkeypatch.delenv("XDG_CACHE_HOME", raising=False)
    monkeypatch.delenv("LIT_CAUSALMIX_CACHE", raising=False)
    monkeypatch.chdir(csv.parent)
    assert main(line) == 2
    error = capsys.readouterr().err.splitlines()[-1]
    assert error.startswith("lit-causalmix: error: ")
    assert "/proc/none" in error


def test_a_deleted_working_directory(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    gone = tmp_path / "gone"
    gone.mkdir()
    monkeypatch.chdir(gone)
    gone.rmdir()
    assert main(["fit", "--data.table.source=x.csv"]) == 2
    assert "Traceback" not in capsys.readouterr().err
    monkeypatch.chdir(tmp_path)


@pytest.mark.slow
@pytest.mark.parametrize("delay", [1.0, 2.5, 4.0])
def test_an_interruption_of_the_imports_takes_one_line(delay: float) -> None:
    line = [sys.executable, "-m", "lit_causalmix", "fit", "--help", "all"]
    process = subprocess.Popen(
        line,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.PIPE,
        text=True,
        preexec_fn=lambda: signal.signal(signal.SIGINT, signal.default_int_handler),
    )
    start = time.monotonic()
    while process.poll() is None and time.monotonic() - start < delay:
        time.sleep(0.05)
    process.send_signal(signal.SIGINT)
    _, said = process.communicate(timeout=120)
    if process.returncode != 0:  # a fast machine may have answered already
        assert process.returncode == 130
        assert [s for s in said.splitlines() if s] == ["lit-causalmix: interrupted"]


@pytest.mark.parametrize("command", ["fit", "validate", "test", "predict", "inspect"])
def test_short_help_names_real_options(command: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert main([command, "--help"]) == 0
    short = capsys.readouterr().out
    assert len(short.splitlines()) < 60
    with pytest.raises(SystemExit) as stop:
        main([command, "--help", "all"])
    assert stop.value.code == 0
    every = capsys.readouterr().out
    for line in short.splitlines():
        option = line.split()[0] if line.startswith("  --") else ""
        if option and option != "--help" and ".X" not in option and "SETTING" not in option:
            assert option.split("+=")[0] in every, option
