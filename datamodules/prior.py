"""The datamodule of pre-training: random tasks to learn from, held-out ones and tables to score."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

from torch.utils.data import Dataset

from lit_causalmix.datamodules.base import EpisodeDataModule
from lit_causalmix.datamodules.stream import place_of
from lit_causalmix.episode import Episode
from lit_causalmix.episode_stack import EpisodeStack
from lit_causalmix.errors import ConfigurationError
from lit_causalmix.prior import PriorSettings, draw_episode, draw_tasks
from lit_causalmix.tables import Encoder, SplitSpec, TableSpec, load_splits
from lit_causalmix.tables.episodes import EpisodeParts, make_episode
from lit_causalmix.training.scoreboard import Stage

PRIOR = "prior"
"""Domain of the held-out prior tasks."""

_DIGITS_LEFT_OUT = [
    f"pixel_{row}_{column}"
    for row in range(8)
    for column in range(8)
    if row not in (2, 4, 5) or column in (0, 7)
]
_CLASSIFICATION_TABLES = (
    TableSpec("sklearn:breast_cancer"),
    TableSpec("sklearn:wine"),
    TableSpec("sklearn:iris"),
    TableSpec("sklearn:digits", drop=_DIGITS_LEFT_OUT),
)


def _number_of(table: str, column: str) -> TableSpec:
    """A classification table with one of its numbers as the target, and without the class."""
    name = f"{table}_{column.split()[0]}"
    return TableSpec(
        f"sklearn:{table}", target=column, name=name, task="regression", drop=["target"]
    )


# One real table alone would make a noisy judge.
_REGRESSION_TABLES = (
    TableSpec("sklearn:diabetes"),
    _number_of("iris", "sepal length (cm)"),
    _number_of("wine", "alcohol"),
    _number_of("breast_cancer", "smoothness error"),
)


@dataclass(frozen=True)
class PriorStage:
    """A part of pre-training.

    Attributes:
        prior: Ranges of the tasks.
        epochs: Epochs that it lasts; null lasts to the end.
        step_cells: Rows x (columns + 1) of all tasks of a step together: its time and memory.

    Raises:
        ConfigurationError: For a number below 1.
    """

    prior: PriorSettings
    epochs: int | None = None
    step_cells: int = 16_000

    def __post_init__(self) -> None:
        if self.epochs is not None and self.epochs < 1:
            raise ConfigurationError(f"a stage lasts null or >= 1 epochs, got {self.epochs}")
        if self.step_cells < 1:
            raise ConfigurationError(f"step_cells must be >= 1, got {self.step_cells}")


class PriorStream(Dataset[EpisodeStack]):
    """Steps of pre-training: key → tasks of one shape, a pure function of (seed, epoch, index).

    Args:
        stages: What is drawn when.
        steps_per_epoch: Length of the stream.
        seed: The run's seed.
    """

    def __init__(self, stages: Sequence[PriorStage], *, steps_per_epoch: int, seed: int) -> None:
        self.stages = tuple(stages)
        self.steps_per_epoch = steps_per_epoch
        self.seed = seed

    def __len__(self) -> int:
        return self.steps_per_epoch

    def __getitem__(self, key: int) -> EpisodeStack:
        return self.tasks(*place_of(key))

    def stage(self, epoch: int) -> PriorStage:
        """The stage of an epoch; the last one goes on when its epochs are over."""
        end = 0
        for stage in self.stages[:-1]:
            end += stage.epochs or 0
            if epoch < end:
                return stage
        return self.stages[-1]

    def tasks(self, epoch: int, index: int) -> EpisodeStack:
        """The tasks of one step: the same bits whenever, wherever and in whatever order."""
        stage = self.stage(epoch)
        return EpisodeStack.of(
            draw_tasks(
                stage.prior, cells=stage.step_cells, seed=self.seed, epoch=epoch, index=index
            )
        )


class EpisodeList(Dataset[Episode]):
    """Episodes at hand."""

    def __init__(self, episodes: Sequence[Episode]) -> None:
        self.episodes = tuple(episodes)

    def __len__(self) -> int:
        return len(self.episodes)

    def __getitem__(self, index: int) -> Episode:
        return self.episodes[index]


class PriorDataModule(EpisodeDataModule[EpisodeStack]):
    """Streams random tasks to pre-train on, and scores held-out tasks and a few real tables.

    A training batch is a stack of tasks of one shape, a validation batch one whole task or table.
    Held-out tasks come from a stream of their own, so none of them is ever trained on.

    Args:
        stages: Curriculum of pre-training, in order; all but the last name their epochs.
        steps_per_epoch: Training steps (on one device) between two validations.
        val_tasks: Number of held-out tasks, drawn as in the last stage.
        val_families: Further held-out tasks by name, which tell where a model is weak; they are
            scored as `prior/NAME` and select nothing.
        family_tasks: Number of held-out tasks of each of them.
        val_tables: Real tables to score besides; null takes scikit-learn's (breast_cancer, wine,
            iris and 18 pixels of digits; for regression diabetes, and one number each of iris, wine
            and breast_cancer). They select the weights, so tables that are to measure them later
            must not be among these.
        val_context_rows: Most context rows of a table, stratified.
        seed: Source of all randomness.
        num_workers: Worker processes that draw training tasks.
        pin_memory: Whether the loaders pin memory, for GPUs.

    Attributes:
        train_stream: The training tasks.
        held_out: Held-out tasks and tables, after `setup`.

    Raises:
        ConfigurationError: For stages that do not fit together, or a number out of range.
    """

    held_out: EpisodeList

    def __init__(
        self,
        stages: list[PriorStage],
        steps_per_epoch: int = 100,
        val_tasks: int = 64,
        val_families: dict[str, PriorSettings] | None = None,
        family_tasks: int = 24,
        val_tables: list[TableSpec] | None = None,
        val_context_rows: int = 256,
        seed: int = 0,
        num_workers: int = 0,
        pin_memory: bool = False,
    ) -> None:
        super().__init__()
        _check_stages(stages)
        for name, value, least in (
            ("steps_per_epoch", steps_per_epoch, 1),
            ("val_tasks", val_tasks, 1),
            ("family_tasks", family_tasks, 1),
            ("val_context_rows", val_context_rows, 2),
            ("seed", seed, 0),
        ):
            if value < least:
                raise ConfigurationError(f"{name} must be >= {least}, got {value}")
        self.settings = stages[-1].prior
        if val_tables is None:
            regression = self.settings.regression
            val_tables = list(_REGRESSION_TABLES if regression else _CLASSIFICATION_TABLES)
        families = val_families or {}
        if any(family.regression != self.settings.regression for family in families.values()):
            raise ConfigurationError("val_families must have the task of the stages")
        self.val_tasks = val_tasks
        self.val_families = families
        self.family_tasks = family_tasks
        self.val_tables = val_tables
        self.val_context_rows = val_context_rows
        self.seed = seed
        self.num_workers = num_workers
        self.pin_memory = pin_memory
        self.train_stream = PriorStream(stages, steps_per_epoch=steps_per_epoch, seed=seed)
        self._names: tuple[str, ...] = ()

    @property
    def is_classification(self) -> bool:
        return not self.settings.regression

    @property
    def table_names(self) -> tuple[str, ...]:
        """What each validation episode is: a held-out task or a table."""
        return self._names

    @property
    def domains(self) -> tuple[str, ...]:
        return (PRIOR,)

    @property
    def method(self) -> str:
        return "pre-training on random tasks"

    def build(self, stage: str | None) -> None:
        """Draws the held-out tasks and reads the tables; `stage` is ignored, both are cheap."""
        episodes = [
            draw_episode(self.settings, seed=self.seed, epoch=0, index=i, stream="val")
            for i in range(self.val_tasks)
        ]
        names = [PRIOR] * len(episodes)
        for family, settings in self.val_families.items():
            name = f"{PRIOR}/{family}"
            names += [name] * self.family_tasks
            episodes += [
                draw_episode(settings, seed=self.seed, epoch=0, index=i, stream=f"val {family}")
                for i in range(self.family_tasks)
            ]
        for spec in self.val_tables:
            name, episode = self._table(spec)
            names.append(name)
            episodes.append(episode)
        self._names = tuple(names)
        self.held_out = EpisodeList(
            [replace(episode, table_id=i) for i, episode in enumerate(episodes)]
        )

    def _table(self, spec: TableSpec) -> tuple[str, Episode]:
        """Half of a table's rows, at most `val_context_rows`, as context for the other half."""
        half = SplitSpec(val_fraction=0.0, test_fraction=0.5, max_train_rows=self.val_context_rows)
        splits = load_splits(spec, half)
        encoder = Encoder.fit(splits.train)
        if (encoder.n_classes > 0) != self.is_classification:
            raise ConfigurationError(
                f"val_tables must fit the prior: {splits.train.name!r} is a "
                f"{splits.train.schema.task} table, stages.prior.regression is "
                f"{self.settings.regression}"
            )
        context, query = EpisodeParts.of(splits.train), EpisodeParts.of(splits.test)
        return splits.train.name, make_episode(context, query, encoder)

    def evaluation_stream(self, stage: Stage) -> EpisodeList:
        if stage == "test":
            raise ConfigurationError("pre-training has no test rows: it scores val_tables")
        return self.held_out


def _check_stages(stages: Sequence[PriorStage]) -> None:
    if not stages:
        raise ConfigurationError("stages must name at least one stage, got none")
    if any(stage.epochs is None for stage in stages[:-1]):
        raise ConfigurationError("every stage but the last must name its epochs")
    if len({stage.prior.regression for stage in stages}) > 1:
        raise ConfigurationError(
            "all stages must be for the same task: prior.regression is true in some and false in "
            "others"
        )
