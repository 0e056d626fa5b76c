"""Rows as they would have been: own noise by abduction, some of it drawn anew, propagated."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from lit_causalmix.causal.sampler.ensemble import CompiledScm, Ensemble


def counterfactual(
    model: CompiledScm,
    parents: NDArray[np.bool_],
    observed: NDArray[np.float64],
    fresh: NDArray[np.bool_],
    rng: np.random.Generator,
) -> NDArray[np.float64]:
    """Computes all nodes of rows whose noise is their own, but for some nodes.

    Abduction, action, prediction (Pearl, Causality, 2nd ed. 2009, section 7.1). The noise of a
    numerical node is what the model leaves unexplained, exactly; that of a categorical one is drawn
    from its posterior, the uniform distribution over the slice of the observed class. A node whose
    noise is its own and whose parents stay as observed stays as observed, to the bit.

    Args:
        model: The model, after whatever intervention.
        parents: bool (d, d), [i, j] is True for i → j.
        observed: Rows as they are, float64 (n, d).
        fresh: bool (n, d), where noise is drawn anew.
        rng: Source of all randomness.

    Returns:
        float64 (n, d).
    """
    place = rng.random(observed.shape[::-1])  # within the posterior, where it is not a point
    drawn = model.draw_noise(len(observed), rng)
    given = np.asfortranarray(observed)  # columns are read and written as a whole
    values, changed = given.copy(order="F"), np.zeros(observed.shape, dtype=bool)
    for node in model.order:
        moves = fresh[:, node] | changed[:, parents[:, node]].any(axis=1)
        if not moves.any():
            continue
        mechanism = model.mechanisms[node]
        own = mechanism.abduct(given, given[:, node], place[node])
        noise = np.where(fresh[:, node], drawn[:, node], own)
        values[moves, node] = mechanism.evaluate(values, noise)[moves]
        changed[:, node] = values[:, node] != given[:, node]
    return values


def counterfactuals(
    ensemble: Ensemble,
    parents: NDArray[np.bool_],
    observed: NDArray[np.float64],
    fresh: NDArray[np.bool_],
    rng: np.random.Generator,
    *,
    rows_per_model: int,
) -> NDArray[np.float64]:
    """`counterfactual` of each row under one of the models, as `Ensemble.sample` spreads rows.

    Args:
        ensemble: K models.
        parents: bool (K, d, d).
        observed: float64 (n, d).
        fresh: bool (n, d).
        rng: Source of all randomness.
        rows_per_model: See `Ensemble.sample`.

    Returns:
        float64 (n, d), rows in the order given.
    """
    result = np.empty(observed.shape)
    for k, rows in ensemble.visits(len(observed), rng, rows_per_model=rows_per_model):
        model = ensemble.model(k)
        result[rows] = counterfactual(model, parents[k], observed[rows], fresh[rows], rng)
    return result
