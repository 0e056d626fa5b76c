"""`fit`, `validate`, `test` and `predict`: one LightningCLI over our task and datamodule."""

from __future__ import annotations

import json
import logging
import sys
import warnings
from collections.abc import Sequence
from functools import partial
from pathlib import Path
from typing import Any

import lightning.pytorch as pl
import yaml
from jsonargparse import Namespace
from lightning.fabric.utilities.exceptions import MisconfigurationException
from lightning.pytorch.callbacks import ProgressBar
from lightning.pytorch.cli import ArgsType, LightningArgumentParser, SaveConfigCallback

import lit_causalmix.backbones
import lit_causalmix.callbacks
import lit_causalmix.generators
import lit_causalmix.training  # noqa: F401  # these four make the class names known to the parser
from lit_causalmix.callbacks import RunReport
from lit_causalmix.callbacks.evaluation import all_callbacks, is_trial
from lit_causalmix.callbacks.exact_resume import make_exact
from lit_causalmix.callbacks.fit_progress import FitProgress
from lit_causalmix.commands.asked import model_pieces, names_datamodule, with_named_backbone
from lit_causalmix.commands.checkpoint import KEYWORDS, check_checkpoint, check_no_file
from lit_causalmix.commands.folds import FoldOptions, check_resumed, fit_folds, taken_options
from lit_causalmix.commands.processes import dead_processes
from lit_causalmix.configuration import ConfiguredCLI, Parser, with_packaged_configs
from lit_causalmix.datamodules import CausalMixDataModule, EpisodeDataModule
from lit_causalmix.datamodules.facts import fit_facts
from lit_causalmix.datamodules.kept_model import kept_model
from lit_causalmix.ensembles import AutoSettings
from lit_causalmix.errors import ConfigurationError, ModelError
from lit_causalmix.files.atomic import write_text
from lit_causalmix.files.disk import disk_refusals
from lit_causalmix.quiet import noting_warnings, without_tips
from lit_causalmix.study.candidates import without_auto
from lit_causalmix.study.fit_config import portable, with_plain_data
from lit_causalmix.study.starting import starting_files
from lit_causalmix.training.checkpoints import check_resumable, read_checkpoint
from lit_causalmix.training.kept_weights import check_seal
from lit_causalmix.training.runs import (
    claim_numbers,
    claim_own,
    hold,
    local_folder,
    release,
    run_folder,
    unnumbered,
)
from lit_causalmix.training.task import CausalMixTask
from lit_causalmix.training.tracking import close, log_settings

_log = logging.getLogger(__name__)

_APART = "-predict"
_GO_ON = "checkpoints that are there are whole, and a fit goes on from the last one"


class SavedSettings(SaveConfigCallback):
    """Writes a run's whole configuration into its folder, and hands it to the loggers."""

    def save_config(self, trainer: pl.Trainer, pl_module: pl.LightningModule, stage: str) -> None:
        """Called once, on rank 0."""
        text = self.parser.dump(self.config, skip_none=False)
        write_text(local_folder(trainer) / "config.yaml", text)
        for logger in trainer.loggers:
            log_settings(logger, yaml.safe_load(text))


