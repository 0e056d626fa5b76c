"""Runs a command of the package and says where its processor seconds went.

    python benchmarks/phases.py OUT.json fit --config quickstart

Each second counts once, for the innermost phase: a library that a fit imports when it needs it is
`imports`, a checkpoint that a validation writes is `checkpoints`. Names that a tree does not have
are passed over: their time is then that of the phase around them.
"""

from __future__ import annotations

import functools
import json
import resource
import runpy
import sys
import time
from collections import defaultdict
from collections.abc import Callable
from importlib import machinery
from pathlib import Path
from typing import Any

SCORING = "zero-shot and trajectory"
PROBES = {
    "lit_causalmix.training.task": {"CausalMixTask.training_step": "forward"},
    "lightning.pytorch.core.module": {"LightningModule.backward": "backward"},
    "torch.optim.adam": {"Adam.step": "optimiser"},
    "lightning.pytorch.loops.evaluation_loop": {"_EvaluationLoop.run": "validation and test"},
    "lit_causalmix.training.selecting": {
        "SelectingModule.zero_shot": SCORING,
        "SelectingModule.select": "checkpoints",
    },
    "lit_causalmix.training.scoring": {"score_stage": SCORING},
    "lit_causalmix.callbacks.fgsm": {"FGSM.on_test_epoch_end": "FGSM"},
    "lit_causalmix.study.fit_config": {"FitCLI.values": "configuration"},
    "lit_causalmix.commands.study": {"_prepared": "plan"},
    "lit_causalmix.generators.parts.cache": {"fit_or_load": "generator"},
    "lit_causalmix.causal.learn": {"learn": "SCM fit", "find_graphs": "discovery"},
    "lit_causalmix.datamodules.stream": {"MixtureStream.episode": "data"},
    "lit_causalmix.training.references": {"ReferenceScores.of": "reference models"},
    "lightning.pytorch.trainer.trainer": {"Trainer.save_checkpoint": "checkpoints"},
    "lit_causalmix.callbacks.best_weights": {"_holds": "checkpoints"},
    "lit_causalmix.callbacks.run_report": {"RunReport.on_settled": "curves and report"},
    "lit_causalmix.commands.trainer": {"TrainerCLI._keep_model": "kept model"},
    "lit_causalmix.configuration.parser": {"ConfiguredCLI.parse_arguments": "configuration"},
    "lightning.pytorch.cli": {"LightningCLI.instantiate_classes": "configuration"},
}
"""Module → function → phase."""

WHOLE = frozenset({"plan"})
"""Phases that keep what runs within them, imports apart."""


class Clock:
    """Processor seconds by phase, of which one runs at a time."""

    def __init__(self) -> None:
        self.seconds: dict[str, float] = defaultdict(float)
        self._running = ["the rest"]
        self._since = 0.0  # of the process, so that starting the interpreter counts

    def _charge(self) -> None:
        now = time.process_time()
        self.seconds[self._running[-1]] += now - self._since
        self._since = now

    def timed(self, function: Callable[..., Any], phase: str) -> Callable[..., Any]:
        """The function, whose calls count for a phase."""

        @functools.wraps(function)
        def call(*args: Any, **kwargs: Any) -> Any:
            self._charge()
            kept = WHOLE.intersection(self._running) and phase != "imports"
            self._running.append(self._running[-1] if kept else phase)
            try:
                return function(*args, **kwargs)
            finally:
                self._charge()
                self._running.pop()

        return call

    def stop(self) -> dict[str, float]:
        """The seconds so far."""
        self._charge()
        return dict(self.seconds)


def watch(clock: Clock) -> None:
    """Times the execution of modules, and each probe once its module is there."""

    def probing(execute: Callable[..., None]) -> Callable[..., None]:
        timed = clock.timed(execute, "imports")

        @functools.wraps(execute)
        def run(loader: Any, module: Any) -> None:
            timed(loader, module)
            for path, phase in PROBES.get(module.__name__, {}).items():
                *owners, name = path.split(".")
                owner = functools.reduce(lambda o, n: getattr(o, n, None), owners, module)
                function = vars(owner).get(name) if owner is not None else None
                if isinstance(function, classmethod):
                    setattr(owner, name, classmethod(clock.timed(function.__func__, phase)))
                elif function is not None:
                    setattr(owner, name, clock.timed(function, phase))

        return run

    for loader in (machinery.SourceFileLoader, machinery.ExtensionFileLoader):
        loader.exec_module = probing(loader.exec_module)  # type: ignore[method-assign,assignment]
        create = clock.timed(loader.create_module, "imports")
        loader.create_module = create  # type: ignore[method-assign]


def main() -> int:
    """Runs the command and writes its seconds and its peak of memory."""
    out, command = Path(sys.argv[1]), sys.argv[2:]
    del sys.path[0]  # this folder's names must not stand in for libraries
    clock = Clock()
    watch(clock)
    sys.argv[1:] = command
    try:
        runpy.run_module("lit_causalmix", run_name="__main__")  # its name in every tree
    except SystemExit as end:
        code = int(end.code or 0)
    usage = resource.getrusage(resource.RUSAGE_SELF)
    content = {"seconds": clock.stop(), "megabytes": usage.ru_maxrss * 1024 / 1e6}
    out.write_text(json.dumps(content), encoding="utf-8")
    return code


if __name__ == "__main__":
    sys.exit(main())
