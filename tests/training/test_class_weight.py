"""The weight of classes in the training loss: known answers, and what is refused."""

from collections.abc import Callable, Mapping
from typing import Any

import pandas as pd
import pytest
import torch
from torch import Tensor, nn

from lit_causalmix.backbones import Tab2D
from lit_causalmix.backbones.base import Backbone, Limits
from lit_causalmix.datamodules import CausalMixDataModule, ManyTablesDataModule
from lit_causalmix.episode import Episode
from lit_causalmix.errors import ConfigurationError
from lit_causalmix.tables import TableSpec
from lit_causalmix.training import BalancedValidation, CausalMixTask, GradientProjection
from lit_causalmix.training.class_weight import ClassWeight


class Fixed(Backbone):
    """Gives its features as logits."""

    def __init__(self) -> None:
        super().__init__()
        self.scale = nn.Parameter(torch.ones(()))

    @property
    def limits(self) -> Limits:
        return Limits(classes=10)

    def forward(self, episode: Episode) -> Tensor:
        return episode.x_query * self.scale


def episode(labels: list[int], n_classes: int = 2, seed: int = 0) -> Episode:
    made = torch.Generator().manual_seed(seed)
    x = torch.randn(len(labels), n_classes, generator=made)
    return Episode.of_rows(x, torch.tensor(labels), 0, n_classes)


def data(frame: pd.DataFrame) -> CausalMixDataModule:
    module = CausalMixDataModule(TableSpec(frame, target="target"), synthetic_ratio=0.0)
    module.read()
    return module


def checked(weight: ClassWeight, frame: pd.DataFrame) -> ClassWeight:
    weight.check(data(frame).splits.train.schema)
    return weight


def test_balanced_is_the_cross_entropy_with_weights_of_the_episode() -> None:
    one = episode([0, 0, 0, 0, 1, 2, 2], n_classes=4)
    per_class = torch.tensor([1 / 4, 1.0, 1 / 2, 0.0])
    wanted = nn.functional.cross_entropy(one.x_query, one.y_query, weight=per_class)
    assert ClassWeight("balanced").losses(Fixed(), [one])[0].item() == pytest.approx(wanted.item())


def test_weights_by_label_are_those_of_the_cross_entropy(frame: pd.DataFrame) -> None:
    weight = checked(ClassWeight({"good": 5.0}), frame)  # the classes are bad, good
    one = episode([0, 0, 1, 0, 1])
    wanted = nn.functional.cross_entropy(one.x_query, one.y_query, weight=torch.tensor([1.0, 5.0]))
    assert weight.losses(Fixed(), [one])[0].item() == pytest.approx(wanted.item())


def test_equal_weights_change_nothing(frame: pd.DataFrame) -> None:
    weight = checked(ClassWeight({"good": 2.0, "bad": 2.0}), frame)
    several = [episode([0, 1, 1, 0, 0], seed=seed) for seed in range(3)]
    backbone = Fixed()
    assert weight.losses(backbone, several).tolist() == pytest.approx(
        backbone.losses(several).tolist()
    )


def test_it_holds_for_a_backbone_that_stacks_episodes() -> None:
    torch.manual_seed(0)
    backbone = Tab2D(dim=16, n_layers=1)
    x, y = torch.randn(40, 3), torch.arange(40) % 2
    one = Episode.of_rows(x, y, 30, 2)  # five rows of each class
    assert ClassWeight("balanced").losses(backbone, [one]).item() == pytest.approx(
        backbone.losses([one]).item(), rel=1e-5
    )


def test_a_fit_trains_with_it(fit: Callable[..., Any]) -> None:
    plain, balanced, again = (
        fit(name, model={"class_weight": weight}, data={"synthetic_ratio": 0.0}, epochs=1)[1]
        for name, weight in (("plain", None), ("balanced", "balanced"), ("again", "balanced"))
    )
    states = [task.state_dict() for task in (plain, balanced, again)]
    assert any(not torch.equal(states[0][name], states[1][name]) for name in states[0])
    assert all(torch.equal(states[1][name], states[2][name]) for name in states[1])


@pytest.mark.parametrize("turned", [False, True])
def test_a_label_weighs_the_same_in_tables_of_other_classes(
    frame: pd.DataFrame, bare_trainer: Any, turned: bool
) -> None:
    member = frame["member"].where(frame["age"] < 60, "maybe")
    frames = [frame.drop(columns="target"), frame.drop(columns="target").assign(member=member)]
    tables = [TableSpec(f, target="member", name=f"of {f['member'].nunique()}") for f in frames]
    module = ManyTablesDataModule(
        tables[::-1] if turned else tables, synthetic_ratio=0.0, progress=False
    )
    task = CausalMixTask(Tab2D(dim=16, n_layers=1), class_weight={"yes": 5.0})
    bare_trainer(max_epochs=1).fit(task, datamodule=module)
    assert task.class_weight is not None
    for table, one in enumerate(module.members):
        labels = one.splits.train.schema.target.categories
        classes = torch.arange(len(labels))
        weights = task.class_weight.of_rows(classes, len(labels), table).tolist()
        assert dict(zip(labels, weights, strict=True)) == {
            label: 5.0 if label == "yes" else 1.0 for label in labels
        }


@pytest.mark.parametrize(
    ("given", "message"),
    [
        ("even", "class_weight is balanced, or a weight for each label, got 'even'"),
        ({}, "class_weight has weights above 0, got none"),
        ({"good": 0.0}, "class_weight has weights above 0, got {'good': 0.0}"),
        ({"good": float("nan")}, "class_weight has weights above 0"),
    ],
)
def test_what_is_no_weight_is_refused(given: str | Mapping[str, float], message: str) -> None:
    with pytest.raises(ConfigurationError, match=message):
        CausalMixTask(class_weight=given)  # type: ignore[arg-type]


def test_a_label_that_there_is_not_is_refused_before_anything_slow(frame: pd.DataFrame) -> None:
    module = data(frame)
    task = CausalMixTask(class_weight={"goood": 2.0})
    with pytest.raises(ConfigurationError, match=r"'goood' \(did you mean good\?\); there are bad"):
        task.check_table(module.splits.train, module.encoder)


def test_regression_is_refused(make_frame: Any) -> None:
    module = data(make_frame(regression=True))
    for task, message in (
        (CausalMixTask(class_weight="balanced"), "class_weight weights classes"),
        (CausalMixTask(selection=BalancedValidation()), "the task is regression"),
    ):
        with pytest.raises(ConfigurationError, match=message):
            task.check_table(module.splits.train, module.encoder)


def test_labels_have_to_be_known_and_a_gate_is_another_rule() -> None:
    with pytest.raises(ConfigurationError, match="needs the labels of a table"):
        ClassWeight({"good": 2.0}).losses(Fixed(), [episode([0, 1])])
    with pytest.raises(ConfigurationError, match="class_weight and gate both say"):
        CausalMixTask(class_weight="balanced", gate=GradientProjection())
