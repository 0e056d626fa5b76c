"""Commands that read, plan or refuse wait for no library of the fit."""

import json
import subprocess
import sys
from pathlib import Path

CODE = """
import json, sys
from lit_causalmix.commands.main import main

def run(command):
    try:
        return main(command)
    except SystemExit as end:  # so jsonargparse ends after a configuration
        return end.code

codes = [run(command) for command in json.loads(sys.argv[1])]
heavy = set(json.loads(sys.argv[2])) & set(sys.modules)
print(json.dumps([codes, sorted(heavy)]))
"""


def imported(commands: list[list[str]], heavy: set[str], folder: Path) -> list[str]:
    """Those of the libraries that commands import in a fresh process; each of them ends well."""
    arguments = json.dumps(commands), json.dumps(sorted(heavy))
    ran = subprocess.run(
        [sys.executable, "-c", CODE, *arguments], cwd=folder, capture_output=True, text=True
    )
    assert ran.returncode == 0, ran.stderr
    codes, found = json.loads(ran.stdout.splitlines()[-1])
    assert not any(codes), ran.stderr
    return list(found)


def test_help_and_lists_import_nothing_heavy(tmp_path: Path) -> None:
    commands = [["fit", "--help"], ["inspect", "--help"], ["study", "--help"], ["weights", "list"]]
    heavy = {"torch", "pandas", "lightning", "jsonargparse", "matplotlib", "scipy"}
    assert imported(commands, heavy, tmp_path) == []


def test_a_plan_imports_nothing_that_rows_are_learned_or_drawn_with(tmp_path: Path) -> None:
    (tmp_path / "rows.csv").write_text("a,b\n1,x\n2,y\n", encoding="utf-8")
    table = {"name": "rows", "source": "rows.csv", "target": "b"}
    study = {"tables": [table], "methods": {"jitter": "baselines/jitter"}, "seeds": [0]}
    (tmp_path / "small.yaml").write_text(json.dumps(study), encoding="utf-8")
    commands = [
        ["study", "status", "--config", "small.yaml"],
        ["fit", "--config", "quickstart", "--print_config"],
    ]
    heavy = {"dowhy", "causallearn", "statsmodels", "sklearn", "networkx", "peft", "tabpfn"}
    assert imported(commands, heavy, tmp_path) == []
