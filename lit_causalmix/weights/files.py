"""Weight files on disk: checked, converted, found again and loaded, never unpickled.

An official file is converted once into two files of the same stem: `NAME.safetensors` with the
tensors under their published names, and `NAME.json` with architecture, provenance, and the size
and SHA-256 of the former. Every load checks both.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from lit_causalmix.errors import WeightsError
from lit_causalmix.files.atomic import replacing, write_json
from lit_causalmix.files.digests import of_file
from lit_causalmix.files.reading import parse_json
from lit_causalmix.paths import cache_root
from lit_causalmix.weights.registry import REGISTRY, WeightSource, source_of

if TYPE_CHECKING:
    from torch import Tensor


@dataclass(frozen=True, eq=False)
class Weights:
    """Loaded weights.

    Attributes:
        name: Their name in the registry.
        architecture: Sizes of the network, as JSON values.
        tensors: Parameters by their published name.
    """

    name: str
    architecture: dict[str, Any]
    tensors: dict[str, Tensor]


def cached_file(source: WeightSource) -> Path:
    """Returns where the converted file of a source belongs, whether it is there or not."""
    return cache_root() / "weights" / f"{source.name}.safetensors"


def verify(path: Path, *, size: int, sha256: str) -> None:
    """Checks that a file is exactly the one expected.

    Raises:
        WeightsError: If it is missing, or its size or SHA-256 differs; the message has both.
    """
    if not path.is_file():
        raise WeightsError(f"there is no weight file {path}")
    found = path.stat().st_size
    if found != size:
        raise WeightsError(
            f"{path} is cut or not the right file: expected {size} bytes, found {found}"
        )
    digest = of_file(path)
    if digest != sha256:
        raise WeightsError(
            f"{path} is damaged or not the right file: expected sha256 {sha256}, found {digest}"
        )


def convert(official: Path, source: WeightSource, target: Path) -> None:
    """Converts a verified official file into `target` and the JSON file beside it.

    Both are written under another name first, and the JSON file last, so an interrupted
    conversion never looks like a finished one.
    """
    from safetensors.torch import save_file

    architecture, tensors = source.reader(official)
    contiguous = {key: tensor.contiguous() for key, tensor in tensors.items()}
    with replacing(target) as scratch:
        save_file(contiguous, scratch)
        size, sha256 = scratch.stat().st_size, of_file(scratch)
    record = {
        "name": source.name,
        "architecture": architecture,
        "provenance": source.provenance(),
        "size": size,
        "sha256": sha256,
    }
    write_json(target.with_suffix(".json"), record)


def read_record(path: Path) -> dict[str, Any]:
    """Reads the JSON file beside a converted file and checks the converted file against it.

    Raises:
        WeightsError: If either is missing, cut or altered.
    """
    sidecar = path.with_suffix(".json")
    if not sidecar.is_file():
        raise WeightsError(f"{path} needs {sidecar.name} beside it, which is not there")
    try:
        record: dict[str, Any] = parse_json(sidecar.read_bytes())
        size, sha256 = int(record["size"]), str(record["sha256"])
        if not (isinstance(record["name"], str) and isinstance(record["architecture"], dict)):
            raise TypeError("name or architecture is of the wrong kind")
    except (ValueError, KeyError, TypeError) as error:
        raise WeightsError(f"{sidecar} is not a weight record: {error!r}") from error
    verify(path, size=size, sha256=sha256)
    return record


def _source_of_file(path: Path) -> WeightSource:
    """Returns the source whose official file this is, by size and SHA-256."""
    sources = list(REGISTRY.values())
    size = path.stat().st_size
    named = [s for s in sources if s.size == size or s.file_name == path.name]
    if not named:
        expected = ", ".join(f"{s.name}: {s.size} bytes" for s in sources)
        raise WeightsError(
            f"{path} is not a known weight file: it has {size} bytes, expected {expected}"
        )
    verify(path, size=named[0].size, sha256=named[0].sha256)
    return named[0]


def _resolve(name_or_path: str | Path) -> tuple[Path, WeightSource | None]:
    """Returns a verified file, and its source when it is an official, unconverted one."""
    if str(name_or_path) in REGISTRY:
        source = source_of(str(name_or_path))
        path = cached_file(source)
        pull = f"lit-causalmix weights pull {source.name}"
        if not (path.is_file() and path.with_suffix(".json").is_file()):
            raise WeightsError(
                f"the weights {source.name!r} are not in {path.parent} yet: run `{pull}`, "
                "or give the path of a weight file"
            )
        try:
            read_record(path)
        except WeightsError as error:
            raise WeightsError(f"{error}; run `{pull}` to fetch it again") from error
        return path, None
    path = Path(name_or_path).expanduser()
    if not path.is_file():
        raise WeightsError(
            f"{str(name_or_path)!r} is neither a weight file nor a known name "
            f"({', '.join(REGISTRY)})"
        )
    if path.suffix == ".safetensors":
        read_record(path)
        return path, None
    return path, _source_of_file(path)


def locate(name_or_path: str | Path) -> Path:
    """Finds a weight file and verifies it.

    Args:
        name_or_path: A name in the registry, or the path of an official file or of a converted
            `.safetensors` file.

    Raises:
        WeightsError: If the weights have not been pulled, the file does not exist, or it is not
            what it should be.
    """
    return _resolve(name_or_path)[0]


def load(name_or_path: str | Path, *, expected: str) -> Weights:
    """Loads verified weights.

    Args:
        name_or_path: See `locate`.
        expected: Name of the weights that the caller can use.

    Raises:
        WeightsError: As `locate`, or if the file holds other weights than expected.
    """
    path, source = _resolve(name_or_path)
    if source is not None:
        weights = Weights(source.name, *source.reader(path))
    else:
        from safetensors.torch import load_file

        record = parse_json(path.with_suffix(".json").read_bytes())
        weights = Weights(record["name"], record["architecture"], load_file(path))
    if weights.name != expected:
        raise WeightsError(f"{path} holds the weights {weights.name!r}, needed are {expected!r}")
    return weights
