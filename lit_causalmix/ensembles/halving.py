"""Candidates compared on pooled out-of-fold predictions, by successive halving.

All are fitted on the first folds; the better half goes on to more of them, until those that are
left have been fitted on all. A rung adds folds to the ones before, so that no fit is thrown away
and every score is of whole fits. Rungs leave out by rank alone; the end is cautious: zero-shot,
which every fit scores, is left for a candidate that clears the bar of the selection alone.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Sequence
from dataclasses import replace
from typing import Protocol

from lit_causalmix.ensembles.comparison import Comparison, Rule, Standing
from lit_causalmix.ensembles.held_out import HeldOut
from lit_causalmix.errors import ConfigurationError

_NO_TIME = "no time was left for it"


def rungs(folds: int, first: int) -> tuple[int, ...]:
    """How many folds each candidate that is left has been fitted on at the end of each rung.

    Args:
        folds: All of them.
        first: Fewest.

    Example:
        >>> rungs(5, 2), rungs(8, 2), rungs(3, 5)
        ((2, 3, 5), (2, 4, 8), (3,))
    """
    found = [folds]
    while (fewer := math.ceil(found[0] / 2)) >= first and fewer < found[0]:
        found.insert(0, fewer)
    return tuple(found)


class Fits(Protocol):
    """Makes the fits of a comparison."""

    def run(self, pairs: Sequence[tuple[str, int]]) -> None:
        """Makes the fits that are not finished, of (candidate, fold), or as many as time allows."""

    def held_out(self, name: str, fold: int) -> HeldOut | None:
        """What a finished fit predicts for the rows of its fold; None where it is not finished."""

    def failure(self, name: str, fold: int) -> str:
        """Why a fit was refused; empty where it was not."""

    def zero_shot(self) -> HeldOut:
        """What zero-shot predicts for the first fold, where no fit came that far."""

    def left_out(self, name: str) -> None:
        """Told of a candidate that goes no further."""


def halve(
    names: Sequence[str],
    fits: Fits,
    rule: Rule,
    *,
    folds: int,
    first: int,
    tell: Callable[[str], None] = lambda _: None,
) -> Comparison:
    """Compares candidates.

    Args:
        names: The candidates; where two are level the one named first goes on.
        fits: Makes the fits.
        rule: By what.
        folds: All of them.
        first: Folds of the first rung.
        tell: Takes a line about each rung.

    Raises:
        ConfigurationError: If no candidate can be fitted.
    """
    table = {name: Standing(name, _NO_TIME) for name in names}
    plan, alive, scored, cut = rungs(folds, first), list(names), 0, ""
    for number, reached in enumerate(plan, start=1):
        fits.run([(name, fold) for fold in range(scored, reached) for name in alive])
        for name in list(alive):
            reason = next(filter(None, (fits.failure(name, f) for f in range(reached))), "")
            if reason:
                table[name] = replace(table[name], fate=f"cannot be fitted: {reason}")
                alive.remove(name)
        if not alive and not scored:
            reasons = "; ".join(f"{name} {standing.fate}" for name, standing in table.items())
            raise ConfigurationError(f"no candidate can be fitted: {reasons}")
        complete = _complete(fits, alive, reached)
        if complete < reached:
            if complete == 0:  # a part of them may have the first fold
                alive = [name for name in alive if fits.held_out(name, 0) is not None]
                complete = min(1, len(alive))
            cut = (
                f"time was over in rung {number} of {len(plan)}: in the end {len(alive)} of "
                f"{len(names)} candidates were compared, on {complete} of {folds} folds"
            )
        scored = complete
        for name in alive:
            table[name] = Standing.of(name, _held_out(fits, name, scored), rule)
        if cut or number == len(plan):
            break
        better = sorted(alive, key=lambda name: table[name].loss)[: math.ceil(len(alive) / 2)]
        for name in (n for n in alive if n not in better):
            table[name] = replace(table[name], fate=f"left out after rung {number}")
            fits.left_out(name)
        alive = [name for name in alive if name in better]
        tell(f"rung {number} of {len(plan)}, {scored} folds: {', '.join(alive)} go on")
    return _ended(table, alive, fits, rule, scored, cut)


def _ended(
    table: dict[str, Standing],
    alive: Sequence[str],
    fits: Fits,
    rule: Rule,
    scored: int,
    cut: str,
) -> Comparison:
    """The choice among those that are left and zero-shot."""
    chosen, choice = None, None
    held_out: tuple[HeldOut, ...] = () if alive else (fits.zero_shot(),)
    for name in alive:
        own = _held_out(fits, name, scored)
        found = rule.choice(own)
        if choice is None or (found.step > 0 and (chosen is None or found.score < choice.score)):
            choice, held_out = found, own
            chosen = name if found.step > 0 else None
    if choice is None:
        choice = rule.choice(held_out)
    fates = dict.fromkeys(alive, "compared to the end")
    if chosen is not None:
        doubt = rule.doubt(held_out, choice.step)
        fates[chosen] = doubt or "chosen"
        if doubt:
            chosen = None
    if chosen is None:
        choice = rule.zero_shot(choice)
    for name, fate in fates.items():
        table[name] = replace(table[name], fate=fate)
    return Comparison(tuple(table.values()), rule.metric, chosen, choice, held_out, cut)


def _complete(fits: Fits, names: Iterable[str], folds: int) -> int:
    """How many of the first folds all candidates are finished with."""
    for fold in range(folds):
        if any(fits.held_out(name, fold) is None for name in names):
            return fold
    return folds


def _held_out(fits: Fits, name: str, folds: int) -> tuple[HeldOut, ...]:
    found = (fits.held_out(name, fold) for fold in range(folds))
    return tuple(fold for fold in found if fold is not None)
