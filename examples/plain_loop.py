"""The datamodule in a plain PyTorch loop: no trainer, no task, no backbone, no command line.

A small network reads real and structural-causal-model rows of the German credit table, mixed half
and half, and is scored on real test rows that no part of the pipeline has seen.

Run it with `python examples/plain_loop.py`.
"""

from __future__ import annotations

import torch
from torch import Tensor, nn

from lit_causalmix.datamodules import CausalMixDataModule
from lit_causalmix.episode import Episode, RowOrigin
from lit_causalmix.metrics import CLASSIFICATION
from lit_causalmix.tables import SplitSpec, TableSpec


def rows(episode: Episode) -> tuple[Tensor, Tensor]:
    """All labelled rows of an episode; a plain network has no use for context and query."""
    x = torch.cat([episode.x_context, episode.x_query]).nan_to_num(0.0)
    return x, torch.cat([episode.y_context, episode.y_query])


def main(epochs: int = 10, cache_dir: str | None = None) -> float:
    """Trains for some epochs and returns the ROC-AUC on the real test rows."""
    data = CausalMixDataModule(
        TableSpec("german_credit"),
        SplitSpec(max_train_rows=300),
        synthetic_ratio=0.5,
        episodes_per_epoch=10,
        cache_dir=cache_dir,
    )
    data.prepare_data()  # discovery and SCM fit, on the training split alone; cached
    data.setup()

    torch.manual_seed(0)
    network = nn.Sequential(nn.Linear(len(data.encoder.columns), 32), nn.ReLU(), nn.Linear(32, 2))
    optimizer = torch.optim.AdamW(network.parameters(), lr=3e-3, weight_decay=0.1)
    loader = data.train_dataloader()
    for epoch in range(epochs):
        loader.episode_sampler.set_epoch(epoch)  # another epoch, other episodes
        for episode in loader:
            x, y = rows(episode)
            loss = nn.functional.cross_entropy(network(x), y)
            optimizer.zero_grad()
            loss.backward()
            optimizer.step()
        origins = torch.cat([episode.context_origin, episode.query_origin])
        share = (origins == RowOrigin.SYNTHETIC).float().mean()
        print(f"epoch {epoch}: loss {loss.item():.3f}, synthetic rows {share:.0%}")

    with torch.no_grad():
        tests = list(data.test_dataloader())
        predictions = torch.cat([network(e.x_query.nan_to_num(0.0)).softmax(1) for e in tests])
    targets = torch.cat([e.y_query for e in tests])
    roc_auc = CLASSIFICATION[0].function(predictions, targets).value
    print(f"test ROC-AUC {roc_auc:.3f}")
    return roc_auc


if __name__ == "__main__":
    main()
