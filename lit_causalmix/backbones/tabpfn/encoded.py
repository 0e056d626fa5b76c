"""What TabPFN keeps of a context that several chunks of query rows ask."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from torch import Tensor

from lit_causalmix.backbones.tabpfn.member import Member
from lit_causalmix.episode import Episode

if TYPE_CHECKING:
    from lit_causalmix.backbones.tabpfn.backbone import TabPFN


@dataclass(frozen=True, eq=False)
class EncodedTabPFN:
    """What TabPFN keeps of a context.

    Attributes:
        backbone: The model, with the weights of then.
        member: The fitted preprocessing.
        present: int64, the classes that the context shows.
        cache: The package's keys and values.
    """

    backbone: TabPFN
    member: Member
    present: Tensor
    cache: Any

    def output(self, episode: Episode) -> Tensor:
        x, categorical = self.member.rows(episode.x_query)
        output = self.backbone.run(
            x[len(self.member.y) :],
            None,
            categorical,
            episode,
            kv_cache=self.cache,
            x_is_test_only=True,
        )
        return self.backbone.finished(output, self.member, self.present, episode)
