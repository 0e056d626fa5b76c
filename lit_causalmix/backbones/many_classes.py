"""More classes than a backbone was made for: error-correcting output codes over its own classes.

The idea is Dietterich and Bakiri's (JAIR 1995), its use around an in-context learner that of
TabPFN's ManyClassClassifier: every code word names the classes anew with at most as many symbols as
the backbone knows, the backbone predicts the symbols, and a class is as likely as all its symbols.
"""

from __future__ import annotations

import functools
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any, Self

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from lit_causalmix.backbones.base import Backbone, EncodedContext, Limits
from lit_causalmix.backbones.description import described, rebuilt
from lit_causalmix.backbones.memory import StepShape
from lit_causalmix.backbones.wrapping import WrappingBackbone
from lit_causalmix.episode import Episode
from lit_causalmix.files.digests import number_of, of_array
from lit_causalmix.seeding import rng

REDUNDANCY = 4
"""Code words for each one that telling the classes apart takes, as in ManyClassClassifier."""

_CANDIDATES = 100


@functools.lru_cache(maxsize=32)
def codebook(n_classes: int, n_symbols: int) -> NDArray[np.int64]:
    """Names `n_classes` classes with `n_symbols` symbols, several times: int64 (E, n_classes).

    Each of E = `REDUNDANCY` * ceil(log(n_classes) / log(n_symbols)) rows spreads the classes
    evenly. Of a hundred random books the one is taken whose closest classes differ in most rows
    [our choice]. A pure function of its arguments.

    Example:
        >>> codebook(30, 10).shape
        (8, 30)
    """
    n_rows = REDUNDANCY * _fewest_rows(n_classes, n_symbols)
    generator = rng(0, "codebook", n_classes, n_symbols)
    even = np.arange(n_classes) % n_symbols
    books = [
        np.stack([generator.permutation(even) for _ in range(n_rows)]) for _ in range(_CANDIDATES)
    ]
    return max(books, key=_least_distance)


def n_words(n_classes: int, n_symbols: int | None, *, training: bool = False) -> int:
    """Forward passes that so many classes take: 1 where there are symbols for all of them.

    Args:
        n_classes: Classes of the table; 0 for regression.
        n_symbols: Classes of the backbone; None or 0 is no limit.
        training: Whether it is for a step of training, which takes the fewest (`step_words`).

    Example:
        >>> n_words(10, 10), n_words(30, 10), n_words(30, 10, training=True)
        (1, 8, 2)
    """
    if not n_symbols or n_classes <= n_symbols:
        return 1
    fewest = _fewest_rows(n_classes, n_symbols)
    return fewest if training else REDUNDANCY * fewest


def step_words(episode: Episode, n_symbols: int) -> list[int]:
    """The code words by which an episode trains: as many as tell the classes apart at least.

    A random subset for each episode, so that the mean over episodes of what decoding adds up is
    that of all words, at the cost of a few [our choice]. A pure function of the context's labels,
    whose order every episode draws anew.

    Args:
        episode: A classification episode of more than `n_symbols` classes.
        n_symbols: Classes of the backbone.

    Returns:
        Ascending row numbers of `codebook`.
    """
    labels = number_of(of_array(episode.y_context.cpu().numpy()))
    fewest = _fewest_rows(episode.n_classes, n_symbols)
    chosen = rng(labels, "code words").choice(REDUNDANCY * fewest, size=fewest, replace=False)
    return sorted(chosen.tolist())


def _fewest_rows(n_classes: int, n_symbols: int) -> int:
    """How many symbols in a row tell the classes apart at least."""
    rows, told_apart = 1, n_symbols
    while told_apart < n_classes:
        rows, told_apart = rows + 1, told_apart * n_symbols
    return rows


def _least_distance(book: NDArray[np.int64]) -> int:
    """In how many rows the two most similar classes differ."""
    differ = (book[:, :, None] != book[:, None, :]).sum(axis=0)
    return int(differ[np.triu_indices(book.shape[1], k=1)].min())


def decoded_logits(
    forward: Callable[[Episode], Tensor],
    episode: Episode,
    n_symbols: int,
    *,
    training: bool = False,
) -> Tensor:
    """Logits of all classes from forward passes over at most `n_symbols`: float32 (Q, n_classes).

    The logarithms of a class's symbols are averaged over the code words and weighted as the fewest
    that tell the classes apart: as if redundant ones told nothing new [our choice]. Differentiable
    as `forward` is; time and memory are those of so many forward passes.

    Args:
        forward: Maps an episode to logits (Q, n_classes of the episode).
        episode: A classification episode.
        n_symbols: Most classes that `forward` takes.
        training: Whether `step_words` alone are passed.
    """
    n_rows = n_words(episode.n_classes, n_symbols)
    words = step_words(episode, n_symbols) if training else range(n_rows)
    return _decoded(dict.fromkeys(words, forward), episode, n_symbols)


