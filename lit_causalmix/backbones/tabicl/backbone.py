"""TabICL v2 as a backbone: the package's architecture, preprocessing and quantiles."""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, Literal, Self

import numpy as np
import pandas as pd
import torch
from torch import Tensor, nn

from lit_causalmix.backbones.axial.inputs import standardisation
from lit_causalmix.backbones.base import Backbone, Limits
from lit_causalmix.backbones.extras import needed
from lit_causalmix.backbones.folder import origin_of
from lit_causalmix.backbones.memory import StepShape
from lit_causalmix.backbones.present import numbered, spread
from lit_causalmix.backbones.tabicl.checkpoint import TabICLSizes, random_network, read, write
from lit_causalmix.backbones.tabicl.memory import step_bytes
from lit_causalmix.episode import Episode
from lit_causalmix.errors import ConfigurationError, LimitError, WeightsError
from lit_causalmix.weights.hub import official_file
from lit_causalmix.weights.licences import BSD, announce

TEMPERATURE = 0.9
"""The package's classifier divides the logits by this."""

RANDOM_STATE = 42
"""The package's default."""

FILE = "tabicl.ckpt"
"""What `save_pretrained` writes into its folder."""


class TabICL(Backbone):
    """TabICL v2 (Qu et al., Inria), from the package `tabicl`.

    Network, preprocessing, temperature and the quantile head are the package's; predictions are
    those of `TabICLRegressor` and `TabICLClassifier` with one estimator, and training sees that
    same view. Preprocessing is learned from the context rows of each episode and has no gradient,
    so none reaches `x_query`: adversarial evaluation is refused. A context's target is standardised
    by its own mean and deviation; the loss of a regression is the pinball loss of the quantiles, as
    in the package's fine-tuning. A class that the context does not show gets a millionth.

    Weights are never fetched silently: a name has to be pulled before, a hub id is fetched because
    it was given. Their licence is printed before they are used first.

    Args:
        weights: Name of pulled weights, an official file, a folder that `save_pretrained` wrote, or
            a hub id "owner/repository/file". None starts from random weights.
        task: What the model predicts.
        sizes: Sizes of a randomly initialised network; only where weights is None.
        max_context_rows: Limit on context rows [our choice; the package has none].
        max_columns: Limit on feature columns [our choice].
        seed: Of the random parameters, where weights is None.

    Raises:
        ConfigurationError: If the package is missing, or sizes are given beside weights.
        WeightsError: If the weights are missing, cut, incompatible, or for another task.
    """

    network: Any  # the package has no types

    def __init__(
        self,
        weights: str | None = "tabicl-v2-classifier",
        task: Literal["classification", "regression"] = "classification",
        sizes: TabICLSizes | None = None,
        max_context_rows: int = 10_000,
        max_columns: int = 500,
        seed: int = 0,
    ) -> None:
        super().__init__()
        needed("tabicl", extra="tabicl")
        self.task = task
        if weights is None:
            self.config = (sizes or TabICLSizes()).config(regression=task == "regression")
            self.network = random_network(self.config, seed)
        else:
            if sizes is not None:
                raise ConfigurationError(
                    f"the weights {weights!r} bring their own sizes: leave sizes out, or set "
                    "weights to null for a randomly initialised network"
                )
            self.network, self.config = read(_file(weights))
            announce(f"TabICL weights {weights}", BSD, accepted=True)
        if (self.config.get("max_classes", 10) == 0) != (task == "regression"):
            raise WeightsError(
                f"the weights {weights} are not for {task}: set the backbone's task, or choose "
                "other weights"
            )
        self.max_context_rows = max_context_rows
        self.max_columns = max_columns
        self._weights = weights

    def save_pretrained(self, folder: str | os.PathLike[str]) -> None:
        """Writes `tabicl.ckpt` in the official format, for `tabicl` and `weights`."""
        write(Path(folder) / FILE, self.network, self.config)

    def arguments(self) -> dict[str, Any]:
        return {
            "task": self.task,
            "max_context_rows": self.max_context_rows,
            "max_columns": self.max_columns,
            "config": self.config,
        }

    @classmethod
    def rebuilt(cls, arguments: Mapping[str, Any]) -> Self:
        own = {name: value for name, value in arguments.items() if name != "config"}
        backbone = cls(None, sizes=TabICLSizes(8, 1, 1, 1, 1, n_quantiles=3), **own)
        backbone.config = dict(arguments["config"])
        backbone.network = random_network(backbone.config, 0)
        return backbone

    def origin(self) -> dict[str, str]:
        known = origin_of(self._weights)
        return known if self._weights is None else known | {"licence": str(BSD)}

    @property
    def limits(self) -> Limits:
        return Limits(
            context_rows=self.max_context_rows,
            columns=self.max_columns,
            classes=self.config.get("max_classes", 10),
            regression=self.task == "regression",
        )

    def parameter_groups(self) -> dict[str, list[nn.Parameter]]:
        """Returns "columns", "rows" and "context", the three parts of the network."""
        net = self.network
        return {
            "columns": list(net.col_embedder.parameters()),
            "rows": list(net.row_interactor.parameters()),
            "context": list(net.icl_predictor.parameters()),
        }

    def step_bytes(self, shape: StepShape) -> int | None:
        weights = sum(p.numel() * p.element_size() for p in self.network.parameters())
        return step_bytes(self.config, shape, weights)

    def forward(self, episode: Episode) -> Tensor:
        """Predicts the query rows.

        Returns:
            Logits of the classes at the package's temperature (Q, n_classes), or quantiles of a
            context's own standardised target (Q, n_quantiles); float32.

        Raises:
            LimitError: If the episode's task or number of classes is not the model's.
        """
        self._check_episode(episode)
        y, present = episode.y_context, episode.y_context[:0]
        if episode.is_classification:
            present, y = numbered(y)
        else:
            mean, deviation = standardisation(y.float(), dim=0)
            y = (y.float() - mean) / deviation
        x = _rows(episode, y)
        output = self.network(x[None], y[None].float(), **self._how(x))[0].float()
        if not episode.is_classification:
            return torch.as_tensor(output)
        return spread(output[:, : len(present)] / TEMPERATURE, present, episode.n_classes)

    def loss(self, output: Tensor, episode: Episode) -> Tensor:
        """Cross-entropy, or the mean pinball loss over the quantiles."""
        if episode.is_classification:
            return super().loss(output, episode)
        mean, deviation = standardisation(episode.y_context.float(), dim=0)
        target = (episode.y_query.float() - mean) / deviation
        missed = target[:, None] - output.float()
        levels = torch.linspace(0, 1, output.shape[1] + 2, device=output.device)[1:-1]
        return torch.maximum(levels * missed, (levels - 1) * missed).mean()

    def predict(self, output: Tensor, episode: Episode) -> Tensor:
        if not episode.is_classification:
            mean, deviation = standardisation(episode.y_context.float(), dim=0)
            output = mean + deviation * output.float().mean(dim=1)
        return super().predict(output, episode)

    def quantiles(self, output: Tensor, episode: Episode, levels: Sequence[float]) -> Tensor:
        if self.task == "classification":
            return super().quantiles(output, episode, levels)
        mean, deviation = standardisation(episode.y_context.float(), dim=0)
        found: Tensor = self.network.quantile_dist(output.float()).icdf(
            torch.tensor(levels, device=output.device, dtype=torch.float32)
        )
        return episode.y_location + episode.y_scale * (mean + deviation * found).double()

    def _how(self, x: Tensor) -> dict[str, Any]:
        """Arguments of the network's evaluation, which works in chunks on the device of `x`."""
        if self.training:
            return {}
        config = needed("tabicl", extra="tabicl").InferenceConfig()
        settings = {"device": x.device, "use_amp": False, "use_fa3": False, "verbose": False}
        config.update_from_dict(
            {
                "COL_CONFIG": {**settings, "offload": False},
                "ROW_CONFIG": settings,
                "ICL_CONFIG": settings,
            }
        )
        return {"inference_config": config, "return_logits": True}

    def _check_episode(self, episode: Episode) -> None:
        most = self.limits.classes or 0
        if episode.is_classification != (self.task == "classification"):
            raise LimitError(
                f"this TabICL is for {self.task}, the episode for the other task: set the "
                "backbone's task, and its weights"
            )
        if episode.n_classes > most:
            raise LimitError(
                f"this TabICL takes at most {most} classes, the episode has {episode.n_classes}"
            )


