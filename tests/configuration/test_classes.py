"""What a configuration may build: classes of the expected kind; nothing is called to find out."""

from collections.abc import Callable, Iterable, Mapping, Sequence
from pathlib import Path
from typing import Annotated, Any, Literal, Optional, TypeVar, Union

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from jsonargparse import ArgumentParser, Namespace

from lit_causalmix.configuration.classes import check_classes, expected_classes, resolve_class
from lit_causalmix.configuration.parser import Parser
from lit_causalmix.errors import ConfigurationError

CALLS: list[str] = []
"""What was called; a check that calls something leaves its mark here."""


class Animal:
    """A base class of settings."""

    def __init__(self, name: str = "", friend: "Animal | None" = None, extra=None) -> None:  # type: ignore[no-untyped-def]
        CALLS.append("Animal")
        self.friend = friend
        self.extra = extra


class Dog(Animal):
    """A kind of animal, with a function among its arguments."""

    def __init__(
        self,
        bark: Callable | None = None,  # type: ignore[type-arg]
        pack: Sequence[Animal] = (),
        **kwargs: Any,
    ) -> None:
        super().__init__(**kwargs)
        self.pack = pack


class Stone:
    """No animal, but callable."""

    def __init__(self) -> None:
        CALLS.append("Stone")

    def __call__(self) -> Animal:
        CALLS.append("Stone()")
        return Animal()


def adopt(name: str = "") -> Animal:
    """A function that returns what is expected."""
    CALLS.append("adopt")
    return Animal(name)


def run(command: str = "") -> None:
    """A function that returns nothing."""
    CALLS.append("run")


HERE = __name__
Bound = TypeVar("Bound", bound=Animal)


def spec(kind: str, /, **arguments: Any) -> dict[str, Any]:
    return {"class_path": f"{HERE}.{kind}", "init_args": arguments}


@pytest.fixture(autouse=True)
def _nothing_called() -> None:
    CALLS.clear()


@pytest.mark.parametrize(
    ("hint", "classes"),
    [
        (Animal, (Animal,)),
        (Animal | None, (Animal,)),
        (Optional[Animal], (Animal,)),  # noqa: UP045
        (Union[int, Animal, list[Dog]], (Animal, Dog)),  # noqa: UP007
        (list[Animal], (Animal,)),
        (Mapping[str, Sequence[Animal]], (Animal,)),
        (Annotated[Animal, "tame"], (Animal,)),
        (Bound, (Animal,)),
        (Callable[[int], Animal], (Animal,)),
        (Callable[[Iterable[Any]], Animal | Stone] | None, (Animal, Stone)),
        (Callable[[], None], ()),
        (Callable, ()),
        (type[Animal], ()),
        (Any, ()),
        (dict[str, Any], ()),
        (Literal["a", "b"], ()),
        (str | Path | int, ()),
    ],
)
def test_the_classes_that_a_type_expects(hint: Any, classes: tuple[type, ...]) -> None:
    assert expected_classes(hint) == classes


HINTS = {
    "one": Animal,
    "maybe": Animal | None,
    "many": list[Animal],
    "named": dict[str, Animal],
    "made": Callable[[int], Animal],
    "mixed": list[Animal] | Animal | str | None,
}


def parser() -> Parser:
    made = Parser(exit_on_error=False)
    for name, hint in HINTS.items():
        made.add_argument(f"--{name}", type=hint)
    made.add_argument("--function", type=Callable | None)
    made.add_argument("--anything", type=Any)
    return made


def wrapped(name: str, value: Any) -> Any:
    return {"many": [value], "named": {"rex": value}}.get(name, value)


@pytest.mark.parametrize("name", HINTS)
@pytest.mark.parametrize(
    "bad",
    [
        {"class_path": "os.system", "init_args": {"command": "touch x"}},
        spec("run", command="x"),
        spec("adopt", name="x"),
        spec("Stone"),
        spec("Dog", friend=spec("adopt")),
        spec("Dog", friend=spec("Stone")),
        spec("Dog", bark=f"{HERE}.run"),
        spec("Dog", bark=spec("Stone")),
        spec("Dog", pack=[spec("Dog"), spec("adopt")]),
        spec("Dog", friend=spec("Dog", friend=spec("Dog", friend=spec("adopt")))),
    ],
)
def test_anything_else_is_refused_before_a_call(name: str, bad: Any) -> None:
    made = parser()
    with pytest.raises(ConfigurationError):
        made.instantiate(made.parse_object({name: wrapped(name, bad)}))
    assert not CALLS


