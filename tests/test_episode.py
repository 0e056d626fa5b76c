import torch

from lit_causalmix.episode import Episode


def test_to_moves_every_tensor_and_keeps_the_rest() -> None:
    episode = Episode(
        x_context=torch.zeros(3, 2),
        y_context=torch.zeros(3, dtype=torch.long),
        context_origin=torch.zeros(3, dtype=torch.int8),
        x_query=torch.zeros(1, 2),
        y_query=torch.zeros(1, dtype=torch.long),
        query_origin=torch.zeros(1, dtype=torch.int8),
        query_row=torch.zeros(1, dtype=torch.long),
        categorical=torch.zeros(2, dtype=torch.bool),
        n_classes=2,
        table_id=4,
    )
    moved = episode.to("meta")
    assert all(v.device.type == "meta" for v in vars(moved).values() if isinstance(v, torch.Tensor))
    assert (moved.n_classes, moved.table_id, moved.n_query) == (2, 4, 1)
    assert episode.x_context.device.type == "cpu"
