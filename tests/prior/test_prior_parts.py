import numpy as np
import pytest

from lit_causalmix.prior.columns import cut_codes, remove_cells, show_number, standardise_by
from lit_causalmix.prior.graph import GraphStyle, draw_nodes
from lit_causalmix.prior.mechanisms import MECHANISMS, Array, Mechanism, noise, standardise, trees
from lit_causalmix.prior.targets import draw_classes, draw_numbers, show_target

pytestmark = pytest.mark.filterwarnings("error")


def generator(seed: int = 0) -> np.random.Generator:
    return np.random.default_rng(seed)


@pytest.mark.parametrize("mechanism", sorted(set(MECHANISMS), key=lambda m: m.__name__))
def test_mechanisms_give_standardised_functions_of_their_parents(mechanism: Mechanism) -> None:
    for seed in range(20):
        x = generator(seed).normal(size=(60, 3))
        x[30:] = x[:30]  # equal parents, equal outputs
        y = mechanism(x, 2, generator(seed))
        assert y.shape == (60, 2)
        np.testing.assert_allclose(y[30:], y[:30], atol=1e-12)
        np.testing.assert_allclose(y.mean(axis=0), 0, atol=1e-9)
        power = np.square(y).mean(axis=0)
        assert np.all((abs(power - 1) < 1e-6) | (power == 0))


def test_mechanisms_stay_finite_on_constant_parents() -> None:
    for mechanism in MECHANISMS:
        assert np.isfinite(mechanism(np.zeros((20, 2)), 1, generator())).all()


def test_trees_cut_along_single_columns() -> None:
    x = standardise(generator().normal(size=(400, 2)))
    y = trees(x, 1, generator(4))
    assert len(np.unique(y)) < 400  # piecewise constant


def test_noise_is_standardised_in_every_family() -> None:
    for seed in range(40):
        z = noise((500,), generator(seed))
        assert abs(z.mean()) < 1e-9
        assert abs(z.std() - 1) < 1e-9


def _style(**change: object) -> GraphStyle:
    base = {"root_share": 0.0, "max_parents": 3, "noise_scale": 0.1, "local": False}
    return GraphStyle(**(base | {"code_share": 0.0} | change))  # type: ignore[arg-type]


def test_only_nodes_after_the_target_can_depend_on_it() -> None:
    def nodes(scale: float, seed: int) -> Array:
        def target(parents: Array | None) -> Array:
            assert parents is not None
            return scale * np.linspace(-1, 1, 50)

        rng = generator(seed)
        return draw_nodes(50, 8, _style(), rng, target_at=3, target=target).values

    depends = [~np.isclose(nodes(1.0, seed), nodes(-2.0, seed)).all(axis=0) for seed in range(5)]
    assert not np.any(depends, axis=0)[:3].any()
    assert np.any(depends, axis=0)[3:].any()


def test_a_target_before_all_nodes_is_a_root() -> None:
    seen: list[object] = []

    def target(parents: Array | None) -> Array:
        seen.append(parents)
        return np.zeros(50)

    assert draw_nodes(50, 3, _style(), generator(), target_at=0, target=target).values.shape == (
        50,
        3,
    )
    assert seen == [None]


def test_category_nodes_give_their_children_one_value_per_category() -> None:
    nodes = draw_nodes(80, 5, _style(code_share=1.0), generator())
    for value, code in zip(nodes.values.T, nodes.codes, strict=True):
        assert code is not None
        for category in np.unique(code):
            assert np.ptp(value[code == category]) < 1e-12


def test_roots_alone_are_independent() -> None:
    x = draw_nodes(20_000, 6, _style(root_share=1.0), generator()).values
    assert abs(np.corrcoef(x.T) - np.eye(6)).max() < 0.05


def test_columns() -> None:
    value = generator().normal(size=300)
    for seed in range(40):
        codes = cut_codes(value, generator(seed))
        assert codes.min() >= 0
        assert codes.max() <= 11
        assert np.isfinite(show_number(value, generator(seed))).all()
        assert np.isfinite(show_target(value, generator(seed))).all()
    gaps = np.isnan(remove_cells(np.ones((400, 8)), generator(2))).mean(axis=0)
    assert gaps.max() > 0
    assert gaps.max() < 0.95


def test_standardising_uses_the_context_rows_alone() -> None:
    x = np.array([[1.0, 0], [3.0, 1], [np.nan, 2], [1000.0, 3]])
    out = standardise_by(x, 3, np.array([True, False]))
    np.testing.assert_allclose(out[:, 0], [-1, 1, np.nan, 998])
    np.testing.assert_allclose(out[:, 1], x[:, 1])


def test_targets() -> None:
    x = generator().normal(size=(200, 3))
    for seed in range(60):
        labels = draw_classes(x, 200, 4, generator(seed))
        assert set(labels) <= {0, 1, 2, 3}
        number = draw_numbers(x, 200, generator(seed))
        assert abs(number.std() - 1) < 1e-9
    assert len(np.unique(draw_classes(None, 200, 4, generator(1)))) > 1
