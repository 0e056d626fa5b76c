"""Whether the classes of a training episode are balanced: its real rows, its synthetic ones."""

from __future__ import annotations

from dataclasses import dataclass

from lit_causalmix.datamodules.checks import check_choices
from lit_causalmix.errors import ConfigurationError
from lit_causalmix.tables.schema import Schema
from lit_causalmix.training.mixing import EpisodeClasses, SyntheticClasses

_WORDS = {"balanced_query": ", balanced queries", "balanced": ", balanced episodes"}


@dataclass(frozen=True)
class ClassBalance:
    """The two settings of a datamodule that balance classes.

    Attributes:
        episode: Of real rows.
        synthetic: Of synthetic rows.

    Raises:
        ConfigurationError: For a value that there is not.
    """

    episode: EpisodeClasses
    synthetic: SyntheticClasses

    def __post_init__(self) -> None:
        check_choices(
            episode_classes=(self.episode, EpisodeClasses),
            synthetic_classes=(self.synthetic, SyntheticClasses),
        )

    @property
    def draws(self) -> bool:
        """Whether synthetic rows have each class in equal numbers."""
        return self.synthetic == "balanced"

    def check(self, schema: Schema) -> None:
        """Refuses to balance classes where the target has none.

        Raises:
            ConfigurationError: With the setting.
        """
        if schema.task.is_classification:
            return
        plain = {"episode_classes": "stratified", "synthetic_classes": "drawn"}
        for (name, usual), value in zip(plain.items(), vars(self).values(), strict=True):
            if value != usual:
                raise ConfigurationError(
                    f"{name} {value} needs classes, and the target {schema.target.name!r} is a "
                    f"number (regression): leave {name} out"
                )

    def words(self, *, draws: bool) -> str:
        """What is balanced, to be put behind the words for how rows are mixed.

        Args:
            draws: Whether there are synthetic rows.

        Example:
            >>> ClassBalance("balanced_query", "balanced").words(draws=True)
            ', drawn balanced, balanced queries'
            >>> ClassBalance("stratified", "drawn").words(draws=True)
            ''
        """
        drawn = ", drawn balanced" if self.draws and draws else ""
        return drawn + _WORDS.get(self.episode, "")
