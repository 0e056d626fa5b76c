"""The keys of cells outlive moves and renames: a plan finds the kept results finished."""

import gzip
import shutil
from pathlib import Path

import pytest

from lit_causalmix.commands.main import main
from lit_causalmix.weights import REGISTRY
from lit_causalmix.weights.files import cached_file

KEPT = Path(__file__).parents[1] / "reference" / "kept_study"


@pytest.fixture
def tables(tmp_path: Path) -> Path:
    """The folder of the two tables, unpacked."""
    folder = tmp_path / "tables"
    folder.mkdir()
    shutil.copy(KEPT / "index.json", folder)
    for path in KEPT.glob("*.csv.gz"):
        (folder / path.stem).write_bytes(gzip.decompress(path.read_bytes()))
    return folder


@pytest.mark.parametrize(
    ("study", "names", "cells", "fits"),
    [
        ("methods", "airfoil_self_noise, blood_transfusion", 20, 20),
        ("scaling", "airfoil_self_noise", 22, 21),
        ("training", "airfoil_self_noise", 15, 15),
        ("tabpfn-v1", "blood_transfusion", 4, 4),
    ],
)
def test_a_plan_finds_the_kept_cells_finished(
    study: str,
    names: str,
    cells: int,
    fits: int,
    tables: Path,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    if study == "tabpfn-v1" and not cached_file(REGISTRY["tabpfn-v1"]).is_file():
        pytest.skip("the official weights of TabPFN v1 have not been pulled")
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("LIT_CAUSALMIX_DATA", str(tables))
    assert main(["study", "merge", str(KEPT / "cells.jsonl.gz"), "--out=kept"]) == 0
    capsys.readouterr()
    part = [f"--tables=[{names}]", "--seeds=[0]", "--out=kept"]
    assert main(["study", "status", "--config", study, *part]) == 0
    first = capsys.readouterr().out.splitlines()[0]
    assert (
        first == f"{cells} cells, {fits} different fits: {fits} finished, 0 failed, 0 to run; kept"
    )
