"""One word for what a change did over many tables, with the numbers it rests on."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Literal

import numpy as np
import pandas as pd

from lit_causalmix.errors import ConfigurationError
from lit_causalmix.seeding import rng
from lit_causalmix.study.statistics.aggregate import table_means
from lit_causalmix.study.statistics.bootstrap import Estimate, Floats
from lit_causalmix.study.statistics.effects import Effects
from lit_causalmix.study.statistics.means import (
    EQUIVALENT,
    detectable_effect,
    equivalence_p,
    student_interval,
)

Word = Literal["consistent", "domain-dependent", "equivalent", "no effect", "harmful"]


@dataclass(frozen=True)
class Verdict:
    """What a change did, and why it is said.

    Attributes:
        word: The verdict.
        reason: One sentence with the numbers that decided.
        overall: Mean effect over all tables, with its interval.
        domains: One row per domain, best first: domain, n_tables, mean, low, high and shows
            ("gain", "harm" or "open").
        equivalence_p: p of the two one-sided tests that the mean effect lies within ±`bound`.
        detectable: Mean effect that so many tables would have shown with a power of 80 %.
        heterogeneity_p: p of the permutation test that the domains do not differ; NaN with one
            domain.
        margin: Smallest effect that counts.
        bound: Of `equivalence_p`.
        level: Confidence level.
        label: What the effect is.
        notes: What was left out or could not be judged.
    """

    word: Word
    reason: str
    overall: Estimate
    domains: pd.DataFrame
    equivalence_p: float
    detectable: float
    heterogeneity_p: float
    margin: float
    bound: float
    level: float
    label: str
    notes: tuple[str, ...]


def verdict(
    effects: Effects,
    *,
    margin: float = 0.0,
    bound: float = EQUIVALENT,
    level: float = 0.95,
    n_permutations: int = 2000,
    seed: int = 0,
) -> Verdict:
    """Judges whether an effect is the same everywhere, depends on the domain, or is not there.

    The rule [our choice]. Each table counts once, by its mean over seeds. An interval is Student's
    over tables, not a bootstrap: with a handful of tables per domain percentile intervals are too
    narrow. It holds at `level` for all tables together, and for the domains jointly (Bonferroni). A
    domain shows a gain where its interval lies above the margin, a harm where it lies below
    −margin; one with a single table shows nothing by itself. The domains differ where permuting
    the tables over the domains explains as much variance between them in less than 1 − level of
    the permutations.

    1. domain-dependent: some domain shows a gain and another a harm; or the domains differ, an
       effect is shown in some domain or overall, and not every domain shows it by itself.
    2. consistent: the overall interval lies above the margin.
    3. harmful: the overall interval lies below −margin.
    4. equivalent: two one-sided tests rule out an effect beyond ±`bound`, so that "none" is a
       statement.
    5. no effect: otherwise, none is shown. That is no proof of absence: `reason` says which effects
       the interval leaves possible, `detectable` which one would have been shown.

    With no true effect another word than the last two came out in 6 % of 1,000 simulated studies at
    level .95, with 2 to 8 domains of 2 to 15 tables and heavy tails.

    Args:
        effects: Of `paired_effects` or `slope_effects`.
        margin: Smallest effect that counts, in the effect's unit.
        bound: Effect that "equivalent" rules out, in the effect's unit.
        level: Confidence level.
        n_permutations: Of the test of differing domains.
        seed: Of the permutations.

    Raises:
        ConfigurationError: With fewer than two tables, a margin below 0 or a level outside (0, 1).
    """
    if margin < 0 or not 0 < level < 1:
        raise ConfigurationError(
            f"a verdict needs a margin >= 0 and a level in (0, 1), got {margin} and {level}"
        )
    means = table_means(effects.frame, "effect", ["domain"])
    if len(means) < 2:
        raise ConfigurationError(f"a verdict needs two or more tables, got {len(means)}")
    names = means.index.get_level_values("domain").to_numpy()
    values = np.asarray(means, dtype=np.float64)
    overall = student_interval(values, level)
    domains = _domains(names, values, margin, level)
    p = _heterogeneity_p(names, values, n_permutations, seed)
    p_equivalent = equivalence_p(values, bound)
    shown = set(domains["shows"]) - {"open"}
    everywhere = set(domains["shows"]) in ({"gain"}, {"harm"})
    differ = p < 1 - level  # False for NaN, too
    above, below = overall.low > margin, overall.high < -margin
    numbers = f"mean {overall.value:+.3g} [{overall.low:+.3g}, {overall.high:+.3g}]"
    word: Word
    if len(shown) == 2 or (differ and (shown or above or below) and not everywhere):
        word = "domain-dependent"
        listed = [
            f"{kind} in {', '.join(part['domain'])}"
            for kind, part in domains.groupby("shows", sort=True)
        ]
        reason = f"{numbers}; {'; '.join(listed)}; the domains differ with p = {p:.2g}"
    elif above:
        word, reason = "consistent", f"{numbers} over {len(values)} tables lies above {margin:g}"
    elif below:
        word, reason = "harmful", f"{numbers} over {len(values)} tables lies below {-margin:g}"
    elif p_equivalent < 1 - level:
        word = "equivalent"
        reason = f"{numbers} over {len(values)} tables: an effect beyond ±{bound:g} is ruled out"
    else:
        word = "no effect"
        reason = f"{numbers} over {len(values)} tables: nothing outside this interval is likely"
    notes = list(effects.notes)
    single = sorted(domains.loc[domains["n_tables"] == 1, "domain"])
    if single:
        notes.append(f"one table tells nothing of its domain: {', '.join(single)}")
    return Verdict(
        word,
        reason,
        overall,
        domains,
        equivalence_p=p_equivalent,
        detectable=detectable_effect(values, level),
        heterogeneity_p=p,
        margin=margin,
        bound=bound,
        level=level,
        label=effects.label,
        notes=tuple(notes),
    )


def _domains(names: Floats, values: Floats, margin: float, level: float) -> pd.DataFrame:
    unique = sorted(set(names))
    joint = 1 - (1 - level) / len(unique)
    rows = []
    for domain in unique:
        own = values[names == domain]
        interval = student_interval(own, joint)
        shows = "gain" if interval.low > margin else "harm" if interval.high < -margin else "open"
        rows.append((domain, len(own), interval.value, interval.low, interval.high, shows))
    columns = ["domain", "n_tables", "mean", "low", "high", "shows"]
    frame = pd.DataFrame(rows, columns=columns)
    return frame.sort_values(["mean", "domain"], ascending=[False, True], ignore_index=True)


def _heterogeneity_p(names: Floats, values: Floats, n_permutations: int, seed: int) -> float:
    """Permutation test on the variance between domains (a one-way analysis of variance)."""
    unique, codes = np.unique(names, return_inverse=True)
    if len(unique) < 2:
        return math.nan
    member = np.eye(len(unique))[codes]
    counts = member.sum(axis=0)

    def between(permuted: Floats) -> Floats:
        return np.asarray((np.square(permuted @ member) / counts).sum(axis=-1))

    shuffled = np.tile(values, (n_permutations, 1))
    shuffled = rng(seed, "heterogeneity").permuted(shuffled, axis=1)
    slack = 1e-12 * (1 + np.square(values).sum())
    as_large = between(shuffled) >= between(values) - slack
    return float((1 + as_large.sum()) / (1 + n_permutations))
