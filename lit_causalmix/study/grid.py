"""From a study to its cells: every fit with its complete configuration and its key."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass
from itertools import product
from typing import Any, TypeVar

from lit_causalmix.errors import ConfigurationError, LitCausalMixError
from lit_causalmix.study.candidates import KEY, without_auto
from lit_causalmix.study.checksums import Checksum, Start, built
from lit_causalmix.study.fit_config import ParsedFit, parsed_table, read_fragment
from lit_causalmix.study.fold_fits import OF_ONE_MODEL
from lit_causalmix.study.identity import asked_backbone, asked_for, cell_key, generator_key
from lit_causalmix.study.merging import class_name, is_packaged, merged
from lit_causalmix.study.quiet import quietly
from lit_causalmix.study.spec import StudySpec
from lit_causalmix.study.starting import starting_fragment
from lit_causalmix.study.table_list import find_tables, source_fingerprint

MadeT = TypeVar("MadeT")

WRITERS = ("RunReport", "ReferenceModels", "PredictionWriter", "ModelCheckpoint")
"""Callbacks that tell a person more and change no score: cells go without them."""

_QUIET: dict[str, Any] = {
    "trainer": {"logger": False, "enable_progress_bar": False, "enable_model_summary": False},
    "data": {"progress": False},
}
_NEEDED = ("ZeroShotBaseline", "DomainMetrics")


@dataclass(frozen=True)
class Cell:
    """One fit of a study.

    Attributes:
        table: Name of the table.
        method: Name of the method.
        backbone: Name of the backbone.
        seed: Seed of split, generator and training.
        ratio: Share of synthetic rows; with real rows alone 0.
        size: Synthetic rows in multiples of the training rows, None is fresh ones for every step;
            with real rows alone 0.
        config: Complete configuration of `fit`.
        key: Content hash of everything that decides the result; cells of equal key are one fit.
        generator: Content hash of the generator's fit, which cells share; None without one.
        weights: Checksum of the weights that it starts from; None where only building the backbone
            tells, and the cell cannot be known as finished.
    """

    table: str
    method: str
    backbone: str
    seed: int
    ratio: float
    size: float | None
    config: dict[str, Any]
    key: str
    generator: str | None
    weights: str | None

    @property
    def labels(self) -> dict[str, Any]:
        """What tells the cell from the others of its study."""
        names = ("table", "method", "backbone", "seed", "ratio", "size")
        return {name: getattr(self, name) for name in names}


@dataclass(frozen=True)
class _Recipe:
    """A method on a backbone: what its cells have in common, checked by parsing it once."""

    config: dict[str, Any]
    asked: dict[str, Any]
    checksum: str | None
    ratio: float
    size: float | None
    val_synthetic_rows: int
    compares: bool
    scheduled: bool

    def axes(self, spec: StudySpec) -> Iterator[tuple[float, float | None]]:
        """The ratios and sizes that this method is varied over.

        Candidates have their own, and a schedule takes the place of the ratio.
        """
        if self.compares:
            yield 0.0, 0.0
            return
        draws = self.ratio > 0 and self.size != 0
        varied = draws and self.ratio < 1 and not self.scheduled
        ratios = spec.ratios if varied and spec.ratios else [self.ratio]
        sizes = spec.sizes if draws and spec.sizes else [self.size]
        for ratio, size in product(ratios, sizes):
            yield (0.0, 0.0) if 0 in (ratio, size) else (float(ratio), size)


def plan(spec: StudySpec, checksum: Checksum = built) -> list[Cell]:
    """Lists the cells of a study, seed by seed, and checks every part of it beforehand.

    Each method is parsed once on each backbone, so that what the parser of `fit` would refuse is
    refused here.

    Args:
        spec: The study.
        checksum: Tells the weights that a method starts from on a backbone. By default it is built
            once, so that what `fit` would refuse later is refused here, too; `checksums.known`
            builds nothing.

    Returns:
        Cells that differ in their labels. Where two methods mean the same fit (a ratio of 0 and
        default fine-tuning, say) their keys are equal.

    Raises:
        LitCausalMixError: For an unknown table or an unusable piece of configuration.
    """
    with quietly():
        return _plan(spec, checksum)


def _plan(spec: StudySpec, checksum: Checksum) -> list[Cell]:
    cells: dict[tuple[Any, ...], Cell] = {}
    recipe = _Recipes(spec, checksum)
    for grid in spec.each_grid():
        tables = find_tables(grid.tables, spec.tables_dir)
        axes = product(grid.seeds, tables.items(), grid.backbones, grid.methods)
        for seed, (name, table), backbone, method in axes:
            common = recipe(method, backbone, table)
            for ratio, size in common.axes(grid):
                labels = (name, method, backbone, seed, ratio, size)
                if labels not in cells:
                    asked = recipe.asked_table(name, table)
                    cells[labels] = Cell(*labels, **_cell(common, asked, table, seed, ratio, size))
    return list(cells.values())


class _Recipes:
    """Recipes and tables, each parsed once."""

    def __init__(self, spec: StudySpec, checksum: Checksum) -> None:
        self._spec = spec
        self._checksum = checksum
        self._base = read_fragment(spec.base)
        self._known: dict[tuple[str, str], _Recipe] = {}
        self._tables: dict[str, dict[str, Any]] = {}

    def __call__(self, method: str, backbone: str, table: Mapping[str, Any]) -> _Recipe:
        if (method, backbone) not in self._known:
            self._known[method, backbone] = _named_in_errors(
                f"method {method!r} on backbone {backbone!r}",
                lambda: self._make(method, backbone, table),
            )
        return self._known[method, backbone]

    def asked_table(self, name: str, table: Mapping[str, Any]) -> dict[str, Any]:
        """What is asked of a table, with a fingerprint of the source in place of its path."""
        if name not in self._tables:
            self._tables[name] = _named_in_errors(f"table {name!r}", lambda: self._asked(table))
        return self._tables[name]

    def _asked(self, table: Mapping[str, Any]) -> dict[str, Any]:
        given = merged(self._base, {"data": {"table": table}})["data"]["table"]
        asked = parsed_table(given)
        for label in ("name", "domain"):
            asked.pop(label, None)
        return asked | {"source": source_fingerprint(str(asked["source"]))}

    def _make(self, method: str, backbone: str, table: Mapping[str, Any]) -> _Recipe:
        pieces = self._spec.backbones[backbone], self._spec.methods[method]
        own = merged(*map(read_fragment, pieces))
        if "table" in own.get("data", {}):
            raise ConfigurationError("data.table belongs to the tables of the study or to its base")
        start = starting_fragment(self._base, own)
        auto, config = without_auto(merged(start, self._base, own, _QUIET))
        left_out = WRITERS if auto is None else (*WRITERS, *OF_ONE_MODEL)
        callbacks = _without(left_out, config["trainer"].get("callbacks"))
        config["trainer"]["callbacks"] = callbacks
        complete = merged(config, {"data": {"table": table}})
        parsed = ParsedFit(complete)
        asked = parsed.values(with_defaults=False)
        values = parsed.values(with_defaults=True)
        data = values["data"]
        if data["folds"] > 1 and auto is None:
            raise ConfigurationError("a cell is one fit: a study takes no data.folds above 1")
        compared = {} if auto is None else {KEY: asdict(auto)}
        return _Recipe(
            config=config | compared,
            asked=asked | compared,
            checksum=self._checksum(Start(complete, asked_backbone(values))),
            ratio=data["synthetic_ratio"],
            size=data.get("synthetic_size"),  # a dump leaves nulls out
            val_synthetic_rows=data["val_synthetic_rows"],
            compares=auto is not None,
            scheduled=any(is_packaged(c, ("RatioSchedule",)) for c in callbacks),
        )


def _cell(
    recipe: _Recipe,
    asked_table: Mapping[str, Any],
    table: Mapping[str, Any],
    seed: int,
    ratio: float,
    size: float | None,
) -> dict[str, Any]:
    """Configuration, key and generator of one cell."""
    data: dict[str, Any] = {"seed": seed, "split": {"seed": seed}}
    if recipe.compares:
        data["synthetic_ratio"] = recipe.ratio
    else:
        data |= {"synthetic_ratio": ratio, "synthetic_size": size}
    if not recipe.compares and ratio == 0 < recipe.ratio and not recipe.val_synthetic_rows:
        data["generator"] = None  # the axis leaves no synthetic row: real rows alone
    config = merged(recipe.config, {"data": data | {"table": table}})
    asked = asked_for(merged(recipe.asked, {"data": data}), asked_table)
    return {
        "config": config,
        "key": cell_key(asked, recipe.checksum),
        "generator": generator_key(asked) if ratio > 0 or recipe.val_synthetic_rows else None,
        "weights": recipe.checksum,
    }


def _without(left_out: Sequence[str], callbacks: list[Any] | None) -> list[Any]:
    """The callbacks of a cell.

    Raises:
        ConfigurationError: If those that measure are not among them.
    """
    kept = [c for c in callbacks or [] if not is_packaged(c, left_out)]
    names = [class_name(c) for c in kept]
    missing = [n for n in _NEEDED if not any(is_packaged(callback, [n]) for callback in kept)]
    if missing:
        raise ConfigurationError(
            f"a study needs the callbacks {' and '.join(_NEEDED)} in trainer.callbacks, "
            f"{' and '.join(missing)} is not among {', '.join(names) or 'none'}"
        )
    return kept


def _named_in_errors(what: str, make: Callable[[], MadeT]) -> MadeT:
    try:
        return make()
    except LitCausalMixError as error:
        raise ConfigurationError(f"{what}: {error}") from error
