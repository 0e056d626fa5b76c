"""Official weights on the model hub: fetched when the user asks, never on the way."""

from __future__ import annotations

import re
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from lit_causalmix.errors import WeightsError
from lit_causalmix.files.atomic import write_json
from lit_causalmix.files.digests import of_file
from lit_causalmix.files.reading import parse_json
from lit_causalmix.paths import cache_root
from lit_causalmix.weights.licences import APACHE, BSD, PRIOR_LABS, Licence

_FILE_ID = re.compile(r"([A-Za-z0-9][\w.-]*/[\w.-]+)/([\w.-]+)")


@dataclass(frozen=True)
class HubSource:
    """Official weights in a repository of the hub.

    Attributes:
        name: What a user calls them.
        description: One line.
        repository: Its id, "owner/name".
        files: Names of the files, in the repository.
        licence: Of the weights.
        revision: The commit that is fetched; None takes the newest and notes which it was.
    """

    name: str
    description: str
    repository: str
    files: tuple[str, ...]
    licence: Licence
    revision: str | None = None

    @property
    def record(self) -> Path:
        """Where `pull` notes what it fetched."""
        return cache_root() / "weights" / f"{self.name}.hub.json"


_FOLDER = ("config.json", "model.safetensors")

# No revision is pinned: none of these has been seen by those who wrote this list. What was fetched
# first stays what is used, as `pull` notes its commit and the SHA-256 of each file.
HUB: dict[str, HubSource] = {
    source.name: source
    for source in (
        HubSource(
            "mitra-classifier",
            "Mitra v1 classifier, 72 M parameters, 10 classes",
            "autogluon/mitra-classifier",
            _FOLDER,
            APACHE,
        ),
        HubSource(
            "mitra-regressor",
            "Mitra v1 regressor, 72 M parameters",
            "autogluon/mitra-regressor",
            _FOLDER,
            APACHE,
        ),
        HubSource(
            "mitra-v2-classifier",
            "Mitra v2 classifier, 75.7 M parameters, 10 classes",
            "autogluon/mitra-classifier-2",
            _FOLDER,
            APACHE,
        ),
        HubSource(
            "mitra-v2-regressor",
            "Mitra v2 regressor, 75.7 M parameters, 1,000 bins",
            "autogluon/mitra-regressor-2",
            _FOLDER,
            APACHE,
        ),
        HubSource(
            "tabpfn-v2-classifier",
            "TabPFN v2 classifier, 7.2 M parameters, 500 features, 10 classes",
            "Prior-Labs/TabPFN-v2-clf",
            ("tabpfn-v2-classifier-finetuned-zk73skhh.ckpt",),
            PRIOR_LABS,
        ),
        HubSource(
            "tabicl-v2-classifier",
            "TabICL v2 classifier, 10 classes",
            "jingang/TabICL",
            ("tabicl-classifier-v2-20260212.ckpt",),
            BSD,
        ),
        HubSource(
            "tabicl-v2-regressor",
            "TabICL v2 regressor, 999 quantiles",
            "jingang/TabICL",
            ("tabicl-regressor-v2-20260212.ckpt",),
            BSD,
        ),
    )
}
"""All known weights of the hub by name; a program may add its own."""


def hub_file(file_id: str) -> Path | None:
    """Fetches one file of the hub, unless it is cached there.

    Args:
        file_id: "owner/name/file".

    Returns:
        The file in the hub's cache; None where `file_id` is of another form.

    Raises:
        WeightsError: If `huggingface_hub` is missing or the download fails.
    """
    match = _FILE_ID.fullmatch(file_id)
    if match is None:
        return None
    return _download(match[1], match[2], None)


def _download(repository: str, name: str, revision: str | None) -> Path:
    try:
        from huggingface_hub import hf_hub_download
    except ImportError as error:
        raise WeightsError(
            f"fetching {name} of {repository} from the hub needs huggingface_hub: "
            "pip install 'lit-causalmix[hub]', or name local weights"
        ) from error
    try:
        return Path(hf_hub_download(repository, name, revision=revision))
    except Exception as error:  # the hub client raises errors of several libraries
        reason = str(error).strip().splitlines() or [type(error).__name__]
        raise WeightsError(
            f"the hub download of {name} of {repository} failed ({reason[0]}): check the id and "
            "the network, or name local weights"
        ) from error


def official_file(weights: str) -> Path | None:
    """Finds the file that a user means by the name of pulled weights, a path or a hub id.

    Args:
        weights: A name in `HUB` with one file, a local file, or "owner/name/file".

    Returns:
        The file; None where `weights` is none of these.

    Raises:
        WeightsError: If it has not been pulled, or a download fails.
    """
    if weights in HUB:
        return pulled_folder(HUB[weights]) / HUB[weights].files[0]
    path = Path(weights).expanduser()
    return path if path.is_file() else hub_file(weights)


def pull_from_hub(source: HubSource) -> Path:
    """Fetches the files of a source and notes which they are, unless that is done and intact.

    Returns:
        The folder that holds them, in the hub's own cache.

    Raises:
        WeightsError: If a download fails.
    """
    if source.record.is_file():
        try:
            return pulled_folder(source)
        except WeightsError:
            pass  # fetched again below
    revision, found = source.revision, []
    for name in source.files:
        path = _download(source.repository, name, revision)
        revision = path.parent.name  # the commit: files of two commits would not fit together
        found.append(path)
    folder = found[-1].parent
    record = {
        "repository": source.repository,
        "commit": folder.name,
        "licence": str(source.licence),
        "folder": str(folder),
        "files": {path.name: of_file(path) for path in found},
    }
    write_json(source.record, record)
    return folder


def pulled_folder(source: HubSource) -> Path:
    """The folder that `pull_from_hub` filled, each file checked against its SHA-256.

    Raises:
        WeightsError: If nothing was pulled yet, or a file is gone or altered.
    """
    advice = f"run `lit-causalmix weights pull {source.name}`"
    try:
        record: dict[str, Any] = parse_json(source.record.read_bytes())
        folder, files = Path(record["folder"]), dict(record["files"])
    except FileNotFoundError as error:
        raise WeightsError(
            f"the weights {source.name!r} ({source.licence}) have not been pulled yet: {advice}, "
            "or name local weights"
        ) from error
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise WeightsError(f"{source.record} is no record of weights: {advice}") from error
    for name in source.files:
        path = folder / name
        if not path.is_file() or of_file(path) != files.get(name):
            raise WeightsError(f"{path} is gone or not what was pulled: {advice}")
    return folder
