"""What a plan knows of weights without building anything that a configuration names."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import yaml

from lit_causalmix.backbones import Nano, Tab2D, TabPFNV1
from lit_causalmix.commands.main import main
from lit_causalmix.files.digests import of_module
from lit_causalmix.study.checksums import Start, built_and_noted, known, known_or_built, of_named
from lit_causalmix.study.grid import plan
from lit_causalmix.study.merging import merged
from lit_causalmix.study.spec import StudySpec
from lit_causalmix.study.store import Store
from lit_causalmix.weights import REGISTRY
from lit_causalmix.weights.files import cached_file

MakeStudy = Callable[..., dict[str, Any]]

OWN = """
from collections.abc import Iterable
from pathlib import Path
from typing import Any
from torch.optim import SGD
from lightning.pytorch import Callback
from lit_causalmix.backbones import Tab2D
from lit_causalmix.generators import JitterGenerator

def called(name):
    with Path("called.txt").open("a") as stream:
        stream.write(name + "\\n")

class OwnBackbone(Tab2D):
    def __init__(self, dim: int = 16, seed: int = 0):
        called("backbone")
        super().__init__(dim=dim, n_layers=1, seed=seed)

    @classmethod
    def starting_checksum(cls, arguments):
        called("starting_checksum")

class OwnGenerator(JitterGenerator):
    def __init__(self):
        called("generator")
        super().__init__()

class OwnCallback(Callback):
    def __init__(self):
        called("callback")

class OwnOptimizer(SGD):
    def __init__(self, params: Iterable[Any], lr: float = 0.1):
        called("optimizer")
        super().__init__(params, lr=lr)
"""


@pytest.fixture
def own(study: MakeStudy, monkeypatch: pytest.MonkeyPatch) -> str:
    """A study of which every class is the user's own and tells when it is called; its path."""
    import sys

    Path("own_parts.py").write_text(OWN, encoding="utf-8")
    monkeypatch.syspath_prepend(str(Path.cwd()))
    monkeypatch.delitem(sys.modules, "own_parts", raising=False)
    generator = {"generator": {"class_path": "own_parts.OwnGenerator"}}
    content = study(
        methods={"own": {"config": "baselines/jitter", "data": generator}},
        backbones={"own": {"model": {"backbone": {"class_path": "own_parts.OwnBackbone"}}}},
        seeds=[0],
        base={
            "model": {"optimizer": {"class_path": "own_parts.OwnOptimizer", "init_args": {}}},
            "trainer": {"callbacks+": [{"class_path": "own_parts.OwnCallback"}]},
        },
    )
    content["tables"] = content["tables"][:1]
    Path("own.yaml").write_text(yaml.safe_dump(content), encoding="utf-8")
    return "own.yaml"


def first_line(capsys: pytest.CaptureFixture[str]) -> str:
    return capsys.readouterr().out.splitlines()[0]


def test_status_and_plan_call_no_class_that_a_study_names(
    own: str, capsys: pytest.CaptureFixture[str]
) -> None:
    for command in (["status"], ["run", "--plan"]):
        assert main(["study", *command, "--config", own]) == 0
        output = capsys.readouterr().out
        assert output.startswith("1 cells, 1 different fits: 0 finished, 0 failed, 1 to run")
        assert "the weights of own are known once study run has built it" in output
    assert not Path("called.txt").exists()


