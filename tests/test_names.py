"""Names that outlive a move."""

import importlib

import pytest

from lit_causalmix import names
from lit_causalmix.generators.scm import SCMGenerator
from lit_causalmix.training import CautiousValidation, LoRA


@pytest.mark.parametrize("name", sorted(names.OLD_NAMES))
def test_every_published_name_leads_to_a_class_and_back(name: str) -> None:
    kind = names.resolve(name)
    assert names.public_name(kind) == name
    assert names.key_name(kind) == names.OLD_NAMES[name]


@pytest.mark.parametrize(("old", "new"), sorted(names.MOVED.items()))
def test_moved_modules_are_the_same_under_their_old_names(old: str, new: str) -> None:
    assert importlib.import_module(old) is importlib.import_module(new)


def test_an_old_class_path_is_the_class_of_today() -> None:
    assert names.resolve("lit_causalmix.selection.CautiousValidation") is CautiousValidation
    assert names.resolve("lit_causalmix.adapters.LoRA") is LoRA


def test_a_class_from_outside_goes_by_its_module() -> None:
    assert names.public_name(pytest.Item) == "_pytest.nodes.Item"
    assert names.key_name(pytest.Item) == "_pytest.nodes.Item"


def test_names_do_not_depend_on_the_defining_module() -> None:
    assert SCMGenerator.__module__ == "lit_causalmix.generators.scm"
    assert names.public_name(SCMGenerator) == "lit_causalmix.generators.SCMGenerator"
