"""A small official file in a real source archive, so that real pip runs without a network."""

import hashlib
import io
import os
from dataclasses import replace

import pytest
import torch

from lit_causalmix.backbones.tabpfn_v1.network import TabPFNV1Architecture, random_network
from lit_causalmix.weights import REGISTRY

# A build backend inside the archive needs nothing from an index.
BACKEND = """
import os
def prepare_metadata_for_build_wheel(folder, config_settings=None):
    name = "tiny_weights-1.0.dist-info"
    os.mkdir(os.path.join(folder, name))
    with open(os.path.join(folder, name, "METADATA"), "w") as f:
        f.write("Metadata-Version: 2.1\\nName: tiny-weights\\nVersion: 1.0\\n")
    return name
def build_wheel(folder, config_settings=None, metadata_directory=None):
    raise RuntimeError("nobody should build this")
"""
PROJECT = '[build-system]\nrequires = []\nbuild-backend = "backend"\nbackend-path = ["."]\n'
MEMBER = "models/tiny.cpkt"


def official_bytes():
    """A checkpoint in the published format, of a tiny TabPFN v1."""
    sizes = TabPFNV1Architecture(
        n_features=6, n_classes=3, dim=8, n_heads=2, n_layers=1, dim_hidden=16
    )
    state = random_network(sizes, seed=0).state_dict()
    attention = {}
    for kind in ("weight", "bias"):
        parts = [state.pop(f"layers.0.{p}.{kind}") for p in ("query", "key", "value")]
        attention[f"layers.0.self_attn.in_proj_{kind}"] = torch.cat(parts)
        attention[f"layers.0.self_attn.out_proj.{kind}"] = state.pop(f"layers.0.out.{kind}")
    published = {
        f"module.{'transformer_encoder.' if k.startswith('layers') else ''}"
        + k.replace("x_encoder", "encoder"): v
        for k, v in (state | attention).items()
    }
    published["module.criterion.weight"] = torch.ones(3)
    settings = {
        "num_features": 6,
        "max_num_classes": 3,
        "emsize": 8,
        "nhead": 2,
        "nlayers": 1,
        "nhid_factor": 2,
    }
    buffer = io.BytesIO()
    torch.save((published, None, settings), buffer)
    return buffer.getvalue()


@pytest.fixture(scope="session")
def official():
    return official_bytes()


@pytest.fixture
def files(official):
    metadata = b"Metadata-Version: 2.1\nName: tiny-weights\nVersion: 1.0\n"
    return {
        "PKG-INFO": metadata,
        "pyproject.toml": PROJECT.encode(),
        "backend.py": BACKEND.encode(),
        MEMBER: official,
    }


@pytest.fixture
def source(official, monkeypatch, tmp_path):
    """The registry's entry, pointing at the small file; the cache is an empty folder."""
    small = replace(
        REGISTRY["tabpfn-v1"],
        package="tiny-weights",
        version="1.0",
        member=MEMBER,
        size=len(official),
        sha256=hashlib.sha256(official).hexdigest(),
    )
    monkeypatch.setitem(REGISTRY, "tabpfn-v1", small)
    monkeypatch.setenv("LIT_CAUSALMIX_CACHE", str(tmp_path / "cache"))
    return small


@pytest.fixture
def index(tmp_path, monkeypatch):
    """A folder that pip takes as its only index; this is how a user configures pip."""
    folder = tmp_path / "index"
    folder.mkdir()
    for name in [n for n in os.environ if n.startswith("PIP_")]:
        monkeypatch.delenv(name)
    monkeypatch.setenv("PIP_CONFIG_FILE", os.devnull)
    monkeypatch.setenv("PIP_NO_INDEX", "1")
    monkeypatch.setenv("PIP_FIND_LINKS", str(folder))
    return folder