def _rows(episode: Episode, y: Tensor) -> Tensor:
    """Context and query rows behind the package's preprocessing: float32 (R + Q, P)."""
    module = needed("tabicl._sklearn.preprocessing", extra="tabicl")
    categorical = episode.categorical.tolist()
    context, query = (_frame(x, categorical) for x in (episode.x_context, episode.x_query))
    encoder = module.TransformToNumerical().fit(context)
    generator = module.EnsembleGenerator(
        classification=episode.is_classification,
        n_estimators=1,
        norm_methods=["none", "power"],
        random_state=RANDOM_STATE,
    )
    generator.fit(encoder.transform(context), y.cpu().numpy())
    ((x, _),) = generator.transform(encoder.transform(query), mode="both").values()
    return torch.as_tensor(x[0], dtype=torch.float32, device=episode.x_query.device)


def _frame(x: Tensor, categorical: list[bool]) -> pd.DataFrame:
    """Rows as the package reads them: categories as such, infinities as gaps [our choice]."""
    rows = x.detach().double().cpu().numpy()
    frame = pd.DataFrame(np.where(np.isfinite(rows), rows, np.nan))
    frame.columns = pd.Index([f"x{i}" for i in range(frame.shape[1])])
    chosen = frame.columns[categorical]
    return frame.astype(dict.fromkeys(chosen, "category"))


def _file(weights: str) -> Path:
    folder = Path(weights).expanduser()
    path = folder / FILE if folder.is_dir() else official_file(weights)
    if path is None:
        raise WeightsError(
            f"{weights!r} is no weight file, no hub id owner/repository/file, and no known name: "
            "`lit-causalmix weights list` tells them"
        )
    return path
