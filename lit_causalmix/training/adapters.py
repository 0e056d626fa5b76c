"""Adapters: small trainable parts that are put into a frozen backbone."""

from __future__ import annotations

import copy
from abc import ABC, abstractmethod
from collections.abc import Sequence
from typing import ClassVar

import torch
from torch import nn

from lit_causalmix.backbones import Backbone
from lit_causalmix.errors import ConfigurationError
from lit_causalmix.seeding import derived_seed
from lit_causalmix.tables import Encoder
from lit_causalmix.tables.schema import Schema

LAYERS = "layers"
"""The parameter group whose linear maps are adapted by default."""


class Adapter(ABC):
    """Puts trainable parts into a backbone and freezes everything else.

    Until a training step is taken, the backbone predicts what it did, up to rounding.

    Attributes:
        libraries: Distribution names of what it computes with; noted with every result.
    """

    libraries: ClassVar[tuple[str, ...]] = ()

    @abstractmethod
    def insert(self, backbone: Backbone) -> Backbone:
        """Freezes the backbone and returns what is trained: itself, changed, or one around it.

        Raises:
            ConfigurationError: If there is nothing to adapt, or a package is missing.
        """

    def check_tables(self, schemas: Sequence[Schema]) -> None:  # noqa: B027  # most take any
        """Refuses tables that it cannot be trained on together.

        Raises:
            ConfigurationError: With what differs.
        """

    def specialise(self, backbone: Backbone, encoder: Encoder) -> bool:
        """Called on every rank once the table is known, before optimisers are made.

        Args:
            backbone: What `insert` returned.
            encoder: Of the table.

        Returns:
            Whether parameters were made that were not there before.

        Raises:
            ConfigurationError: If there is nothing in the table to adapt to.
        """
        return False

    @abstractmethod
    def merged(self, backbone: Backbone) -> Backbone:
        """The backbone to keep, with the same predictions up to rounding.

        Where the adapter can be worked into plain weights, it is a copy with the parameters, names
        and files of a backbone without an adapter; otherwise what `insert` returned.
        """

    def plain(self, backbone: Backbone) -> Backbone:
        """A backbone without the adapter's parts, which before training predicts alike."""
        return self.merged(backbone)


class LoRA(Adapter):
    """Low-rank adaptation (Hu et al., arXiv 2106.09685), by the package `peft`.

    A linear map W x becomes W x + alpha / r * B A x with A (r, inputs) random and B (outputs, r)
    zero. Needs `pip install 'lit-causalmix[lora]'`.

    The paper adapts the attention's query and value maps; by default all linear maps of the
    layers are adapted, attention and MLP [our choice, as in later practice]: for Tab2D `q`,
    `k`, `v`, `o` and `linear1` to `linear4`; for AxialTransformer, and with
    it Nano, `query`, `key`, `value`, `output`, `up` and `down`; for TabPFNV1 `query`, `key`,
    `value`, `out`, `linear1` and `linear2`.

    Args:
        r: Rank, at least 1.
        alpha: The update is scaled by alpha / r.
        dropout: Share of the adapter's inputs that are dropped in training.
        target: Ends of the names of the linear maps to adapt, such as [q, v]; null takes all linear
            maps of the parameter group "layers".
        seed: Source of the random A.

    Raises:
        ConfigurationError: For a rank below 1 or a dropout outside [0, 1).
    """

    libraries = ("peft",)

    def __init__(
        self,
        r: int = 8,
        alpha: int = 16,
        dropout: float = 0.0,
        target: Sequence[str] | None = None,
        seed: int = 0,
    ) -> None:
        if r < 1 or not 0.0 <= dropout < 1.0:
            raise ConfigurationError(
                f"LoRA needs r >= 1 and dropout in [0, 1), got r {r} and dropout {dropout}"
            )
        self.r = r
        self.alpha = alpha
        self.dropout = dropout
        self.target = target
        self.seed = seed

    def insert(self, backbone: Backbone) -> Backbone:
        try:
            from peft import LoraConfig, inject_adapter_in_model
        except ImportError as error:
            raise ConfigurationError(
                "LoRA needs the package peft: pip install 'lit-causalmix[lora]'"
            ) from error
        config = LoraConfig(
            r=self.r,
            lora_alpha=self.alpha,
            lora_dropout=self.dropout,
            target_modules=self.targets(backbone),
        )
        # peft draws A from torch's global generator.
        with torch.random.fork_rng(devices=[]):
            torch.default_generator.manual_seed(derived_seed(self.seed, "lora"))
            inject_adapter_in_model(config, backbone)
        return backbone

    def targets(self, backbone: Backbone) -> list[str]:
        """Full names of the linear maps that are adapted.

        Raises:
            ConfigurationError: If there are none.
        """
        linear = [n for n, m in backbone.named_modules() if isinstance(m, nn.Linear)]
        if self.target is not None:
            chosen = [n for n in linear if any(f".{n}".endswith(f".{end}") for end in self.target)]
        else:
            group = {id(p) for p in backbone.parameter_groups().get(LAYERS, [])}
            chosen = [n for n in linear if id(backbone.get_submodule(n).weight) in group]
        if not chosen:
            wanted = f"the parameter group {LAYERS!r}" if self.target is None else self.target
            ends = ", ".join(sorted({name.rsplit(".", 1)[-1] for name in linear}))
            raise ConfigurationError(
                f"LoRA finds no linear map for target {wanted} in {type(backbone).__name__}: set "
                f"target to ends of names, there are {ends or 'none'}"
            )
        return chosen

    def merged(self, backbone: Backbone) -> Backbone:
        from peft.tuners.tuners_utils import BaseTunerLayer

        plain = copy.deepcopy(backbone)
        adapted = {n: m for n, m in plain.named_modules() if isinstance(m, BaseTunerLayer)}
        for name, module in adapted.items():
            module.merge()
            plain.set_submodule(name, module.get_base_layer())
        return plain
