"""Members of a kept model as JSON and tensors."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import torch

from lit_causalmix.backbones.description import described, rebuilt
from lit_causalmix.errors import ModelError
from lit_causalmix.model.folder import FolderWriter, read_tensors
from lit_causalmix.model.member import Member
from lit_causalmix.tables.encoding import Encoder
from lit_causalmix.tables.schema import Schema
from lit_causalmix.tables.table import Table


def write_member(member: Member, writer: FolderWriter) -> dict[str, Any]:
    """Writes weights and context rows; the rest of the member comes back as JSON values.

    Raises:
        ConfigurationError: If the backbone cannot be described in JSON.
        FileError: If a file cannot be written.
    """
    context = {
        "values": torch.from_numpy(member.context.values),
        "rows": torch.from_numpy(member.context.rows),
    }
    return {
        "backbone": described(member.backbone),
        # torch multiplies matrices in another way by weights that require no gradient, also where
        # none is taken: other bits.
        "frozen": [n for n, p in member.backbone.named_parameters() if not p.requires_grad],
        "weights": writer.add("weights", member.backbone.state_dict()),
        "context": writer.add("context", context),
        "table": {"name": member.context.name, "domain": member.context.domain},
        "schema": member.schema.to_dict(),
        "encoder": member.encoder.to_dict(),
        "max_query_rows": member.max_query_rows,
        "nearest": member.nearest,
    }


def read_member(
    content: Mapping[str, Any], folder: Path, files: Mapping[str, Any], *, own_code: bool
) -> Member:
    """Makes a member of what `write_member` wrote.

    Raises:
        ModelError: If a file is missing or damaged, or the backbone cannot be made here.
    """
    rows = read_tensors(folder, content["context"], files)
    weights = read_tensors(folder, content["weights"], files)
    backbone = rebuilt(content["backbone"], own_code=own_code)
    try:
        backbone.load_state_dict(weights)
        for name in content["frozen"]:
            backbone.get_parameter(name).requires_grad_(False)
    except RuntimeError as error:
        first = " ".join(str(error).split())[:300]
        raise ModelError(
            f"the weights in {folder} are not those of {content['backbone']['class']} in this "
            f"version of lit-causalmix: {first}"
        ) from error
    table = Table(
        str(content["table"]["name"]),
        str(content["table"]["domain"]),
        Schema.from_dict(content["schema"]),
        rows["values"].numpy(),
        rows["rows"].numpy(),
    )
    encoder = Encoder.from_dict(content["encoder"])
    most = int(content["max_query_rows"])
    return Member(backbone, encoder, table, most, nearest=content.get("nearest"))
