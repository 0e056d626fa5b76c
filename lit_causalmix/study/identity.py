"""What makes two cells the same fit: content hashes over what was asked for.

A key holds what was asked for and what was learned from, not how the code answers: settings that
differ from their defaults, the content of the table's source, the backbone's weights. So a key
outlives a new option with a default, a moved folder, another machine, and another package version
that computes the same thing, and classes go by names that survive a move (`names.key_name`);
package versions are recorded in each result instead, where a reader
can group by them. A change of the method itself, or of a default, raises `RECIPE`.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any

from lit_causalmix.backbones import Nano
from lit_causalmix.backbones.nano import LATEST, VERSIONS
from lit_causalmix.causal.models.selection import FULL_ROWS
from lit_causalmix.files.digests import of_json
from lit_causalmix.generators import SCMGenerator
from lit_causalmix.names import key_name

RECIPE = 2
"""Version of what a cell does. Raise it when code or defaults change what a cell computes."""

FAMILIES = 2
"""Version of how mechanisms are chosen with more than `FULL_ROWS` rows, in the keys of such cells.

Cells with fewer compute what they did, so that `RECIPE` stays and their results with it.
"""

_DEFAULT_BACKBONE = {"class_path": key_name(Nano), "init_args": {}}
_DEFAULT_GENERATOR = {"class_path": key_name(SCMGenerator), "init_args": {}}

CONTEXT = "both"
"""The default of `data.context`, which keys name; what they leave out is "train"."""

_WHERE_AND_HOW = {
    "trainer": (
        "accelerator",
        "devices",
        "strategy",
        "num_nodes",
        "logger",
        "default_root_dir",
        "enable_progress_bar",
        "enable_model_summary",
        "enable_checkpointing",
        "log_every_n_steps",
    ),
    "data": ("cache_dir", "progress", "num_workers", "pin_memory", "predict_source"),
}
"""Settings of where and how a fit runs, which are no part of the question."""


def asked_for(config: Mapping[str, Any], table: Mapping[str, Any]) -> dict[str, Any]:
    """Brings what is asked of a cell into one form, so that equal questions look equal.

    Args:
        config: Configuration without what equals a default (`FitCLI.values`).
        table: The same for the table, with the source's fingerprint in place of its path.
    """
    model, data = dict(config.get("model", {})), dict(config["data"])
    trainer = dict(config.get("trainer", {}))
    for part, names in ((trainer, _WHERE_AND_HOW["trainer"]), (data, _WHERE_AND_HOW["data"])):
        for name in names:
            part.pop(name, None)
    data["table"] = dict(table)
    # The first results had the training rows alone as context, and their keys say nothing of it.
    if data.pop("context", CONTEXT) != "train":
        data["context"] = CONTEXT
    model["backbone"] = _without_weights(asked_backbone(config))
    if data["synthetic_ratio"] > 0 or data.get("val_synthetic_rows"):
        data["generator"] = data.get("generator") or _DEFAULT_GENERATOR
    else:
        for name in ("synthetic_in", "synthetic_mode", "synthetic_classes"):
            data.pop(name, None)
        if data.get("generator") is None:
            data.pop("generator", None)
    rest = {k: v for k, v in config.items() if k not in ("model", "data", "trainer")}
    return {**rest, "trainer": trainer, "model": model, "data": data}


def asked_backbone(config: Mapping[str, Any]) -> Mapping[str, Any]:
    """The backbone of a configuration: its `class_path` and `init_args`."""
    backbone: Mapping[str, Any] = config.get("model", {}).get("backbone") or _DEFAULT_BACKBONE
    return backbone


def cell_key(asked: Mapping[str, Any], checksum: str | None) -> str:
    """Content hash of a cell.

    Args:
        asked: From `asked_for`.
        checksum: Of the backbone's weights; None where they are not known yet, which no finished
            cell has.
    """
    content = {"recipe": RECIPE, "asked": asked, "weights": checksum}
    return content_hash(content | ({"families": FAMILIES} if _screens(asked) else {}))


def _screens(asked: Mapping[str, Any]) -> bool:
    """Whether mechanisms of a cell's structural causal models may be chosen by screening.

    Candidates of `auto`, which are written as the user does, train on folds of all rows but the
    test rows.
    """
    data, auto = asked["data"], asked.get("auto")
    split = data.get("split") or {}
    limits = [split.get(name) for name in ("max_train_rows", *(["max_val_rows"] if auto else []))]
    causal = key_name(SCMGenerator) in json.dumps(data.get("generator"))
    causal = causal or SCMGenerator.__name__ in json.dumps(auto)
    known = [limit for limit in limits if limit is not None]
    return causal and (len(known) < len(limits) or sum(known) > FULL_ROWS)


def generator_key(asked: Mapping[str, Any]) -> str:
    """Content hash of what the fit of a cell's generator depends on."""
    data = asked["data"]
    return content_hash({name: data.get(name) for name in ("table", "split", "seed", "generator")})


def content_hash(content: Any) -> str:
    """The first 128 bits of the SHA-256 over JSON values, in hexadecimal."""
    return of_json(content)[:32]


def _without_weights(backbone: Mapping[str, Any]) -> dict[str, Any]:
    """A backbone without the path of its weights, whose content is hashed instead."""
    arguments = {k: v for k, v in (backbone.get("init_args") or {}).items() if k != "weights"}
    if backbone["class_path"] == key_name(Nano):
        # The first results are of version 1, and their keys say nothing of it.
        version = arguments.pop("version", LATEST)
        if version != 1:
            arguments["version"] = version
        own = VERSIONS.get(version)
        if own is not None and arguments.get("n_ensemble") == own.n_ensemble:
            del arguments["n_ensemble"]
        # They left the codes as they are, which one view does anyway.
        permuted = arguments.pop("permute_codes", True)
        if permuted and arguments.get("n_ensemble") != 1:
            arguments["permute_codes"] = True
    return {"class_path": backbone["class_path"], "init_args": arguments}
