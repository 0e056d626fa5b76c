"""What a user knows about causes: edges that must or must not be there, by column name."""

from __future__ import annotations

import logging
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass, field
from difflib import get_close_matches
from itertools import chain, product
from typing import Any

from lit_causalmix.causal.graphs.constraints import Constraints, Edge, arrow
from lit_causalmix.errors import ConfigurationError
from lit_causalmix.tables.spec import column_name

logger = logging.getLogger(__name__)


@dataclass(frozen=True)
class Knowledge:
    """Expert knowledge about the causal graph; every sampled graph keeps it.

    Columns are given by name, the target among them; a whole number is the name of its digits.

    Attributes:
        required: Pairs [cause, effect] that every graph holds.
        forbidden: Pairs [cause, effect] that no graph holds; the opposite direction stays open.
        tiers: Groups of columns in causal order: an edge leads from a tier to the same or a later
            one, never to an earlier one. Columns in no tier are free.
        forbid_within_tiers: Whether edges between columns of one tier are forbidden too.
        target_is_sink: Whether the target causes nothing.
        exogenous: Columns that have no causes within the table.

    Raises:
        ConfigurationError: If it contradicts itself, as far as that shows without a table.

    Example:
        >>> Knowledge(tiers=[["age"], ["income"]], target_is_sink=True).target_is_sink
        True
    """

    required: list[list[str]] = field(default_factory=list)
    forbidden: list[list[str]] = field(default_factory=list)
    tiers: list[list[str]] = field(default_factory=list)
    forbid_within_tiers: bool = False
    target_is_sink: bool = False
    exogenous: list[str] = field(default_factory=list)

    def __post_init__(self) -> None:
        for setting in ("required", "forbidden", "tiers"):
            groups = [_names(setting, group) for group in _listed(setting, getattr(self, setting))]
            object.__setattr__(self, setting, groups)
        object.__setattr__(self, "exogenous", _names("exogenous", self.exogenous))
        for kind, edges in (("required", self.required), ("forbidden", self.forbidden)):
            for edge in edges:
                if len(edge) != 2 or edge[0] == edge[1]:
                    raise ConfigurationError(
                        "knowledge: an edge is [cause, effect], two different columns, but "
                        f"{kind} lists {list(edge)}"
                    )
        tiered = list(chain.from_iterable(self.tiers))
        for name in tiered:
            if tiered.count(name) > 1:
                raise ConfigurationError(
                    f"knowledge: a column stands in one tier, but {name!r} is listed twice"
                )
        self.constraints(self.mentioned())

    def settings(self) -> dict[str, Any]:
        """Returns the content as JSON values."""
        return asdict(self)

    def mentioned(self) -> list[str]:
        """Returns every column named in it, each once."""
        edges = chain.from_iterable((*self.required, *self.forbidden))
        return list(dict.fromkeys((*edges, *chain.from_iterable(self.tiers), *self.exogenous)))

    def constraints(self, columns: Sequence[str], target: str | None = None) -> Constraints:
        """Spells it out edge by edge.

        Args:
            columns: All columns of the table, the target among them.
            target: The target, where it is known.

        Raises:
            ConfigurationError: If a column is unknown, a required edge is also forbidden (by
                itself, a tier, an exogenous column or the target as a sink), or the required edges
                form a cycle, which is named.
        """
        for name in self.mentioned():
            if name not in columns:
                raise ConfigurationError(_unknown(name, columns))
        forbidden: dict[Edge, str] = {}
        for cause, effect in self.forbidden:
            forbidden[cause, effect] = "it is forbidden as well"
        for name in self.exogenous:
            forbidden |= {(c, name): f"{name!r} is exogenous" for c in columns if c != name}
        if self.target_is_sink and target is not None:
            why = f"the target {target!r} is a sink"
            forbidden |= {(target, c): why for c in columns if c != target}
        for position, tier in enumerate(self.tiers):
            for effect, cause in product(chain.from_iterable(self.tiers[:position]), tier):
                forbidden[cause, effect] = f"{cause!r} stands in a later tier than {effect!r}"
            if self.forbid_within_tiers:
                for cause, effect in product(tier, tier):
                    if cause != effect:
                        forbidden[cause, effect] = f"{cause!r} and {effect!r} stand in one tier"
        return Constraints(tuple((c, e) for c, e in self.required), forbidden)

    def node_constraints(
        self, columns: Sequence[str], target: str, set_aside: Mapping[str, str]
    ) -> Constraints:
        """Returns the constraints between the columns that are nodes of the graph.

        What is said of a column that is set aside has no effect, and a warning says so.

        Args:
            columns: All columns of the table, the target among them.
            target: The target.
            set_aside: Columns that are no nodes, with the reason.

        Raises:
            ConfigurationError: As `constraints`, and if an edge of such a column is required.
        """
        complete = self.constraints(columns, target)
        for edge in complete.required:
            for name in edge:
                if name in set_aside:
                    raise ConfigurationError(
                        f"knowledge: {arrow(edge)} is required, but {name!r} is no node of the "
                        f"graph ({set_aside[name]} column): remove the edge"
                    )
        if idle := [name for name in self.mentioned() if name in set_aside]:
            logger.warning(
                "knowledge about %s has no effect: no node of the graph (%s)",
                ", ".join(map(repr, idle)),
                ", ".join(dict.fromkeys(set_aside[name] for name in idle)),
            )
        return complete.among([c for c in columns if c not in set_aside])


def _listed(setting: str, given: object) -> list[Any]:
    """What a setting lists; a text would be taken for its letters.

    Raises:
        ConfigurationError: If it is no list.
    """
    if isinstance(given, str | bytes) or not isinstance(given, Iterable):
        what = "columns" if setting == "exogenous" else "lists of columns"
        raise ConfigurationError(f"knowledge: {setting} is a list of {what}, got {given!r}")
    return list(given)


def _names(setting: str, given: object) -> list[str]:
    return [column_name(column, f"knowledge: {setting}") for column in _listed(setting, given)]


def _unknown(name: str, columns: Sequence[str]) -> str:
    near = get_close_matches(name, columns, n=3, cutoff=0.5)
    found = ", ".join(map(repr, near or columns[:10]))
    more = "" if near or len(columns) <= 10 else f" and {len(columns) - 10} more"
    hint = "did you mean" if near else "its columns are"
    return f"knowledge: the table has no column {name!r}: {hint} {found}{more}"
