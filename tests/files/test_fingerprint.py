"""A fit is kept for the code that made it, and for no other."""

import importlib.util
import shutil
import subprocess
import sys
from pathlib import Path
from types import ModuleType

import pytest

from lit_causalmix.files.fingerprint import ROOT, code_fingerprint, package_digest, versions

GENERATOR = "class Outside:\n    def draw(self):\n        return {value}\n"


@pytest.fixture
def copy(tmp_path: Path) -> Path:
    """The package's source, to be edited."""
    return Path(shutil.copytree(ROOT, tmp_path / "package"))


@pytest.mark.parametrize(
    "file",
    [
        "training/mixing.py",
        "seeding.py",
        "episode.py",
        "metrics/quality/shapes.py",
        "causal/search/skeleton.py",
    ],
)
def test_an_edit_anywhere_in_the_package_changes_it(copy: Path, file: str) -> None:
    before = package_digest.__wrapped__(copy)
    assert before == package_digest.__wrapped__(ROOT)
    edited = copy / file
    edited.write_text(edited.read_text(encoding="utf-8") + "\nEDITED = 1\n", encoding="utf-8")
    assert package_digest.__wrapped__(copy) != before


def test_a_new_and_a_renamed_file_change_it(copy: Path) -> None:
    before = package_digest.__wrapped__(copy)
    (copy / "generators" / "new.py").touch()
    added = package_digest.__wrapped__(copy)
    (copy / "generators" / "new.py").rename(copy / "generators" / "newer.py")
    assert len({before, added, package_digest.__wrapped__(copy)}) == 3


def load(path: Path) -> ModuleType:
    spec = importlib.util.spec_from_file_location(path.stem, path)
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    sys.modules[path.stem] = module
    spec.loader.exec_module(module)
    return module


def test_the_source_of_a_class_from_outside_counts(tmp_path: Path) -> None:
    file = tmp_path / "somebodys_generator.py"
    file.write_text(GENERATOR.format(value=1))
    kind = load(file).Outside
    first = code_fingerprint(classes=[kind])
    assert first == code_fingerprint(classes=[kind])
    assert first != code_fingerprint()
    file.write_text(GENERATOR.format(value=2))
    assert code_fingerprint(classes=[kind]) != first


def test_a_parent_class_from_outside_counts(tmp_path: Path) -> None:
    parent = tmp_path / "parent_of_it.py"
    parent.write_text(GENERATOR.format(value=1))
    load(parent)
    child = tmp_path / "child_of_it.py"
    child.write_text("from parent_of_it import Outside\n\nclass Child(Outside):\n    pass\n")
    kind = load(child).Child
    first = code_fingerprint(classes=[kind])
    parent.write_text(GENERATOR.format(value=2))
    assert code_fingerprint(classes=[kind]) != first


def test_a_class_that_stands_in_no_file_counts_by_its_methods() -> None:
    kinds = []
    for value in (1, 2):
        space: dict[str, type] = {}
        exec(GENERATOR.format(value=value), space)  # as in an interactive session
        kinds.append(space["Outside"])
    assert code_fingerprint(classes=kinds[:1]) != code_fingerprint(classes=kinds[1:])


_PRINT = """
from lit_causalmix import generators
from lit_causalmix.files.fingerprint import code_fingerprint

space = {}
exec("class Typed:\\n  def draw(self, n=3):\\n    return [(lambda: i)() for i in range(n)]", space)
kinds = [getattr(generators, name) for name in generators.__all__]
print([code_fingerprint(classes=[kind]) for kind in (*kinds, space["Typed"])])
"""


def test_another_process_finds_the_same() -> None:
    command = [sys.executable, "-c", _PRINT]
    runs = [subprocess.run(command, capture_output=True, text=True, check=True) for _ in range(2)]
    assert runs[0].stdout == runs[1].stdout
    assert runs[0].stdout.startswith("['")


def test_versions_of_libraries_count_absent_ones_too() -> None:
    assert versions(["numpy", "no-such-library"])["no-such-library"] == "absent"
    assert code_fingerprint(["numpy"]) != code_fingerprint(["numpy", "no-such-library"])
