"""The grids that come with the package are what their texts say."""

from pathlib import Path

import pytest

from lit_causalmix.study.fit_config import read_fragment
from lit_causalmix.study.grid import plan
from lit_causalmix.study.spec import read_study

FOLDER = Path(__file__).parents[2] / "configs" / "study"
NAMES = sorted(path.stem for path in FOLDER.glob("*.yaml"))


@pytest.mark.parametrize("name", NAMES)
def test_every_piece_of_a_packaged_study_is_there(name: str) -> None:
    spec = read_study(FOLDER / f"{name}.yaml", {})
    pieces = [spec.base, *spec.methods.values(), *spec.backbones.values()]
    assert all(isinstance(read_fragment(piece), dict) for piece in pieces)
    assert spec.each_grid()


@pytest.mark.parametrize(
    ("name", "n_cells", "n_fits"),
    [("comparison", 40, 40), ("methods", 1500, 1500), ("scaling", 792, 756)],
)
@pytest.mark.slow
def test_packaged_studies_have_the_size_that_they_say(
    name: str, n_cells: int, n_fits: int, real_data: Path
) -> None:
    spec = read_study(FOLDER / f"{name}.yaml", {"tables_dir": str(real_data)})
    cells = plan(spec)
    assert len(cells) == n_cells
    assert len({cell.key for cell in cells}) == n_fits