@pytest.mark.parametrize("name", HINTS)
def test_classes_of_the_kind_are_built(name: str) -> None:
    made = parser()
    good = spec("Dog", name="Rex", friend=spec("Animal"), pack=[spec("Dog", name="Ada")])
    if name == "made":
        good = {**good, "init_args": {k: v for k, v in good["init_args"].items() if k != "bark"}}
    check_classes(made, made.parse_object({name: wrapped(name, good)}))
    assert not CALLS
    ready = made.instantiate(made.parse_object({name: wrapped(name, good)}))
    value = ready[name]
    value = value(1) if name == "made" else value
    value = {"many": lambda: value[0], "named": lambda: value["rex"]}.get(name, lambda: value)()
    assert type(value) is Dog


def test_an_argument_without_a_type_keeps_its_mapping() -> None:
    made = parser()
    ready = made.instantiate(made.parse_object({"one": spec("Dog", extra=spec("Stone"))}))
    assert CALLS == ["Animal"]
    assert ready.one.extra["class_path"] == f"{HERE}.Stone"


@pytest.mark.parametrize("value", [f"{HERE}.run", f"{HERE}.Stone", spec("run"), spec("Stone")])
def test_functions_are_refused(value: Any) -> None:
    made = parser()
    with pytest.raises(ConfigurationError, match="function"):
        made.instantiate(made.parse_object({"function": value}))
    assert not CALLS


def test_a_default_function_stays() -> None:
    made = Parser(exit_on_error=False)
    made.add_argument("--made", type=Callable[[], Animal], default=adopt)
    for values in ({}, {"made": f"{HERE}.adopt"}):
        assert made.instantiate(made.parse_object(values)).made is adopt


def test_a_setting_of_plain_data_takes_no_class() -> None:
    made = parser()
    with pytest.raises(ConfigurationError, match="takes no class"):
        made.instantiate(made.parse_object({"anything": spec("Stone")}))


trees = st.recursive(
    st.sampled_from(["run", "adopt", "Stone", "Animal", "Dog"]).map(lambda n: (n, [])),
    lambda inner: st.tuples(st.just("Dog"), st.lists(inner, min_size=1, max_size=3)),
    max_leaves=8,
)


def built(tree: Any) -> dict[str, Any]:
    name, below = tree
    return spec(name, pack=[built(item) for item in below]) if below else spec(name)


def names(tree: Any) -> set[str]:
    return {tree[0]}.union(*(names(item) for item in tree[1]))


@given(trees)
@settings(max_examples=60, deadline=None)
def test_a_tree_is_built_if_and_only_if_each_class_in_it_is_of_the_kind(tree: Any) -> None:
    CALLS.clear()
    made = parser()
    if names(tree) <= {"Animal", "Dog"}:
        assert isinstance(made.instantiate(made.parse_object({"one": built(tree)})).one, Animal)
    else:
        with pytest.raises(ConfigurationError):
            made.instantiate(made.parse_object({"one": built(tree)}))
        assert not CALLS


def test_checking_needs_no_parser_of_ours() -> None:
    made = ArgumentParser(exit_on_error=False)
    made.add_argument("--one", type=Animal)
    values = Namespace(one=Namespace(class_path=f"{HERE}.adopt"))
    with pytest.raises(ConfigurationError, match="adopt is a function"):
        check_classes(made, values)


@pytest.mark.parametrize("path", ["", "x", "no.such", f"{HERE}.Nothing", "os.path.nothing.at.all"])
def test_names_of_nothing(path: str) -> None:
    with pytest.raises(ConfigurationError, match="there is no class"):
        resolve_class(path)


def test_a_class_inside_a_class_is_found() -> None:
    assert resolve_class("collections.abc.Mapping") is Mapping
    assert resolve_class("argparse.Namespace.__init__").__name__ == "__init__"
