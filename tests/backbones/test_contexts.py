"""A context that several chunks share is read once, and what comes out stays the same."""

import json
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest
import torch
from torch import Tensor

from lit_causalmix.backbones import AxialTransformer, Backbone, Nano, Tab2D, contexts
from lit_causalmix.backbones.contexts import ContextMemory, fingerprint
from lit_causalmix.commands.main import main
from lit_causalmix.episode import Episode
from lit_causalmix.prior import PriorSettings, draw_episode
from lit_causalmix.training.task import CausalMixTask


class Counted(Tab2D):
    """Counts how often a context is read, alone and beside query rows."""

    encoded = 0
    plain = 0

    def encode_context(self, episode: Episode):  # type: ignore[no-untyped-def]
        self.encoded += 1
        return super().encode_context(episode)

    def forward(self, episode: Episode) -> Tensor:
        self.plain += 1
        return super().forward(episode)


@pytest.fixture
def episode() -> Episode:
    drawn = draw_episode(PriorSettings(), seed=0, epoch=0, index=0)
    return replace(drawn, context_shared=True)


def chunks(episode: Episode, size: int = 5) -> list[Episode]:
    return [
        replace(episode, x_query=x, y_query=y)
        for x, y in zip(episode.x_query.split(size), episode.y_query.split(size), strict=True)
    ]


def answers(task: CausalMixTask, parts: list[Episode]) -> Tensor:
    with torch.no_grad():
        return torch.cat([task.evaluate(part)["predictions"] for part in parts])


def test_one_context_is_read_once(episode: Episode) -> None:
    backbone = Counted(dim=16, n_layers=2)
    task = CausalMixTask(backbone).eval()
    parts = chunks(episode)
    assert len(parts) > 3
    found = answers(task, parts)
    assert (backbone.encoded, backbone.plain) == (1, 0)
    with torch.no_grad():
        expected = backbone.predict(backbone(episode), episode)
    torch.testing.assert_close(found, expected, atol=1e-6, rtol=1e-6)


def test_equal_contexts_in_other_tensors_are_known_again(episode: Episode) -> None:
    backbone = Counted(dim=16, n_layers=2)
    x = episode.x_context.clone()
    x[0, 0] = torch.nan
    gaps = replace(episode, x_context=x)
    task = CausalMixTask(backbone).eval()
    answers(task, [gaps, gaps.to("cpu", copy=True)])
    assert backbone.encoded == 1
    answers(task, [episode, gaps])
    assert backbone.encoded == 3
    named = replace(gaps, nominal=torch.ones_like(gaps.categorical))
    answers(task, [named, replace(named, nominal=named.nominal.clone())])
    assert backbone.encoded == 4


@pytest.mark.parametrize("change", [lambda p: p.data.mul_(2), lambda p: p.mul_(-1)])
def test_changed_weights_are_noticed(episode: Episode, change: Callable[[Tensor], Tensor]) -> None:
    backbone = Counted(dim=16, n_layers=2)
    task = CausalMixTask(backbone).eval()
    parts = chunks(episode)
    first = answers(task, parts[:1])
    with torch.no_grad():
        change(backbone.network.layers[0].attention1.v.weight)
    again = answers(task, parts[:1])
    assert backbone.encoded == 2
    with torch.no_grad():
        expected = backbone.predict(backbone(parts[0]), parts[0])
    torch.testing.assert_close(again, expected, atol=1e-6, rtol=1e-6)
    assert not torch.allclose(again, first, atol=1e-6)


def test_what_is_alone_too_large_or_trained_takes_the_plain_path(
    episode: Episode, monkeypatch: pytest.MonkeyPatch
) -> None:
    backbone = Counted(dim=16, n_layers=2)
    task = CausalMixTask(backbone).eval()
    answers(task, [replace(episode, context_shared=False)])
    task.train()
    task.evaluate(episode)
    task.eval()
    task.evaluate(episode)["loss"].backward()  # with gradients
    monkeypatch.setattr(contexts, "MOST_BYTES", backbone.context_bytes(episode) - 1)
    answers(task, [episode])
    assert (backbone.encoded, backbone.plain) == (0, 4)


