"""Fitted states on disk, taken back for the table and the settings they were learned from alone."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import ClassVar, Generic, Protocol, TypeVar

from lit_causalmix.errors import GeneratorError
from lit_causalmix.files import state as store
from lit_causalmix.generators.base import Generator
from lit_causalmix.tables.table import Table


class SavedState(Protocol):
    """A state that says what it was learned from."""

    @property
    def settings(self) -> str:
        """`Generator.settings` of the generator that was fitted, as JSON."""

    @property
    def fingerprint(self) -> str:
        """`Table.fingerprint` of the training split."""


State = TypeVar("State", bound=SavedState)


def settings_text(generator: Generator) -> str:
    """Returns the settings of a generator as a state keeps them."""
    return json.dumps(generator.settings())


def read_state(
    folder: Path,
    name: str,
    kind: type[State],
    classes: Mapping[str, type],
    *,
    generator: Generator,
    train: Table,
) -> State:
    """Reads what `files.state.write` wrote, where it belongs to this generator and table.

    Args:
        folder: Holds `<name>.json` and `<name>.safetensors`.
        name: Of the files.
        kind: Class of the state.
        classes: All classes that a state is made of, by name.
        generator: The generator that is to use the state.
        train: The training split that it is to be used for.

    Raises:
        GeneratorError: If the files are missing or altered, hold something else, or were learned
            from another table or with other settings.
    """
    state = store.read(folder, name, classes)
    if not isinstance(state, kind):
        raise GeneratorError(f"{folder} does not hold a state of {type(generator).__name__}")
    if state.fingerprint != train.fingerprint():
        raise GeneratorError(
            f"the state in {folder} was learned from other rows than the training split of "
            f"table {train.name!r}: fit again"
        )
    then, now = json.loads(state.settings), json.loads(settings_text(generator))
    if then != now:
        changed = sorted(k for k in then | now if then.get(k) != now.get(k))
        raise GeneratorError(
            f"the state in {folder} was learned with other settings ({', '.join(changed)}): "
            "fit again, or use the settings of then"
        )
    return state


class SavedGenerator(Generator, Generic[State]):
    """A generator whose whole fitted state is one dataclass of arrays and plain values.

    A subclass names the class and its parts, and sets `_state` in `fit`.

    Attributes:
        state_name: Of the files that `save` writes.
        state_class: Class of the state.
        state_classes: All classes that a state is made of, by name.
    """

    state_name: ClassVar[str]
    state_class: ClassVar[type]
    state_classes: ClassVar[Mapping[str, type]]
    _state: State | None = None

    @property
    def state(self) -> State:
        """What was learned.

        Raises:
            GeneratorError: If there was no `fit` or `load` before.
        """
        if self._state is None:
            raise GeneratorError(f"{type(self).__name__} is not fitted: call fit or load first")
        return self._state

    def save(self, folder: Path) -> None:
        store.write(folder, self.state_name, self.state)

    def load(self, folder: Path, train: Table) -> None:
        kind: type[State] = self.state_class
        self._state = read_state(
            folder, self.state_name, kind, self.state_classes, generator=self, train=train
        )
