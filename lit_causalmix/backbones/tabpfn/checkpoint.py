"""Weights of TabPFN v2 and later: read from the official formats, made at random, written again.

An official file is a dictionary (`.ckpt`), or safetensors with the dictionary's other entries as
JSON in the header: "state_dict", "config", from v2.5 on "architecture_name", from v2.6 on
"inference_config". Nothing is unpickled.
"""

from __future__ import annotations

import dataclasses
import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from safetensors import SafetensorError, safe_open
from safetensors.torch import save_file
from torch import Tensor, nn

from lit_causalmix.backbones.extras import needed
from lit_causalmix.backbones.folder import WEIGHTS_FILE
from lit_causalmix.errors import WeightsError
from lit_causalmix.files.atomic import replacing
from lit_causalmix.seeding import rng
from lit_causalmix.weights import REGISTRY, load
from lit_causalmix.weights.hub import official_file
from lit_causalmix.weights.licences import PRIOR_LABS, PRIOR_LABS_NON_COMMERCIAL, Licence

V2, _V2_5 = "tabpfn_v2", "tabpfn_v2_5"
_CRITERION = "criterion."
_OLD_SETTINGS = {"CONSTANT_FEATURE_COUNT": "FEATURE_SUBSAMPLING_CONSTANT_FEATURE_COUNT"}


@dataclass(frozen=True)
class TabPFNSizes:
    """Sizes of a randomly initialised TabPFN v2; the defaults are those of the official weights.

    Attributes:
        dim: Width of a cell.
        n_heads: Attention heads; divides dim.
        n_layers: Layers.
        n_classes: Outputs of a classifier.
        n_buckets: Bars of a regressor's distribution.
    """

    dim: int = 192
    n_heads: int = 6
    n_layers: int = 12
    n_classes: int = 10
    n_buckets: int = 5_000


@dataclass(frozen=True, eq=False)
class Checkpoint:
    """What an official file holds.

    Attributes:
        architecture: Name of the architecture in the package.
        config: Its settings.
        tensors: Parameters of the network, and "criterion.borders" of a regressor.
        inference: How the model wants to be used; None where the file is older than that entry.
    """

    architecture: str
    config: dict[str, Any]
    tensors: dict[str, Tensor]
    inference: dict[str, Any] | None = None

    @property
    def licence(self) -> Licence:
        """Of the weights, which the version tells: those after v2 are for non-commercial use."""
        return PRIOR_LABS if self.architecture == V2 else PRIOR_LABS_NON_COMMERCIAL

    @classmethod
    def of(cls, content: dict[str, Any]) -> Checkpoint:
        """Takes the entries of an official file; a missing name means v2, "base" v2.5."""
        name = content.get("architecture_name", V2)
        return cls(
            architecture=_V2_5 if name == "base" else name,
            config=dict(content["config"]),
            tensors=dict(content["state_dict"]),
            inference=content.get("inference_config"),
        )


def read(path: Path) -> Checkpoint:
    """Reads an official file.

    Raises:
        WeightsError: If it is missing, cut, or holds anything else.
    """
    try:
        if path.suffix != ".safetensors":
            return Checkpoint.of(torch.load(path, map_location="cpu", weights_only=True))
        with safe_open(path, framework="pt") as file:
            content = {key: json.loads(value) for key, value in (file.metadata() or {}).items()}
            tensors = {key: file.get_tensor(key) for key in file.keys()}  # noqa: SIM118
        return Checkpoint.of({**content, "state_dict": tensors})
    except (OSError, SafetensorError, RuntimeError, ValueError, KeyError, TypeError) as error:
        reason = " ".join(str(error).split())[:200]
        raise WeightsError(f"{path} is no file of TabPFN weights: {reason}") from error
    except Exception as error:  # weights_only raises UnpicklingError, and others for cut archives
        raise WeightsError(f"{path} is cut or no file of weights: {error!r:.200}") from error


def find(weights: str) -> Checkpoint:
    """Reads the weights that a user means by a name, a file, a folder or a hub id.

    Raises:
        WeightsError: If there are none, or they are cut.
    """
    if weights in REGISTRY:
        loaded = load(weights, expected=weights)
        return Checkpoint.of({**loaded.architecture, "state_dict": loaded.tensors})
    folder = Path(weights).expanduser()
    path = folder / WEIGHTS_FILE if folder.is_dir() else official_file(weights)
    if path is None:
        raise WeightsError(
            f"{weights!r} is no weight file, no hub id owner/repository/file, and no known name: "
            "`lit-causalmix weights list` tells them"
        )
    return read(path)


