"""The pre-trained weights that the package knows by name, and where they come from.

Each set of weights is one member of a source archive on the Python package index, named by
package, version, member, size and SHA-256. The archive's own code is never run or imported.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from lit_causalmix.errors import WeightsError

if TYPE_CHECKING:  # torch takes a second to import, and `weights list` needs none of it
    from torch import Tensor

Reader = Callable[[Path], tuple[dict[str, Any], "dict[str, Tensor]"]]
"""Reads an official file; returns its architecture as JSON values, and its tensors by name."""


@dataclass(frozen=True)
class WeightSource:
    """One official weight file.

    Attributes:
        name: What a user calls it.
        description: One line.
        package: Distribution on the package index whose source archive carries the file.
        version: Its version.
        member: Path in the archive, below the archive's top folder.
        size: Bytes of the file.
        sha256: Hexadecimal digest of the file.
        licence: SPDX identifier.
        reader: Turns the file into architecture and tensors.
    """

    name: str
    description: str
    package: str
    version: str
    member: str
    size: int
    sha256: str
    licence: str
    reader: Reader

    @property
    def requirement(self) -> str:
        return f"{self.package}=={self.version}"

    @property
    def file_name(self) -> str:
        return self.member.rsplit("/", 1)[-1]

    def provenance(self) -> dict[str, Any]:
        """Returns, as JSON values, what identifies the official file."""
        return {
            "source": f"source archive of {self.requirement}",
            "member": self.member,
            "size": self.size,
            "sha256": self.sha256,
            "licence": self.licence,
        }


def read_tabpfn_v1(path: Path) -> tuple[dict[str, Any], dict[str, Tensor]]:
    """Reads the published TabPFN v1 checkpoint: a tuple (state dict, None, settings).

    Tensor names lose the prefix `module.`, a trace of data-parallel training; the class weights
    of the pre-training loss, all one, are left out.

    Raises:
        WeightsError: If the file holds anything else.
    """
    import torch

    content = torch.load(path, map_location="cpu", weights_only=True)
    try:
        state, _, settings = content
        architecture = {
            "n_features": int(settings["num_features"]),
            "n_classes": int(settings["max_num_classes"]),
            "dim": int(settings["emsize"]),
            "n_heads": int(settings["nhead"]),
            "n_layers": int(settings["nlayers"]),
            "dim_hidden": int(settings["emsize"] * settings["nhid_factor"]),
        }
        tensors = {key.removeprefix("module."): tensor for key, tensor in state.items()}
        del tensors["criterion.weight"]
    except (TypeError, ValueError, KeyError, AttributeError) as error:
        raise WeightsError(f"{path} is not a TabPFN v1 checkpoint: {error!r}") from error
    return architecture, tensors


def read_tabpfn_v2(path: Path) -> tuple[dict[str, Any], dict[str, Tensor]]:
    """Reads a published TabPFN v2 checkpoint: its settings, and its tensors as they are named.

    Raises:
        WeightsError: If the file holds anything else.
    """
    import torch

    content = torch.load(path, map_location="cpu", weights_only=True)
    try:
        return {"config": dict(content["config"])}, dict(content["state_dict"])
    except (TypeError, ValueError, KeyError) as error:
        raise WeightsError(f"{path} is not a TabPFN v2 checkpoint: {error!r}") from error


REGISTRY: dict[str, WeightSource] = {
    source.name: source
    for source in (
        WeightSource(
            name="tabpfn-v1",
            description="TabPFN v1 classifier, 25.8 M parameters, 100 features, 10 classes",
            package="pfns",
            version="0.3.0",
            member="models_diff/prior_diff_real_checkpoint_n_0_epoch_42.cpkt",
            size=103_350_223,
            sha256="3c9aadaeddbf51462af8c0ee4b3ca3c697890f77e92318abbb0821b75261c392",
            licence="Apache-2.0",
            reader=read_tabpfn_v1,
        ),
        WeightSource(
            name="tabpfn-v2-regressor",
            description="TabPFN v2 regressor, 11.1 M parameters, 500 features (Prior Labs)",
            package="tabpfn-time-series",
            version="0.1.3",
            member="tabpfn-v2-regressor-2noar4o2.ckpt",
            size=44_398_487,
            sha256="e2d4a06eeb4521dee71fc68d819e277ffb97614cc3695dc9ac3030dd9da36c21",
            licence="Apache-2.0",
            reader=read_tabpfn_v2,
        ),
    )
}
"""All known weights by name; a program may add its own."""


def source_of(name: str) -> WeightSource:
    """Returns the entry of a name.

    Raises:
        WeightsError: If no weights have this name.
    """
    if name not in REGISTRY:
        raise WeightsError(
            f"no weights are called {name!r}: known are {', '.join(REGISTRY)}, and those of the "
            "hub that `lit-causalmix weights list` tells"
        )
    return REGISTRY[name]
