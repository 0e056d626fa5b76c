"""Names of classes and modules that outlive a move: what YAML, keys and old configurations hold.

A class of this package is known by the shortest path that exports it
(`lit_causalmix.generators.SCMGenerator`), wherever it is defined. Modules that have moved stay
importable under their old names.
"""

from __future__ import annotations

import sys
from collections.abc import Iterable, Sequence
from difflib import get_close_matches
from importlib import import_module
from importlib.abc import Loader, MetaPathFinder
from importlib.machinery import ModuleSpec
from types import ModuleType
from typing import Any

MOVED = {
    f"lit_causalmix.{old}": f"lit_causalmix.{new}"
    for old, new in {
        "adapters": "training.adapters",
        "optim": "training.optim",
        "schedules": "training.schedules",
        "selection": "training.selection",
        "task": "training.task",
    }.items()
}
"""Modules by their old names, under which configurations of users may name classes."""

_OLD_MODULES = {
    "backbones": {"Nano": "nano", "Tab2D": "tab2d", "TabPFNV1": "tabpfn_v1"},
    "callbacks": {
        "BestWeights": "best_weights",
        "ConfidenceCurriculum": "curriculum",
        "DomainMetrics": "domain_metrics",
        "EMAWeights": "ema",
        "FGSM": "fgsm",
        "GeneratorQuality": "generator_quality",
        "RatioSchedule": "ratio_schedule",
        "ScoreTrajectory": "trajectory",
        "WeightInterpolation": "interpolation",
        "ZeroShotBaseline": "zero_shot",
        "ZeroShotEarlyStopping": "early_stopping",
    },
    "generators": {
        "CTGANGenerator": "ctgan",
        "DagTFMGenerator": "dag_tfm",
        "IndependentColumnsGenerator": "independent",
        "JitterGenerator": "jitter",
        "MixedModelGenerator": "mixed_model",
        "RelabelledGenerator": "relabelled",
        "SCMGenerator": "scm",
        "TabEBMGenerator": "tabebm",
        "TableAugmentGenerator": "table_augment",
    },
}
_OLD_TRAINING = {
    "adapters": ("LoRA",),
    "optim": ("MuonAdamW",),
    "schedules": ("Constant", "Cosine", "Linear", "Step"),
    "selection": (
        "CautiousValidation",
        "FixedBudget",
        "MixedValidation",
        "RealValidation",
        "SyntheticValidation",
    ),
}
OLD_NAMES = {
    **{
        f"lit_causalmix.{package}.{name}": f"lit_causalmix.{package}.{module}.{name}"
        for package, modules in _OLD_MODULES.items()
        for name, module in modules.items()
    },
    **{
        f"lit_causalmix.training.{name}": f"lit_causalmix.{module}.{name}"
        for module, names in _OLD_TRAINING.items()
        for name in names
    },
}
"""Public name → the one that the keys of published results hold; no class is added here."""


def public_name(kind: type) -> str:
    """The shortest dotted path that leads to a class of this package; elsewhere its own module.

    Example:
        >>> from lit_causalmix.generators.scm import SCMGenerator
        >>> public_name(SCMGenerator)
        'lit_causalmix.generators.SCMGenerator'
    """
    parts = kind.__module__.split(".")
    if parts[0] == __package__:
        for end in range(1, len(parts)):
            package = ".".join(parts[:end])
            if getattr(import_module(package), kind.__qualname__, None) is kind:
                return f"{package}.{kind.__qualname__}"
    return f"{kind.__module__}.{kind.__qualname__}"


def key_name(kind: type) -> str:
    """The name of a class in the keys of results: public, or as the kept results have it.

    Example:
        >>> from lit_causalmix.training import CautiousValidation
        >>> key_name(CautiousValidation)
        'lit_causalmix.selection.CautiousValidation'
    """
    name = public_name(kind)
    return OLD_NAMES.get(name, name)


def resolve(path: str) -> Any:
    """What a dotted path names: a class, as a rule."""
    module, _, name = path.rpartition(".")
    return getattr(import_module(module), name)


def meant(name: str, known: Iterable[str]) -> str:
    """` (did you mean X?)`, or nothing where no known name is close.

    Example:
        >>> meant("Nanoo", ["Nano", "Tab2D"])
        ' (did you mean Nano?)'
        >>> meant("zzz", ["Nano", "Tab2D"])
        ''
    """
    close = get_close_matches(name, sorted(set(known)), n=1, cutoff=0.7)
    return f" (did you mean {close[0]}?)" if close else ""


class _Alias(Loader):
    def __init__(self, target: str) -> None:
        self.target = target

    def create_module(self, spec: ModuleSpec) -> ModuleType:
        return import_module(self.target)

    def exec_module(self, module: ModuleType) -> None:
        pass


class _MovedModules(MetaPathFinder):
    """Finds moved modules under their old names."""

    def find_spec(
        self, fullname: str, path: Sequence[str] | None, target: ModuleType | None = None
    ) -> ModuleSpec | None:
        new = MOVED.get(fullname)
        return None if new is None else ModuleSpec(fullname, _Alias(new))


def keep_old_names() -> None:
    """Makes the modules of `MOVED` importable; called once, when the package is imported."""
    if not any(isinstance(finder, _MovedModules) for finder in sys.meta_path):
        sys.meta_path.append(_MovedModules())
