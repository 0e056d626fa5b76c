"""A release has one version, in every place that states it."""

import importlib.util
import re
import subprocess
import sys
import tomllib
from pathlib import Path
from types import ModuleType

import lit_causalmix

ROOT = Path(__file__).parent.parent
SCRIPT = ROOT / "scripts" / "check_release.py"


def _check_release() -> ModuleType:
    spec = importlib.util.spec_from_file_location("check_release", SCRIPT)
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def _tree(folder: Path, *, version: str, cited: str, changelog: str) -> Path:
    (folder / "pyproject.toml").write_text(f'[project]\nversion = "{version}"\n')
    (folder / "CITATION.cff").write_text(f"cff-version: 1.2.0\nversion: {cited}\n")
    (folder / "CHANGELOG.md").write_text(changelog)
    return folder


def test_all_places_of_this_tree_say_the_same() -> None:
    check = _check_release()
    assert check.version(ROOT) == check.cited_version(ROOT) == lit_causalmix.__version__


def test_the_newest_section_of_the_changelog_is_this_version_with_its_date() -> None:
    text = (ROOT / "CHANGELOG.md").read_text(encoding="utf-8")
    first, second, *_ = re.findall(r"^## (.+)$", text, flags=re.MULTILINE)
    assert first == "[Unreleased]"
    assert re.fullmatch(rf"\[{re.escape(lit_causalmix.__version__)}\] - \d{{4}}-\d\d-\d\d", second)


def test_the_lowest_versions_are_those_that_the_project_allows() -> None:
    command = [sys.executable, str(ROOT / "scripts" / "lowest_versions.py"), "smote"]
    result = subprocess.run(command, capture_output=True, text=True, check=True)
    pins = dict(line.split("==") for line in result.stdout.splitlines())
    project = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    assert len(pins) == len(project["dependencies"]) + 1, "each has a lower bound"
    assert pins["torch"] == "2.10"
    assert pins["jsonargparse"] == "4.53"
    assert pins["imbalanced-learn"] == "0.14.2"


def test_a_tree_that_is_ready(tmp_path: Path) -> None:
    tree = _tree(tmp_path, version="1.2.3", cited="1.2.3", changelog="## [1.2.3] - 2026-12-01\n")
    assert _check_release().problems(tree, "v1.2.3") == []


def test_each_thing_that_is_missing_is_named(tmp_path: Path) -> None:
    tree = _tree(tmp_path, version="1.2.3", cited="1.2.2", changelog="## [Unreleased]\n")
    tag, citation, changelog = _check_release().problems(tree, "v1.3.0")
    assert "v1.3.0" in tag
    assert "1.2.3" in tag
    assert "'1.2.2'" in citation
    assert "[1.2.3]" in changelog


def test_the_script_refuses_another_tag() -> None:
    command = [sys.executable, str(SCRIPT), "v0.0.0"]
    result = subprocess.run(command, capture_output=True, text=True, check=False)
    assert result.returncode == 1
    assert "v0.0.0" in result.stderr