def test_training_frees_what_was_kept(episode: Episode) -> None:
    task = CausalMixTask(Tab2D(dim=16, n_layers=2)).eval()
    answers(task, [episode])
    assert task._contexts._kept is not None
    task.train()
    assert task._contexts._kept is None


def test_bytes_are_those_of_keys_and_values(episode: Episode) -> None:
    def held(keys: list[tuple[Tensor, Tensor]]) -> int:
        return sum(t.numel() * t.element_size() for pair in keys for t in pair)

    tab2d = Tab2D(dim=16, n_layers=2).eval()
    axial = AxialTransformer(16, 8, 2, n_layers=2).eval()
    with torch.no_grad():
        assert held(tab2d.encode_context(episode).encoded.keys) == tab2d.context_bytes(episode)
        assert held(axial.encode_context(episode).keys) == axial.context_bytes(episode)


def test_a_module_without_parameters_has_a_fingerprint() -> None:
    assert fingerprint(torch.nn.Identity()).shape == (0,)


@pytest.mark.parametrize("backbone", [Nano(), Nano(n_ensemble=1, read_columns=2)])
def test_the_embedded_model_keeps_views_and_columns(backbone: Backbone, episode: Episode) -> None:
    memory = ContextMemory()
    backbone.eval()
    with torch.no_grad():
        expected = backbone(episode)
        found = torch.cat([memory.output(backbone, part) for part in chunks(episode)])
    torch.testing.assert_close(found, expected, atol=2e-6, rtol=1e-5)


@pytest.mark.parametrize("precision", ["32-true", "bf16-mixed"])
def test_a_fit_in_chunks_scores_as_a_whole(
    precision: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """From the command line, zero-shot, validated and tested, in either precision."""
    monkeypatch.chdir(tmp_path)
    tiny = Path(__file__).parents[1] / "conf" / "tiny.yaml"
    found = {}
    for most in (1_000, 40):
        folder = tmp_path / str(most)
        arguments = [
            *("fit", "--config", str(tiny), "--data.table.source", "sklearn:wine"),
            *("--data.max_query_rows", str(most), "--trainer.precision", precision),
            *("--trainer.logger.init_args.save_dir", str(folder), "--trainer.max_epochs", "1"),
        ]
        assert main(arguments) == 0
        (report,) = folder.rglob("report.json")
        rows = json.loads(report.read_text())["rows"]
        found[most] = [row[which]["value"] for row in rows for which in ("zero_shot", "fine_tuned")]
    rel = 1e-4 if precision == "32-true" else 5e-2
    assert found[40] == pytest.approx(found[1_000], rel=rel)
    assert len(found[40]) >= 10


def test_many_rows_are_asked_in_blocks_of_about_equal_size(
    episode: Episode, monkeypatch: pytest.MonkeyPatch
) -> None:
    n_rows = 2 * contexts.BLOCK_ROWS + 1
    many = replace(
        episode,
        x_query=episode.x_query.repeat(n_rows // episode.n_query + 1, 1)[:n_rows],
        y_query=episode.y_query.repeat(n_rows // episode.n_query + 1)[:n_rows],
    )
    backbone = Tab2D(dim=16, n_layers=2).eval()
    asked: list[int] = []
    query = backbone.network.query

    def counted(x_query: Tensor, encoded: object) -> Tensor:
        asked.append(x_query.shape[1])
        return query(x_query, encoded)  # type: ignore[arg-type]

    monkeypatch.setattr(backbone.network, "query", counted)
    with torch.no_grad():
        found = ContextMemory().output(backbone, many)
        whole = backbone.encode_context(many).output(many)
    assert sum(asked[:3]) == n_rows
    assert max(asked[:3]) - min(asked[:3]) <= 1
    assert asked[3:] == [n_rows]
    torch.testing.assert_close(found, whole, rtol=0, atol=1e-6)