def test_what_a_run_built_is_known_until_its_source_changes(
    own: str, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    assert main(["study", "run", "--config", own, "--progress=false"]) == 0
    assert set(Path("called.txt").read_text().split()) == {
        *("backbone", "generator", "callback", "optimizer")
    }
    Path("called.txt").unlink()
    capsys.readouterr()
    assert main(["study", "status", "--config", own]) == 0
    assert "1 finished" in first_line(capsys)
    assert not Path("called.txt").exists()
    Path("own_parts.py").write_text(OWN.replace("seed: int = 0", "seed: int = 1"))
    assert main(["study", "status", "--config", own]) == 0
    assert "0 finished" in first_line(capsys)


@pytest.mark.parametrize("place", ["optimizer", "backbone", "generator", "callback"])
def test_a_command_named_as_a_class_is_not_run(place: str, study: MakeStudy) -> None:
    named: Any = {"class_path": "os.system", "init_args": {"command": "touch ran"}}
    piece: dict[str, Any] = {"model": {place: named}}
    if place == "generator":
        piece = {"data": {place: named}}
    if place == "callback":
        piece = {"trainer": {"callbacks+": [named]}}
    content = study(methods={"default": {"config": "baselines/default", **piece}})
    Path("study.yaml").write_text(yaml.safe_dump(content), encoding="utf-8")
    for command in (["status"], ["run", "--plan"]):
        assert main(["study", *command, "--config=study.yaml"]) in (0, 2)
    assert not Path("ran").exists()


def test_packaged_backbones_say_what_they_start_from() -> None:
    assert Nano.starting_checksum({}) == of_module(Nano())
    assert Nano.starting_checksum({"n_ensemble": 1}) == of_module(Nano(n_ensemble=1))
    sizes = {"dim": 16, "n_layers": 1, "seed": 3}
    assert Tab2D.starting_checksum(sizes) == of_module(Tab2D(**sizes))
    assert Tab2D.starting_checksum({"weights": "some/folder"}) is None
    assert TabPFNV1.starting_checksum({"weights": None}) is None
    assert TabPFNV1.starting_checksum({"weights": "some/file.safetensors"}) is None


def test_the_official_weights_of_tabpfn_v1_are_known_by_name() -> None:
    if not cached_file(REGISTRY["tabpfn-v1"]).is_file():
        pytest.skip("the official weights of TabPFN v1 have not been pulled")
    assert TabPFNV1.starting_checksum({}) == of_module(TabPFNV1())


def test_known_and_built_weights_give_the_same_keys(
    spec: Callable[..., StudySpec], tmp_path: Path
) -> None:
    store = Store(tmp_path / "none")
    few = spec(sizes=[0, 1], methods=["default", "jitter"])
    assert plan(few, known(store)) == plan(few)
    Tab2D(dim=16, n_layers=1).save_pretrained("folder")
    backbone = {"class_path": "Tab2D", "init_args": {"weights": "folder"}}
    loaded = spec(methods=["default"], backbones={"loaded": {"model": {"backbone": backbone}}})
    assert {cell.weights for cell in plan(loaded, known(store))} == {None}
    cells = plan(loaded)
    assert plan(loaded, known_or_built(store)) == cells
    assert not store.root.exists()
    plan(loaded, built_and_noted(store))
    assert plan(loaded, known(store)) == cells
    Tab2D(dim=16, n_layers=1, seed=1).save_pretrained("folder")
    assert {cell.weights for cell in plan(loaded, known(store))} == {None}


def test_named_weights_alone_are_told_of_folds(study: MakeStudy) -> None:
    plain = {"class_path": "Tab2D", "init_args": {"dim": 16, "n_layers": 1, "weights": None}}
    assert of_named(Start({}, plain)) is None  # what was begun without them goes on
    Tab2D(dim=16, n_layers=1, seed=1).save_pretrained("folder")
    within = {"class_path": "Tab2D", "init_args": {"weights": "folder"}}
    many = {"class_path": "ManyClasses", "init_args": {"backbone": within}}
    config = plan(StudySpec(**study()))[0].config
    told = set()
    for backbone in (within, many):
        whole = merged(config, {"model": {"backbone": None}}, {"model": {"backbone": backbone}})
        told.add(of_named(Start(whole, backbone)))
    assert None not in told


@pytest.mark.parametrize("adapter", ["LoRA", "Retouche"])
def test_an_adapter_leaves_the_weights_what_they_are(study: MakeStudy, adapter: str) -> None:
    if adapter == "LoRA":
        pytest.importorskip("peft", reason="LoRA needs peft: pip install 'lit-causalmix[lora]'")
    fragment = {"config": "baselines/default", "model": {"adapter": {"class_path": adapter}}}
    backbones = {"nano": {"model": {"backbone": {"class_path": "Nano"}}}}
    spec = StudySpec(**study(methods={"adapted": fragment}, backbones=backbones))
    looked_up = plan(spec, known(Store(Path("store"))))
    assert [cell.key for cell in plan(spec)] == [cell.key for cell in looked_up]
    assert looked_up[0].weights == of_module(Nano())