def random_checkpoint(sizes: TabPFNSizes, *, regression: bool, seed: int) -> Checkpoint:
    """A TabPFN v2 with random weights that depend on the seed alone [our choice].

    Matrices are normal with variance 1 / columns, biases 0; the published pre-training starts with
    zeros at the end of each residual branch instead. Bars hold equal shares of a normal variable.
    """
    config = {
        "emsize": sizes.dim,
        "nhead": sizes.n_heads,
        "nlayers": sizes.n_layers,
        "max_num_classes": 0 if regression else sizes.n_classes,
        "num_buckets": sizes.n_buckets,
    }
    tensors = {}
    for name, tensor in _network(V2, config).state_dict().items():
        tensors[name] = torch.zeros_like(tensor)
        if tensor.ndim == 2:
            draw = rng(seed, "tabpfn", name).standard_normal(tuple(tensor.shape))
            tensors[name] = torch.as_tensor(draw, dtype=torch.float32) / tensor.shape[1] ** 0.5
    if regression:
        shares = torch.linspace(0, 1, sizes.n_buckets + 1, dtype=torch.float64)
        borders = torch.special.ndtri(shares.clamp(1e-4, 1 - 1e-4))
        borders[[0, -1]] += torch.tensor([-0.1, 0.1])
        tensors[f"{_CRITERION}borders"] = borders.float()
    return Checkpoint(V2, config, tensors)


def blank(kept: Checkpoint, *, regression: bool) -> Checkpoint:
    """A checkpoint of the same form with zeros for weights, to load others over it."""
    state = _network(kept.architecture, kept.config).state_dict()
    tensors = {name: torch.zeros_like(tensor) for name, tensor in state.items()}
    if regression and not any(name.endswith("regression_borders") for name in tensors):
        tensors[f"{_CRITERION}borders"] = torch.zeros(kept.config["num_buckets"] + 1)
    return dataclasses.replace(kept, tensors=tensors)


def _network(architecture: str, config: dict[str, Any]) -> nn.Module:
    architectures = needed("tabpfn.architectures", extra="tabpfn").ARCHITECTURES
    if architecture not in architectures:
        raise WeightsError(
            f"the installed tabpfn knows no architecture {architecture!r}, only "
            f"{', '.join(architectures)}: install a newer one"
        )
    module = architectures[architecture]
    settings, _ = module.parse_config(config)
    with torch.random.fork_rng(devices=[]):  # its initialisation draws from the global generator
        network: nn.Module = module.get_architecture(settings)
    embedder = getattr(network, "feature_group_embedder", None)
    if embedder is not None:
        # v2 draws its embedding of columns in the dtype of this output: under autocast it would be
        # another one than in float32, and not the one of the pre-training.
        embedder.register_forward_hook(_in_float32)
    return network


def _in_float32(_module: nn.Module, _inputs: tuple[Tensor, ...], output: Tensor) -> Tensor:
    return output.float()


def build(checkpoint: Checkpoint, *, regression: bool) -> tuple[nn.Module, Tensor | None, Any]:
    """Builds what a checkpoint describes.

    Returns:
        The network, the borders of the bars of a regression, float32 (n_buckets + 1,), and the
        package's `InferenceConfig`.

    Raises:
        WeightsError: If the weights are incompatible, or for the other kind of task.
    """
    task = "regression" if regression else "classification"
    network = _network(checkpoint.architecture, checkpoint.config)
    own = {k: v for k, v in checkpoint.tensors.items() if not k.startswith(_CRITERION)}
    try:
        network.load_state_dict(own)
    except RuntimeError as error:
        reason = " ".join(str(error).split())[:300]
        raise WeightsError(f"the weights do not fit {checkpoint.architecture}: {reason}") from error
    borders = checkpoint.tensors.get(f"{_CRITERION}borders")
    if borders is None:  # from v3 on the network itself has them
        named = (b for n, b in network.named_buffers() if n.endswith("regression_borders"))
        borders = next(named, None)
    fits = borders is not None if regression else checkpoint.config.get("max_num_classes", 0) >= 2
    if not fits:
        raise WeightsError(
            f"the weights are not for {task}: set the backbone's task, or choose other weights"
        )
    return network, borders if regression else None, _inference_config(checkpoint, regression)


def _inference_config(checkpoint: Checkpoint, regression: bool) -> Any:
    module = needed("tabpfn.inference_config", extra="tabpfn")
    if checkpoint.inference is not None:
        settings = {_OLD_SETTINGS.get(k, k): v for k, v in checkpoint.inference.items()}
        return module.InferenceConfig(**settings)
    versions = needed("tabpfn.constants", extra="tabpfn").ModelVersion
    version = versions.V2 if checkpoint.architecture == V2 else versions.V2_5
    return module.InferenceConfig.get_default("regression" if regression else "multiclass", version)


def write(path: Path, checkpoint: Checkpoint, inference: Any) -> None:
    """Writes the official safetensors format, which `TabPFNRegressor(model_path=…)` takes."""
    entries = {
        "architecture_name": checkpoint.architecture,
        "config": checkpoint.config,
        "inference_config": dataclasses.asdict(inference),
    }
    tensors = {
        k: v.detach().to("cpu", torch.float32).contiguous() for k, v in checkpoint.tensors.items()
    }
    with replacing(path) as scratch:
        metadata = {k: json.dumps(v, sort_keys=True, default=str) for k, v in entries.items()}
        save_file(tensors, scratch, metadata=metadata)