def _decoded(
    forwards: Mapping[int, Callable[[Episode], Tensor]], episode: Episode, n_symbols: int
) -> Tensor:
    """`decoded_logits` with a function for each code word, as contexts may be encoded apart."""
    book = torch.from_numpy(codebook(episode.n_classes, n_symbols)).to(episode.x_query.device)
    total = torch.zeros(episode.n_query, episode.n_classes, device=episode.x_query.device)
    for word, forward in forwards.items():
        row = book[word]
        logits = forward(_coded(episode, row, n_symbols))
        total = total + logits.float().log_softmax(dim=-1)[:, row]
    return total * (_fewest_rows(episode.n_classes, n_symbols) / len(forwards))


def _coded(episode: Episode, row: Tensor, n_symbols: int) -> Episode:
    """The episode with the symbols of one code word, int64 (n_classes,), for classes."""
    return replace(episode, y_context=row[episode.y_context], n_classes=n_symbols)


@dataclass(frozen=True, eq=False)
class EncodedWords:
    """A context with many classes, encoded once for each code word.

    Attributes:
        words: The encoded contexts.
        n_symbols: Classes of each.
    """

    words: list[EncodedContext]
    n_symbols: int

    @classmethod
    def of(
        cls, encode: Callable[[Episode], EncodedContext], episode: Episode, n_symbols: int
    ) -> EncodedWords:
        book = torch.from_numpy(codebook(episode.n_classes, n_symbols)).to(episode.x_query.device)
        return cls([encode(_coded(episode, row, n_symbols)) for row in book], n_symbols)

    def output(self, episode: Episode) -> Tensor:
        outputs = {index: word.output for index, word in enumerate(self.words)}
        return _decoded(outputs, episode, self.n_symbols)


class ManyClasses(WrappingBackbone):
    """Lets a classifier of few classes take many, zero-shot and in fine-tuning.

    Episodes within the backbone's own limit pass unchanged; others take 8 forward passes up to 100
    classes for a backbone of 10, and 2 in training (see `decoded_logits`, `step_words`). Rare
    classes stay hard: each needs context rows of its own.

    Args:
        backbone: The classifier.
        max_classes: Limit on classes.
    """

    def __init__(self, backbone: Backbone, max_classes: int = 100) -> None:
        super().__init__(backbone)
        self.max_classes = max_classes

    @property
    def limits(self) -> Limits:
        own = self.backbone.limits
        classes = max(own.classes, self.max_classes) if own.classes else own.classes
        return replace(own, classes=classes)

    def forward(self, episode: Episode) -> Tensor:
        own = self.backbone.limits.classes
        if not own or episode.n_classes <= own:
            output: Tensor = self.backbone(episode)
            return output
        return decoded_logits(self.backbone, episode, own, training=self.training)

    def encode_context(self, episode: Episode) -> EncodedContext:
        own = self.backbone.limits.classes
        if not own or episode.n_classes <= own:
            return self.backbone.encode_context(episode)
        return EncodedWords.of(self.backbone.encode_context, episode, own)

    def context_bytes(self, episode: Episode) -> int:
        kept = self.backbone.context_bytes(episode)
        return kept * n_words(episode.n_classes, self.backbone.limits.classes)

    def step_bytes(self, shape: StepShape) -> int | None:
        own = self.backbone.limits.classes
        words = n_words(shape.n_classes, own, training=shape.training)
        if words == 1:
            return self.backbone.step_bytes(shape)
        found = self.backbone.step_bytes(shape.words(words))
        if found is None or shape.training:
            return found
        kept = self.context_bytes(shape.context()) if shape.encoded else 0
        return found + kept - kept // words

    def losses(self, episodes: Sequence[Episode]) -> Tensor:
        own = self.backbone.limits.classes
        if own and any(episode.n_classes > own for episode in episodes):
            return super().losses(episodes)
        return self.backbone.losses(episodes)

    def arguments(self) -> dict[str, Any]:
        return {"backbone": described(self.backbone), "max_classes": self.max_classes}

    @classmethod
    def rebuilt(cls, arguments: Mapping[str, Any]) -> Self:
        return cls(**{**arguments, "backbone": rebuilt(arguments["backbone"])})
