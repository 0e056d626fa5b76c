import pytest

from lit_causalmix.errors import ConfigurationError
from lit_causalmix.study.merging import merged


def test_mappings_merge_and_everything_else_is_replaced() -> None:
    base = {"data": {"split": {"seed": 0, "max_train_rows": 9}, "list": [1, 2]}}
    result = merged(base, {"data": {"split": {"seed": 1}, "list": [3]}}, {"model": None})
    assert result == {
        "data": {"split": {"seed": 1, "max_train_rows": 9}, "list": [3]},
        "model": None,
    }
    assert base["data"]["split"]["seed"] == 0  # the pieces stay as they are


def test_plus_appends_to_a_list() -> None:
    base = {"trainer": {"callbacks": ["a"]}}
    more, single = {"trainer": {"callbacks+": ["b"]}}, {"trainer": {"callbacks+": "c"}}
    assert merged(base, more, single) == {"trainer": {"callbacks": ["a", "b", "c"]}}
    assert merged(base, merged(more, single)) == {"trainer": {"callbacks": ["a", "b", "c"]}}
    assert merged(more, base) == base


def test_another_class_drops_the_arguments_of_the_first() -> None:
    base = {"generator": {"class_path": "x.SCM", "init_args": {"n_dags": 2}}}
    other = merged(base, {"generator": {"class_path": "x.Jitter", "init_args": {"width": 1}}})
    assert other == {"generator": {"class_path": "x.Jitter", "init_args": {"width": 1}}}
    same = merged(base, {"generator": {"class_path": "SCM", "init_args": {"noise": "a"}}})
    assert same["generator"]["init_args"] == {"n_dags": 2, "noise": "a"}
    assert merged(base, {"generator": None}) == {"generator": None}


@pytest.mark.parametrize("key", [1.5, 2020, None, True])
def test_a_key_that_is_no_text_is_refused_by_name(key: object) -> None:
    with pytest.raises(ConfigurationError, match=rf"is text, got {key!r}"):
        merged({}, {"model": {"lr": {key: []}}})
