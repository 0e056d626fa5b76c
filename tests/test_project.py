"""Promises of the project as a whole: one import root, one-way imports, a README that is run."""

import ast
import importlib.util
import re
import shutil
import subprocess
import sys
import tomllib
import zipfile
from pathlib import Path

import networkx as nx
import pytest

ROOT = Path(__file__).parent.parent
CORE = sorted(p for p in (ROOT / "lit_causalmix").rglob("*.py"))


def _imports(path: Path, *, lazy: bool = True) -> set[str]:
    """Modules, and names in them, that a file imports; `lazy`: inside functions, too."""
    names: set[str] = set()
    tree = ast.parse(path.read_text(encoding="utf-8"))
    for node in ast.walk(tree) if lazy else tree.body:
        if isinstance(node, ast.ImportFrom) and node.module:
            names.add(node.module)
            names |= {f"{node.module}.{alias.name}" for alias in node.names}
        elif isinstance(node, ast.Import):
            names |= {alias.name for alias in node.names}
    return names


FLOORS = (
    (
        "bars",
        "deadlines",
        "devices",
        "errors",
        "episode",
        "episode_stack",
        "names",
        "orphans",
        "paths",
        "quiet",
        "scalars",
        "seeding",
    ),
    ("files", "configuration"),
    ("tables", "prior", "weights", "pages"),
    ("causal", "backbones", "metrics"),
    ("model",),
    ("training", "serving"),
    ("ensembles", "generators"),
    ("datamodules", "inspection"),
    ("callbacks",),
    ("study",),
    ("estimators",),
    ("commands",),
)
"""The parts of the package from the ground up; each imports from the floors below it alone."""

FLOOR = {part: number for number, floor in enumerate(FLOORS) for part in floor}


def _modules() -> dict[str, Path]:
    """Every module of the installed package by its name."""
    folders = {"lit_causalmix": ROOT / "lit_causalmix"}
    folders |= {f"lit_causalmix.{n}": ROOT / n for n in ("datamodules", "callbacks")}
    return {
        ".".join((name, *path.relative_to(folder).with_suffix("").parts)): path
        for name, folder in folders.items()
        for path in sorted(folder.rglob("*.py"))
    }


MODULES = _modules()


@pytest.mark.parametrize("name", [n for n in MODULES if n.count(".") > 1])
def test_imports_point_one_way(name: str) -> None:
    part = name.split(".")[1]
    for imported in _imports(MODULES[name]):
        package, _, rest = imported.partition(".")
        other = rest.partition(".")[0]
        if package == "lit_causalmix" and other in FLOOR and other != part:
            assert FLOOR[other] < FLOOR[part], f"{name} imports {imported}"


def test_every_part_has_a_floor() -> None:
    parts = {name.split(".")[1] for name in MODULES}
    assert parts - {"__init__", "__main__"} == set(FLOOR)


def test_no_two_modules_import_each_other_in_a_circle() -> None:
    known = {name.removesuffix(".__init__") for name in MODULES}
    graph = nx.DiGraph()
    for name, path in MODULES.items():
        found = _imports(path, lazy=False) & known
        packages = {n.rpartition(".")[0] for n in found}  # `from package import module`
        graph.add_edges_from((name.removesuffix(".__init__"), n) for n in found - packages)
    assert not [c for c in nx.simple_cycles(graph) if len(c) > 1]


@pytest.mark.parametrize("name", MODULES)
def test_no_file_is_too_long_to_read(name: str) -> None:
    assert len(MODULES[name].read_text(encoding="utf-8").splitlines()) <= 300


@pytest.mark.parametrize("name", MODULES)
def test_files_are_written_and_digests_taken_in_one_place(name: str) -> None:
    tree = ast.parse(MODULES[name].read_text(encoding="utf-8"))
    called = {node.attr for node in ast.walk(tree) if isinstance(node, ast.Attribute)}
    if name not in ("lit_causalmix.files.atomic", "lit_causalmix.files.entries"):
        writers = {"write_text", "write_bytes", "rename", "NamedTemporaryFile", "mkstemp"}
        own = {"rename"} if ".study." in name else set()  # pandas renames columns
        assert not called & writers - own, name
    if name not in ("lit_causalmix.files.digests", "lit_causalmix.paths", "lit_causalmix.seeding"):
        assert "hashlib" not in _imports(MODULES[name]), name