class TrainerCLI(ConfiguredCLI):
    """LightningCLI with our defaults; after a fit it tests the selected weights.

    Args:
        options: What the command line says of folds besides settings.
        notes: Takes the warnings of the run, which its page tells.
    """

    def __init__(
        self, *args: Any, options: FoldOptions, notes: Sequence[str], **kwargs: Any
    ) -> None:
        self.only, self._options, self._notes = kwargs["args"][0], options, notes
        super().__init__(*args, **kwargs)

    def add_arguments_to_parser(self, parser: LightningArgumentParser) -> None:
        """Adds what is no setting of trainer, model or data."""
        parser.add_argument(
            "--quiet", action="store_true", help="Neither facts nor progress: results alone."
        )
        parser.add_argument(
            "--auto",
            type=AutoSettings | None,
            help="Candidates that fit compares on folds, to take the best; `fit --auto` alone is "
            "short for --config auto.",
        )

    def _parse_ckpt_path(self) -> None:
        # Lightning would let hyper-parameters in the checkpoint override the YAML; ours holds
        # none. What is left to do is to refuse what cannot be used before any work starts.
        path = self._ckpt_path()
        self._checkpoint: dict[str, Any] | None = None
        if path and path not in KEYWORDS:
            self._checkpoint = content = read_checkpoint(Path(path))
            try:
                check_seal(content)
            except ConfigurationError as error:
                raise ConfigurationError(f"ckpt_path {str(path)!r}: {error}") from error
            if self.config.subcommand == "fit":
                check_resumable(content)

    def _run_subcommand(self, subcommand: str) -> None:
        content, self._checkpoint = self._checkpoint, None  # it may be large
        if content is not None:
            check_checkpoint(content, self.model, self.datamodule, subcommand)
        else:
            check_no_file(self.trainer, subcommand, self._ckpt_path())
        data = self.datamodule
        auto = subcommand == "fit" and self._get(self.config, "auto") is not None
        if auto and not isinstance(data, CausalMixDataModule):
            raise ConfigurationError("auto compares recipes on the folds of one table")
        folds = subcommand == "fit" and isinstance(data, CausalMixDataModule) and data.folds > 1
        if auto or folds:
            self._fit_folds(data)
            return
        if self._options.given:
            raise ConfigurationError("--jobs and --resume belong to a fit with --folds above 1")
        try:
            super()._run_subcommand(subcommand)
        finally:
            for logger in self.trainer.loggers:
                close(logger)

    def _fit_folds(self, data: CausalMixDataModule) -> None:
        if self._ckpt_path() or is_trial(self.trainer):
            raise ConfigurationError(
                "a fit of folds takes neither --ckpt_path nor fast_dev_run: it goes on by --resume "
                "with its folder"
            )
        if data.fold != 0:
            raise ConfigurationError(
                f"data.folds is {data.folds}, and fit fits every fold: leave out data.fold, which "
                f"is {data.fold}"
            )
        text = self._parser("fit").dump(self.config["fit"], format="json", with_comments=False)
        config = with_plain_data(json.loads(text))
        without_auto(config)  # recipes that there are not are said before anything is written
        self.before_fit()
        folder = self._options.resume
        if folder is None:
            claim_numbers(unnumbered(self.trainer))
            claim_own(self.trainer)
            folder = local_folder(self.trainer)
        else:
            check_resumed(folder, auto=without_auto(config)[0] is not None)
        whole = self._parser("fit").dump(self.config["fit"], skip_none=False)
        begin = partial(write_text, folder / "config.yaml", whole)
        hold(self.trainer, folder)
        sys.stderr.write(f"{data.folds} folds in {folder}; --resume {folder} goes on with them\n")
        jobs = self._options.jobs
        try:
            fit_folds(config, folder, self.model, data, jobs=jobs, begin=begin, notes=self._notes)
        finally:
            release(id(self.trainer))

    def _ckpt_path(self) -> str | None:
        path: str | None = self.config[self.config.subcommand].get("ckpt_path")
        return path

    def before_instantiate_classes(self) -> None:
        """Gives predictions a folder beside that of the fits, among which they do not stand.

        Of several loggers the first is left: it owns the folder, and there is nothing to log.
        """
        if self.config.subcommand == "predict":
            logger = self.config["predict"].get("trainer.logger")
            if isinstance(logger, list) and logger:
                logger = self.config["predict"]["trainer"]["logger"] = logger[0]
            arguments = logger.get("init_args") if isinstance(logger, Namespace) else None
            name = arguments.get("name") if arguments is not None else None
            if arguments is not None and isinstance(name, str) and not name.endswith(_APART):
                arguments["name"] = f"{name}{_APART}"

    def instantiate_trainer(self, **kwargs: Any) -> pl.Trainer:
        """Makes the trainer; its checkpoints are whole, and it stops between two steps."""
        settings = self._get(self.config_init, "trainer", default={})
        callbacks = settings.get("callbacks") or []
        callbacks = callbacks if isinstance(callbacks, list) else [callbacks]
        if self._get(self.config_init, "quiet"):
            kwargs["enable_progress_bar"] = False
        elif settings.get("enable_progress_bar") is not False and not any(
            isinstance(callback, ProgressBar) for callback in callbacks
        ):
            kwargs["callbacks"] = [*callbacks, FitProgress()]
        trainer = super().instantiate_trainer(**kwargs)
        make_exact(trainer)
        for callback in all_callbacks(trainer):
            if isinstance(callback, RunReport):
                callback.notes = self._notes
        return trainer

    def before_fit(self) -> None:
        """Refuses settings of the optimiser and its schedule before any work starts."""
        try:
            self.model.configure_optimizers()
        except (ValueError, TypeError) as error:
            raise ConfigurationError(f"the optimiser refuses its settings: {error}") from error
        if not isinstance(self.datamodule, CausalMixDataModule):
            return
        if self._get(self.config_init, "quiet"):
            self.datamodule.progress = False
        elif self.trainer.is_global_zero:
            # So that it refuses a checkpoint's other table, and knows the backbone's limits.
            self.datamodule.trainer = self.trainer
            self.trainer.strategy.connect(self.model)
            self.datamodule.read()
            for train, encoder in self.datamodule.training_tables():  # says what is trained of it
                self.model.check_table(train, encoder, self.datamodule.episode_context)
            sys.stdout.write(fit_facts(self.datamodule, self.model.backbone))

    def after_fit(self) -> None:
        """Scores the selected weights on the test rows; of one table, keeps the model, too."""
        data = self.datamodule
        if isinstance(data, EpisodeDataModule) and data.has_test_rows:
            self.test(model=self.model, datamodule=data, verbose=False)
        if not isinstance(data, CausalMixDataModule):
            return
        folder = run_folder(self.trainer) / "model"
        if self.trainer.is_global_zero and not is_trial(self.trainer):
            self._keep_model(data, folder)

    def _keep_model(self, data: CausalMixDataModule, folder: Path) -> None:
        settings = self._parser("fit").dump(self.config["fit"], format="json", with_comments=False)
        try:
            kept_model(self.model, data, portable(json.loads(settings))).save(folder)
        except (ConfigurationError, ModelError) as error:  # a backbone of the user's own, say
            _log.warning("The fit ends well, but no model is kept in %s: %s", folder, error)
            return
        sys.stdout.write(
            f"Model: {folder} (lit-causalmix predict --model {folder} NEW.csv; "
            "it holds training rows)\n"
        )
        sys.stdout.flush()


