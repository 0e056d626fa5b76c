"""What a Tab2D keeps of a context that several chunks of query rows ask."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from torch import Tensor

from lit_causalmix.backbones.tab2d.network import EncodedTables
from lit_causalmix.backbones.tab2d.preprocessing import filled
from lit_causalmix.episode import Episode

if TYPE_CHECKING:
    from lit_causalmix.backbones.tab2d.backbone import Tab2D


@dataclass(frozen=True, eq=False)
class EncodedTab2D:
    """What a Tab2D keeps of a context.

    Attributes:
        backbone: The model, with the weights of then.
        mean: float32 (1, F), what fills gaps.
        varies: bool (F,), the columns that are read.
        encoded: Places and keys of the context rows.
    """

    backbone: Tab2D
    mean: Tensor
    varies: Tensor
    encoded: EncodedTables

    def output(self, episode: Episode) -> Tensor:
        x = filled(episode.x_query, self.mean)[None, :, self.varies]
        return self.backbone.finished(self.backbone.network.query(x, self.encoded)[0], episode)