def test_nothing_is_unpickled() -> None:
    for path in [*CORE, *(ROOT / "datamodules").glob("*.py"), *(ROOT / "callbacks").glob("*.py")]:
        text = path.read_text(encoding="utf-8")
        assert "weights_only=False" not in text, path
        assert not {"pickle.load", "pickle.loads", "joblib.load"} & _imports(path), path
        for line in text.splitlines():
            assert "pickle.load" not in line, path


def test_heavy_libraries_are_imported_lazily() -> None:
    code = (
        "import sys; import lit_causalmix.commands.main; "
        "heavy = {'torch', 'lightning', 'dowhy', 'causallearn', 'sklearn', 'pandas'}; "
        "found = ', '.join(sorted(heavy & set(sys.modules))); sys.exit(found or 0)"
    )
    command = [sys.executable, "-c", code]
    result = subprocess.run(command, capture_output=True, text=True, check=False)
    assert result.returncode == 0, result.stderr


def test_the_readme_is_short_and_runs_within_twenty_lines() -> None:
    text = (ROOT / "README.md").read_text(encoding="utf-8")
    assert len(text.split()) < 1100
    assert "```bash" in "\n".join(text.splitlines()[:20])


def test_ci_runs_the_readmes_first_two_commands() -> None:
    spec = importlib.util.spec_from_file_location("readme_command", ROOT / ".ci/readme_command.py")
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    first, second = module.commands()[:2]
    assert "pip install" in first
    assert "lit-causalmix fit --config configs/quickstart.yaml" in first
    assert "pytest" in second
    script = (ROOT / ".ci" / "run").read_text()
    assert "readme_command.py 1" in script
    assert "readme_command.py 2" in script


def test_every_package_is_listed_and_exists() -> None:
    settings = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))
    listed = set(settings["tool"]["setuptools"]["packages"])
    folders = {p.parent for p in CORE if p.name == "__init__.py"}
    expected = {folder.relative_to(ROOT).as_posix().replace("/", ".") for folder in folders}
    mapped = {f"lit_causalmix.{name}" for name in ("callbacks", "configs", "datamodules")}
    assert listed == expected | mapped


def test_every_library_that_is_imported_is_declared() -> None:
    project = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    extras = (v for name, v in project["optional-dependencies"].items() if name != "dev")
    lists = [project["dependencies"], *extras]
    names = (re.match(r"[\w-]+", text) for given in lists for text in given)
    declared = {name[0].replace("-", "_") for name in names if name}
    differing = {"causallearn": "causal_learn", "sklearn": "scikit_learn", "yaml": "pyyaml"}
    differing |= {"imblearn": "imbalanced_learn"}
    own = {"lit_causalmix", *sys.stdlib_module_names}
    for path in [*CORE, *(ROOT / "datamodules").glob("*.py"), *(ROOT / "callbacks").glob("*.py")]:
        roots = {name.partition(".")[0] for name in _imports(path)} - own
        assert {differing.get(root, root) for root in roots} <= declared, path


@pytest.mark.slow
def test_the_wheel_has_one_top_level_name_and_everything_below_it(tmp_path: Path) -> None:
    source = tmp_path / "source"  # a copy, as building leaves traces in the tree
    for part in ("lit_causalmix", "datamodules", "callbacks", "configs"):
        shutil.copytree(ROOT / part, source / part)
    for part in ("pyproject.toml", "README.md", "LICENSE"):
        shutil.copy(ROOT / part, source / part)
    command = [sys.executable, "-m", "build", "--wheel", "--no-isolation", "--outdir"]
    subprocess.run([*command, str(tmp_path), str(source)], check=True, capture_output=True)
    (wheel,) = tmp_path.glob("*.whl")
    names = set(zipfile.ZipFile(wheel).namelist())
    tops = {name.split("/")[0] for name in names}
    assert {t for t in tops if not t.endswith(".dist-info")} == {"lit_causalmix"}
    assert {"lit_causalmix/configs/default.yaml", "lit_causalmix/py.typed"} <= names
    templates = {f"lit_causalmix/pages/templates/{n}" for n in ("page.html", "elements/table.html")}
    assert templates <= names
    embedded = "lit_causalmix/backbones/embedded"
    assert f"{embedded}/MODEL_CARD.md" in names
    for model in ("nano", "nano2", "nano3"):
        for task in ("classification", "regression"):
            for file in ("config.json", "model.safetensors"):
                assert f"{embedded}/{model}-{task}/{file}" in names
    expected = {p.relative_to(ROOT).as_posix() for p in CORE} | {
        f"lit_causalmix/{p.relative_to(ROOT).as_posix()}"
        for part in ("datamodules", "callbacks")
        for p in (ROOT / part).glob("*.py")
    }
    assert expected <= names
