"""`inspect`: looks at a table, learns its causal structure, and measures its synthetic rows."""

from __future__ import annotations

import sys
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Protocol, runtime_checkable

import numpy as np
from jsonargparse import SUPPRESS
from numpy.typing import NDArray

from lit_causalmix.backbones import Backbone, Nano
from lit_causalmix.bars import Bar
from lit_causalmix.causal.graphs.edges import EdgeProbabilities
from lit_causalmix.commands.notes import noting
from lit_causalmix.configuration import Parser, with_packaged_configs
from lit_causalmix.datamodules import CausalMixDataModule
from lit_causalmix.errors import ConfigurationError
from lit_causalmix.generators.base import Generator
from lit_causalmix.generators.parts.backbone import BackboneGenerator
from lit_causalmix.generators.parts.cache import fit_or_load
from lit_causalmix.generators.scm import SCMGenerator
from lit_causalmix.inspection import Inspection, Structure, build_page
from lit_causalmix.inspection.what_if import Question, WhatIf, ask
from lit_causalmix.metrics.quality import assess
from lit_causalmix.pages.files import check_writable, write_page
from lit_causalmix.paths import safe_name
from lit_causalmix.quiet import single_thread
from lit_causalmix.seeding import rng
from lit_causalmix.tables import TableSplits, load_splits

_DESCRIPTION = """Writes one HTML page about a table: its columns and problems, the causal structure
that PC and FCI find in its training rows, and how synthetic rows compare with validation rows.
It takes the same --data options and --config files as fit, and shares its cache of fitted
generators; of --data the table, split, generator, seed, cache_dir and progress matter, of --model
the backbone, where the generator asks one for its rows."""


@runtime_checkable
class LearnsStructure(Protocol):
    """A generator that can show the causal structure behind its rows."""

    @property
    def edge_probabilities(self) -> EdgeProbabilities: ...

    @property
    def dags(self) -> NDArray[np.bool_]: ...


@dataclass(frozen=True)
class _Request:
    data: CausalMixDataModule
    backbone: Any
    out: Path | None
    question: Question | None


def main(argv: Sequence[str]) -> int:
    """Runs the command; the path of the page goes to stdout, progress to stderr.

    Args:
        argv: The arguments after `inspect`.

    Returns:
        The exit status, 0.

    Raises:
        LitCausalMixError: For anything that the user can put right.
    """
    request = _parse(argv)
    data = request.data
    splits, remarks = _read(data)
    out = request.out or Path("runs") / "inspect" / f"{safe_name(splits.train.name)}.html"
    check_writable(out)
    generator = data.generator or SCMGenerator()
    if isinstance(generator, BackboneGenerator) and generator.wants_backbone:
        backbone = _backbone(request.backbone)
        backbone.specialise(splits.train.schema)
        generator.use(backbone)
    fit_or_load(
        generator, splits.train, seed=data.seed, root=data.cache_dir, progress=data.progress
    )
    asked = request.question
    what_if = None if asked is None else ask(generator, splits, asked, data.seed)
    _compare(generator, splits, remarks, data, out, what_if)
    sys.stdout.write(f"{out}\n")
    return 0


def _parse(argv: Sequence[str]) -> _Request:
    parser = Parser(prog="lit-causalmix inspect", description=_DESCRIPTION)
    parser.add_argument(
        "-c", "--config", action="config", help="a YAML file of fit, or the name of one"
    )
    parser.add_lightning_class_args(CausalMixDataModule, "data")
    parser.add_argument(
        "--out",
        type=str | None,
        help="HTML file to write; its pictures go to a folder beside it. Default: "
        "runs/inspect/NAME.html, after the table",
    )
    parser.add_argument(
        "--what_if",
        type=Question | None,
        help="asks what a row would have been, had columns had other values: "
        "{row: POSITION, do: {COLUMN: VALUE}}, or --what_if.row and --what_if.do",
    )
    # The rest of a configuration of fit, which says nothing about the rows but for the backbone.
    for name in (*("model", "trainer", "auto"), "seed_everything", "ckpt_path", "weights_only"):
        parser.add_argument(f"--{name}", type=Any, help=SUPPRESS)
    config = parser.parse_args(with_packaged_configs(argv))
    ready = parser.instantiate_classes(config)
    out = None if ready.out is None else Path(ready.out)
    model = {} if ready.model is None else ready.model
    model = model if isinstance(model, Mapping) else vars(model)
    return _Request(ready.data, model.get("backbone"), out, ready.what_if)


def _backbone(settings: Any) -> Backbone:
    """The backbone of a configuration, as fit takes it; without one `Nano`."""
    if settings is None:
        return Nano()
    parser = Parser(prog="lit-causalmix inspect")
    parser.add_argument("--model.backbone", type=Backbone)
    config = parser.parse_object({"model": {"backbone": settings}})
    backbone: Backbone = parser.instantiate_classes(config).model.backbone
    return backbone


def _read(data: CausalMixDataModule) -> tuple[TableSplits, tuple[str, ...]]:
    """Reads the table, and gathers what is said meanwhile for the page; it is repeated after."""
    with noting() as remarks:
        splits = load_splits(data.table, data.split)
    if len(splits.val) < 2:
        raise ConfigurationError(
            "synthetic rows are measured against validation rows, which the generator does not "
            f"see, and there are {len(splits.val)}: raise data.split.val_fraction"
        )
    return splits, tuple(remarks)


def _compare(
    generator: Generator,
    splits: TableSplits,
    remarks: tuple[str, ...],
    data: CausalMixDataModule,
    out: Path,
    what_if: WhatIf | None,
) -> None:
    synthetic = generator.sample(len(splits.train), rng(data.seed, "inspect"))
    with Bar(total=7, desc="inspection", disable=not data.progress) as bar, single_thread():

        def step(name: str) -> None:
            bar.tell(name)
            bar.update()

        quality = assess(splits.train, splits.val, synthetic, seed=data.seed, on_step=step)
        step("pictures")
        inspection = Inspection(
            splits=splits,
            remarks=remarks,
            generator=type(generator).__name__,
            settings=generator.settings() | generator.draw_settings(),
            structure=(
                Structure(generator.edge_probabilities, generator.dags)
                if isinstance(generator, LearnsStructure)
                else None
            ),
            synthetic=synthetic,
            quality=quality,
            seed=data.seed,
            what_if=what_if,
        )
        write_page(out, build_page(inspection))
        bar.update()
