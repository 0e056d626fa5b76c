"""What the number of torch's threads changes: nothing from run to run, last digits from 1 to 2."""

from collections.abc import Iterator

import pytest
import torch

from lit_causalmix.backbones import Nano
from lit_causalmix.episode import Episode


@pytest.fixture
def threads() -> Iterator[None]:
    before = torch.get_num_threads()
    yield
    torch.set_num_threads(before)


def trained(n_threads: int) -> list[torch.Tensor]:
    """The weights after two steps."""
    torch.set_num_threads(n_threads)
    generator = torch.Generator().manual_seed(0)
    x = torch.randn(380, 12, generator=generator)
    y = (x[:, 0] + torch.randn(380, generator=generator) > 0).long()
    episode, backbone = Episode.of_rows(x, y, 300, 2), Nano()
    optimizer = torch.optim.SGD(backbone.parameters(), lr=1e-3)
    for _ in range(2):
        backbone.loss(backbone(episode), episode).backward()
        optimizer.step()
        optimizer.zero_grad()
    return [parameter.detach() for parameter in backbone.parameters()]


@pytest.mark.usefixtures("threads")
def test_the_same_number_of_threads_gives_the_same_bits_another_one_nearly() -> None:
    one, two, again = trained(1), trained(2), trained(2)
    for a, b, c in zip(one, two, again, strict=True):
        assert torch.equal(b, c)
        torch.testing.assert_close(a, b, rtol=1e-4, atol=1e-6)