def main(args: ArgsType) -> int:
    """Runs one command of the trainer.

    Raises:
        LitCausalMixError: For anything that the user can put right.
    """
    # The arguments differ from the process's own only where a packaged configuration is named.
    warnings.filterwarnings("ignore", message="LightningCLI's args parameter is intended")
    # A resumed fit has a folder of its own, and takes the best weights over.
    warnings.filterwarnings("ignore", message="The dirpath has changed from")
    options, args = taken_options(with_packaged_configs(args))
    other, pieces = names_datamodule(args), model_pieces(args)
    start = [] if other else [str(path) for path in starting_files(*pieces)]
    args = with_named_backbone(args, pieces)
    defaults = {"default_config_files": start} if start else {}
    notes: list[str] = []
    try:
        with disk_refusals(_GO_ON), dead_processes(), without_tips(), noting_warnings(notes):
            TrainerCLI(
                CausalMixTask,
                pl.LightningDataModule if other else CausalMixDataModule,
                options=options,
                notes=notes,
                subclass_mode_data=other,
                save_config_callback=SavedSettings,
                save_config_kwargs={"save_to_log_dir": False},
                parser_class=Parser,
                parser_kwargs={args[0]: defaults},
                seed_everything_default=0,
                auto_configure_optimizers=False,
                # A checkpoint's stored hyper-parameters would silently override the YAML.
                load_from_checkpoint_support=False,
                args=args,
            )
    except MisconfigurationException as error:
        raise ConfigurationError(str(error)) from error
    return 0
