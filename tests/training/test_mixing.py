import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from lit_causalmix.errors import ConfigurationError
from lit_causalmix.training.mixing import mixture_counts, pick_real_rows, stratified_order


@given(
    st.integers(1, 500),
    st.integers(1, 200),
    st.floats(0, 1),
    st.sampled_from(["context", "query", "both"]),
)
def test_counts_keep_the_size_of_an_episode(
    n_context: int, n_query: int, ratio: float, placement: str
) -> None:
    counts = mixture_counts(n_context, n_query, ratio, placement)  # type: ignore[arg-type]
    assert counts.real_context + counts.synthetic_context == n_context
    assert counts.real_query + counts.synthetic_query == n_query
    assert min(vars(counts).values()) >= 0


def test_counts_at_the_ends_and_in_between() -> None:
    assert mixture_counts(80, 20, 0.0, "both").synthetic == 0
    assert mixture_counts(80, 20, 1.0, "both").real == 0
    half = mixture_counts(80, 20, 0.25, "both")
    assert (half.synthetic_context, half.synthetic_query) == (20, 5)
    assert mixture_counts(80, 20, 1.0, "context").real_query == 20
    assert mixture_counts(80, 20, 1.0, "query").real_context == 80


@given(
    st.integers(1, 500),
    st.integers(1, 200),
    st.floats(0, 0.95),
    st.sampled_from(["context", "query", "both"]),
)
def test_added_rows_leave_the_real_ones_and_have_the_share_of_the_ratio(
    n_context: int, n_query: int, ratio: float, placement: str
) -> None:
    counts = mixture_counts(n_context, n_query, ratio, placement, "add")  # type: ignore[arg-type]
    assert (counts.real_context, counts.real_query) == (n_context, n_query)
    added = counts.synthetic_context / (n_context + counts.synthetic_context)
    if placement == "query":
        assert counts.synthetic_context == 0
    else:
        assert abs(added - ratio) <= 0.5 / n_context
    assert (counts.synthetic_query == 0) >= (placement == "context")


def test_nothing_is_added_to_no_real_rows() -> None:
    with pytest.raises(ConfigurationError, match="so that the ratio lies below 1"):
        mixture_counts(8, 2, 1.0, "both", "add")


@pytest.mark.parametrize("ratio", [-0.1, 1.01, float("nan")])
def test_ratio_outside_its_range_is_refused(ratio: float) -> None:
    with pytest.raises(ConfigurationError, match=r"must lie in \[0, 1\], got"):
        mixture_counts(8, 2, ratio, "both")


@given(st.lists(st.integers(0, 4), min_size=1, max_size=60), st.integers(0, 2**20))
def test_stratified_order_is_a_permutation_that_starts_with_every_class(
    labels: list[int], seed: int
) -> None:
    y = np.array(labels)
    order = stratified_order(y, len(y), np.random.default_rng(seed))
    assert sorted(order) == list(range(len(y)))
    present = np.unique(y)
    assert set(y[order[: len(present)]]) == set(present)


def test_prefixes_have_nearly_the_shares_of_the_whole() -> None:
    y = np.repeat([0, 1], [150, 50])
    for seed in range(20):
        order = stratified_order(y, 200, np.random.default_rng(seed))
        share = y[order[:100]].mean()
        assert 0.23 <= share <= 0.27


def test_rows_of_one_class_are_equally_likely_to_be_picked() -> None:
    y = np.repeat([0, 1], [8, 4])
    picked = np.zeros(12)
    for seed in range(3000):
        picked[stratified_order(y, 12, np.random.default_rng(seed))[:6]] += 1
    for label in (0, 1):
        shares = picked[y == label] / 3000
        assert np.ptp(shares) < 0.08


@given(st.integers(0, 10_000), st.floats(0, 1))
def test_context_and_query_share_no_row(seed: int, ratio: float) -> None:
    y = np.repeat([0, 1, 2], [30, 15, 5])
    counts = mixture_counts(40, 10, ratio, "both")
    context, query = pick_real_rows(y, 50, counts, np.random.default_rng(seed))
    assert len(context) == counts.real_context
    assert len(query) == counts.real_query
    assert not set(context) & set(query)
    if counts.real_context >= 3:
        assert set(y[context]) == {0, 1, 2}


def shares(labels: np.ndarray, rows: np.ndarray) -> list[int]:
    return np.bincount(labels[rows], minlength=int(labels.max()) + 1).tolist()


def test_a_balanced_query_takes_classes_alike_and_leaves_the_context_as_it_is() -> None:
    y = np.repeat([0, 1], [240, 60])
    counts = mixture_counts(120, 40, 0.0, "both")
    for seed in range(10):
        rng = np.random.default_rng(seed)
        context, query = pick_real_rows(y, 300, counts, rng, "balanced_query")
        assert shares(y, query) == [20, 20]
        assert shares(y, context) == [96, 24]  # as in the table


def test_a_balanced_context_is_as_balanced_as_the_rows_go() -> None:
    y = np.repeat([0, 1], [240, 60])
    counts = mixture_counts(120, 40, 0.0, "both")
    context, query = pick_real_rows(y, 300, counts, np.random.default_rng(0), "balanced")
    assert shares(y, query) == [20, 20]
    assert shares(y, context) == [80, 40]  # all that the query leaves


def test_a_rare_class_keeps_half_of_its_rows_for_the_context() -> None:
    y = np.repeat([0, 1, 2], [290, 9, 1])
    counts = mixture_counts(128, 32, 0.0, "both")
    context, query = pick_real_rows(y, 300, counts, np.random.default_rng(0), "balanced_query")
    assert shares(y, query) == [28, 4, 0]
    assert shares(y, context)[1:] == [4, 1]


@given(
    st.lists(st.integers(0, 4), min_size=2, max_size=60),
    st.sampled_from(["stratified", "balanced_query", "balanced"]),
    st.floats(0.1, 0.5),
    st.integers(0, 2**20),
)
def test_picked_rows_stand_once_and_the_context_shows_the_classes_of_the_query(
    labels: list[int], classes: str, fraction: float, seed: int
) -> None:
    y = np.array(labels)
    n_query = max(1, int(len(y) * fraction))
    counts = mixture_counts(len(y) - n_query, n_query, 0.0, "both")
    picked = [
        pick_real_rows(y, len(y), counts, np.random.default_rng(seed), classes)  # type: ignore[arg-type]
        for _ in range(2)
    ]
    context, query = picked[0]
    assert sorted([*context, *query]) == list(range(len(y)))
    assert all(np.array_equal(a, b) for a, b in zip(*picked, strict=True))
    if classes != "stratified" and len(context) >= len(np.unique(y)):
        assert set(y[context]) == set(y)


def test_balanced_rows_of_a_regression_are_a_plain_choice() -> None:
    counts = mixture_counts(8, 2, 0.0, "both")
    one, two = (
        pick_real_rows(None, 10, counts, np.random.default_rng(0), classes)
        for classes in ("stratified", "balanced")
    )
    assert all(np.array_equal(a, b) for a, b in zip(one, two, strict=True))
