"""Error-correcting output codes: known answers, and a backbone beyond its own limit."""

from dataclasses import replace

import numpy as np
import pytest
import torch
from torch import Tensor

from lit_causalmix.backbones import ManyClasses, Tab2D
from lit_causalmix.backbones.many_classes import codebook, decoded_logits, n_words, step_words
from lit_causalmix.episode import Episode
from lit_causalmix.errors import LimitError
from lit_causalmix.prior import PriorSettings, draw_episode
from lit_causalmix.tables import SplitSpec, TableSpec, load_splits

N_CLASSES = 23


def episode() -> Episode:
    """One well-separated cluster per class."""
    generator = torch.Generator().manual_seed(0)
    centres = 10 * torch.randn(N_CLASSES, 3, generator=generator)
    y = torch.arange(N_CLASSES).repeat(6)
    x = centres[y] + 0.1 * torch.randn(len(y), 3, generator=generator)
    n = 4 * N_CLASSES
    origin = torch.zeros(len(y), dtype=torch.int8)
    return Episode(
        x_context=x[:n],
        y_context=y[:n],
        context_origin=origin[:n],
        x_query=x[n:],
        y_query=y[n:],
        query_origin=origin[n:],
        query_row=torch.arange(len(y) - n),
        categorical=torch.zeros(3, dtype=torch.bool),
        n_classes=N_CLASSES,
    )


def neighbours(e: Episode) -> Tensor:
    """Logits of a learner that knows the answer."""
    similar = torch.softmax(-torch.cdist(e.x_query, e.x_context), dim=1)
    shares = similar @ torch.nn.functional.one_hot(e.y_context, e.n_classes).float()
    return (shares + 1e-4).log()


@pytest.mark.parametrize(
    ("n_classes", "n_symbols", "n_rows"), [(11, 10, 8), (100, 10, 8), (9, 2, 16)]
)
def test_every_row_is_balanced_and_all_classes_differ(
    n_classes: int, n_symbols: int, n_rows: int
) -> None:
    book = codebook(n_classes, n_symbols)
    assert book.shape == (n_rows, n_classes)
    for row in book:
        counts = np.bincount(row, minlength=n_symbols)
        assert counts.max() - counts.min() <= 1
    differ = (book[:, :, None] != book[:, None, :]).sum(axis=0)
    assert differ[~np.eye(n_classes, dtype=bool)].min() >= 3  # one wrong row is outvoted


def test_a_book_is_always_the_same() -> None:
    first = codebook(30, 10).copy()
    codebook.cache_clear()
    np.testing.assert_array_equal(first, codebook(30, 10))


def test_decoding_finds_the_classes_that_the_symbols_stand_for() -> None:
    e = episode()
    logits = decoded_logits(neighbours, e, 10)
    assert logits.shape == (e.n_query, N_CLASSES)
    assert (logits.argmax(dim=1) == e.y_query).all()


def shuffled(e: Episode, seed: int) -> Episode:
    order = torch.randperm(len(e.y_context), generator=torch.Generator().manual_seed(seed))
    return replace(e, x_context=e.x_context[order], y_context=e.y_context[order])


def test_a_step_takes_the_fewest_words_and_every_word_as_often() -> None:
    e = episode()
    assert step_words(e, 10) == step_words(e, 10)
    chosen = [step_words(shuffled(e, seed), 10) for seed in range(400)]
    assert all(len(set(words)) == 2 == n_words(N_CLASSES, 10, training=True) for words in chosen)
    counts = np.bincount(np.ravel(chosen), minlength=8)
    assert (np.abs(counts - 100) < 40).all()  # 4.6 standard deviations


def test_the_mean_over_words_of_steps_is_what_all_words_say() -> None:
    e = episode()
    alike = [shuffled(e, seed) for seed in range(300)]
    steps = torch.stack([decoded_logits(neighbours, each, 10, training=True) for each in alike])
    whole = decoded_logits(neighbours, e, 10)
    deviation = steps.std(dim=0) / len(alike) ** 0.5
    assert ((steps.mean(dim=0) - whole).abs() < 6 * deviation + 1e-4).all()


def test_training_passes_two_words_and_evaluation_eight(monkeypatch: pytest.MonkeyPatch) -> None:
    model, e = ManyClasses(Tab2D(dim=16, n_layers=1, n_heads=2)), episode()
    passed: list[int] = []
    plain = model.backbone.forward

    def counted(episode: Episode) -> Tensor:
        passed.append(episode.n_classes)
        output: Tensor = plain(episode)
        return output

    monkeypatch.setattr(model.backbone, "forward", counted)
    model.train()(e)
    model.eval()(e)
    assert passed == [10] * (2 + 8)


def test_more_classes_than_symbols_can_be_fine_tuned() -> None:
    model = ManyClasses(Tab2D(dim=16, n_layers=1, n_heads=2))
    e = episode()
    loss = model.losses([e, e]).mean()
    assert float(loss.detach()) == pytest.approx(np.log(N_CLASSES), rel=0.3)
    loss.backward()
    assert all(p.grad is not None for p in model.parameters())
    optimizer = torch.optim.AdamW(model.parameters(), lr=1e-2)
    for _ in range(10):
        optimizer.zero_grad()
        step = model.loss(model(e), e)
        step.backward()
        optimizer.step()
    assert step < loss
    assert torch.allclose(model.predict(model(e), e).sum(dim=1), torch.ones(e.n_query))


def test_few_classes_pass_unchanged() -> None:
    inner = Tab2D(dim=16, n_layers=1, n_heads=2).eval()
    e = draw_episode(PriorSettings(max_classes=4), seed=0, epoch=0, index=0)
    model = ManyClasses(inner)
    assert torch.equal(model(e), inner(e))
    assert torch.equal(model.losses([e]), inner.losses([e]))
    assert model.parameter_groups().keys() == inner.parameter_groups().keys()


def test_limits_rise_for_classes_alone() -> None:
    inner = Tab2D(dim=16, n_layers=1, n_heads=2, max_columns=7)
    assert ManyClasses(inner).limits.classes == 100
    assert ManyClasses(inner).limits.columns == 7
    regressor = Tab2D(dim=16, n_layers=1, n_heads=2, task="regression")
    assert ManyClasses(regressor).limits == regressor.limits
    schema = load_splits(TableSpec("sklearn:wine"), SplitSpec()).train.schema
    with pytest.raises(LimitError, match="ManyClasses does classification only"):
        ManyClasses(inner).check(
            load_splits(TableSpec("sklearn:diabetes"), SplitSpec()).train.schema, 9
        )
    with pytest.raises(LimitError, match="at most 7 feature columns"):
        ManyClasses(inner).check(schema, 9)
