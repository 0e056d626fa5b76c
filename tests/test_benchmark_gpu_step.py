"""The script that measures steps on a GPU computes the same steps on a CPU."""

from typing import Any

from lit_causalmix.backbones.axial import network
from lit_causalmix.prior import PriorSettings


def test_steps_of_both_kinds_are_measured_on_the_same_batches(benchmark: Any) -> None:
    script = benchmark("gpu_step")
    settings = {
        "backbone": {"init_args": {"dim": 16, "attention_dim": 16, "n_layers": 1}},
        "optimizer": {"init_args": {"lr": 0.001}},
    }
    prior = PriorSettings(context_rows=(24, 60), columns=(1, 4), query_rows=16)
    batches = script.drawn(prior, 700, 4)
    assert len({batch.rows.x_context.shape for batch in batches}) > 1
    assert all(300 < script.cells_of(batch) < 1_400 for batch in batches)
    line = script.measured(script.Trained(settings), batches)
    cells, fused, plain, ratio = [float(c.replace(",", "")) for c in line.strip("| ").split("|")]
    assert cells == sum(map(script.cells_of, batches)) // 4
    assert min(fused, plain, ratio) > 0
    before = network._FEW_KEYS
    with script.few_keys(7):
        assert network._FEW_KEYS == 7
    assert before == network._FEW_KEYS == script.KINDS["products for few keys"]
