"""Retouche: an adapter of the inputs, for any backbone that has gradients in them."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import cast

from lit_causalmix.backbones import Backbone
from lit_causalmix.backbones.retouched import Retouched
from lit_causalmix.errors import ConfigurationError
from lit_causalmix.tables import Encoder
from lit_causalmix.tables.schema import Schema
from lit_causalmix.training.adapters import Adapter


class Retouche(Adapter):
    """A small correction of the inputs, trained through the frozen backbone (arXiv 2605.06047).

    Published: a residual adapter on the inputs, which any backbone can be behind, trained end to
    end while the model stays frozen; one form is the cross network of DCN-V2; where validation rows
    do not gain, the model is used without it. Here that last rule is the selection's: zero-shot is
    the first candidate of every fit. Our choice: the numerical columns alone are read and changed,
    categories and gaps stay; values are the encoder's, in training standard deviations, and level
    off; the cross network has low rank; the correction is bound · tanh(…), the same for context and
    query rows, and starts at zero, so that the first predictions are zero-shot to the bit.

    It belongs to the columns of one table, or of several with the same columns. A kept model holds
    it; it cannot be worked into the weights, so that `PretrainedFolder` refuses it.

    Args:
        rank: Rank of the correction's maps, at least 1.
        n_layers: Cross layers; 0 leaves a linear map below the tanh.
        bound: Largest correction, in training standard deviations of the column.
        seed: Source of the maps that do not start at zero.

    Raises:
        ConfigurationError: For a rank below 1, a negative `n_layers`, or a bound not above 0.

    Example:
        >>> from lit_causalmix.backbones import Tab2D
        >>> Retouche(bound=0.2).insert(Tab2D(dim=16, n_layers=1)).parameter_groups().keys()
        dict_keys(['retouche', 'embedding', 'layers', 'head'])
    """

    def __init__(self, rank: int = 8, n_layers: int = 2, bound: float = 0.5, seed: int = 0) -> None:
        if rank < 1 or n_layers < 0 or not 0 < bound < math.inf:
            raise ConfigurationError(
                "Retouche needs rank >= 1, n_layers >= 0 and a finite bound > 0, got rank "
                f"{rank}, n_layers {n_layers} and bound {bound}"
            )
        self.rank, self.n_layers, self.bound, self.seed = rank, n_layers, bound, seed

    def insert(self, backbone: Backbone) -> Backbone:
        if not backbone.differentiable:
            raise ConfigurationError(
                f"{type(backbone).__name__} gives no gradient in its inputs, which Retouche is "
                "trained by: choose another backbone, or the adapter LoRA"
            )
        return Retouched(backbone, self.rank, self.n_layers, self.bound, self.seed)

    def check_tables(self, schemas: Sequence[Schema]) -> None:
        columns = list(dict.fromkeys(tuple(c.name for c in schema.features) for schema in schemas))
        if len(columns) > 1:
            raise ConfigurationError(
                "Retouche belongs to the columns of one table, and these tables differ in theirs "
                f"({' / '.join(', '.join(names[:4]) for names in columns[:2])}): choose another "
                "model.adapter"
            )

    def specialise(self, backbone: Backbone, encoder: Encoder) -> bool:
        if encoder.categorical.all():
            raise ConfigurationError(
                "Retouche corrects numerical columns, and the table has none: leave the adapter out"
            )
        return cast("Retouched", backbone).fit_columns(len(encoder.columns))

    def merged(self, backbone: Backbone) -> Backbone:
        return backbone

    def plain(self, backbone: Backbone) -> Backbone:
        return cast("Retouched", backbone).backbone
