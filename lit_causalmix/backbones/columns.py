"""Tables wider than a model reads: each context chooses columns by its targets."""

from __future__ import annotations

from dataclasses import dataclass, replace

import torch
from torch import Tensor
from torch.nn.functional import one_hot

from lit_causalmix.backbones.base import EncodedContext
from lit_causalmix.backbones.tab2d.preprocessing import impute, quantile_features
from lit_causalmix.episode import Episode
from lit_causalmix.seeding import rng


def relevance(x: Tensor, y: Tensor, n_classes: int) -> Tensor:
    """How much of each column the target explains, alone and by its class means or linearly: (F,).

    Both are the share of the column's variance, in [0, 1]: eta squared of an analysis of variance
    (what `SelectKBest(f_classif)` orders by), and the squared correlation (`f_regression`).

    Args:
        x: float32 (R, F), finite, standardised; zero in constant columns.
        y: int64 (R,) classes, or float32 (R,) numbers.
        n_classes: Number of classes; 0 for regression.
    """
    if not n_classes:
        centred = y.float() - y.float().mean()
        covariance = centred @ x / len(y)
        return covariance.square() / centred.square().mean().clamp_min(1e-12)
    members = one_hot(y, n_classes).float()
    size = members.sum(dim=0)
    means = members.T @ x / size.clamp_min(1)[:, None]
    return (size / len(y)) @ means.square()


def kept_columns(episode: Episode, most: int) -> Tensor | None:
    """The `most` columns that the context's targets tell most about: int64, ascending; None: all.

    A filter by one column at a time is the field's usual answer (AutoGluon does it for Mitra); it
    may miss columns that tell something only together. Columns are compared by their places among
    the context's quantiles, as Tab2D sees them [our choice]. No query row takes part. Ties go to
    the earlier column.
    """
    if episode.x_context.shape[1] <= most:
        return None
    with torch.no_grad():
        x, _ = impute(episode.x_context, episode.x_context[:0])
        places = quantile_features(x[None], x[None, :0])[0][0]
        told = relevance(places, episode.y_context, episode.n_classes)
        return told.argsort(descending=True, stable=True)[:most].sort().values


def only_columns(episode: Episode, kept: Tensor | None) -> Episode:
    """Leaves these columns of an episode; None leaves all."""
    if kept is None:
        return episode
    return replace(
        episode,
        x_context=episode.x_context[:, kept],
        x_query=episode.x_query[:, kept],
        categorical=episode.categorical[kept],
        nominal=None if episode.nominal is None else episode.nominal[kept],
    )


def keep_columns(episode: Episode, most: int) -> Episode:
    """Leaves the `most` columns that the context's targets tell most about, in their order."""
    return only_columns(episode, kept_columns(episode, most))


def permuted_codes(episode: Episode, seed: int) -> tuple[Tensor, Tensor]:
    """Context and query rows with the codes of each column of unordered categories permuted.

    A permutation is over the codes up to the largest one of the context, so that all chunks of a
    query agree; codes beyond, and gaps, stay.

    Args:
        episode: The rows; `nominal` says which columns.
        seed: Of the permutations, with the number of the column.
    """
    x_context, x_query = episode.x_context.clone(), episode.x_query.clone()
    columns = [] if episode.nominal is None else episode.nominal.nonzero().flatten().tolist()
    for column in columns:
        count = 1 + int(x_context[:, column].nan_to_num(0.0).max())
        order = torch.from_numpy(rng(seed, "codes", column).permutation(count)).to(x_context)
        for x in (x_context, x_query):
            codes = x[:, column]
            moved = (codes >= 0) & (codes < count)
            x[:, column] = torch.where(moved, order[torch.where(moved, codes, 0.0).long()], codes)
    return x_context, x_query


@dataclass(frozen=True, eq=False)
class EncodedColumns:
    """A context of which some columns were encoded.

    Attributes:
        encoded: What they became.
        kept: int64, the columns.
    """

    encoded: EncodedContext
    kept: Tensor

    def output(self, episode: Episode) -> Tensor:
        return self.encoded.output(only_columns(episode, self.kept))
