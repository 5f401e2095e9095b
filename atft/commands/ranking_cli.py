"""LightningCLI for the ranking task: the checks around parsing, the run's directory, the callbacks of every run."""

from dataclasses import replace
from pathlib import Path
from typing import Any, cast

from jsonargparse import Namespace, set_parsing_settings
from lightning.pytorch.cli import LightningArgumentParser, LightningCLI

from atft.baselines.tree_options import TreeOptions
from atft.callbacks.curriculum.plan import check_plan, resolve_phases
from atft.callbacks.curriculum.schedule import PhaseSchedule
from atft.callbacks.record.run_record import RunRecord
from atft.commands.class_paths import check_classes, construct, construction_errors
from atft.commands.config_keys import parse
from atft.commands.key_help import TRAINING
from atft.commands.resume import resume_path
from atft.commands.run_keys import add_run_keys, prepare_help, settle_curriculum
from atft.data.fold_dates import FoldDates, read_fold_dates
from atft.errors import InputError, one_line
from atft.files.checkpoint_file import read_checkpoint
from atft.files.publish import check_folder_name
from atft.files.yaml_text import check_written
from atft.process.launched import ProcessLayout, torchrun_layout
from atft.runs.pretraining_callbacks import check_pretraining, pretraining_callbacks
from atft.runs.run_callbacks import FITTING, check_optimizer_trains, check_training, first_callbacks
from atft.runs.run_directory import make_version, next_version
from atft.runs.run_trainer import TRAINER_DEFAULTS, RunTrainer, run_options
from atft.runs.trainer_options import check_seed, check_trainer_options
from atft.tasks.day_data import DayData
from atft.tasks.network_check import check_network_on_noise
from atft.tasks.part_inputs import check_network_inputs
from atft.tasks.pretraining import Pretraining
from atft.tasks.pretraining_days import PretrainingDays
from atft.tasks.ranking import RankingTask

PARSERS: dict[str, LightningArgumentParser] = {}
"""By command, those of this process."""


class RankingCLI(LightningCLI):
    """The parser and, once built, the trainer, model and data of one run, which has not started.

    The arguments, and the errors raised, are those of `atft.commands.train.build`.
    """

    trainer: RunTrainer

    def __init__(
        self,
        command: str,
        arguments: list[Any] | dict[str, Any],
        directory: Path | None = None,
        quiet: bool = False,
    ) -> None:
        self.command, self.quiet, self._given_directory = command, quiet, directory
        self._asked_for_help = isinstance(arguments, list) and ("-h" in arguments or "--help" in arguments)
        self._fold: FoldDates | None = None
        # Behind `check_classes`: modules that run what they are given, and mappings where any value may stand.
        set_parsing_settings(import_path_denylist=[], instantiate_subclass_spec_in_any=False)
        super().__init__(
            Pretraining if command == "pretrain" else RankingTask,
            PretrainingDays if command == "pretrain" else DayData,
            trainer_class=RunTrainer,
            run=False,
            args=arguments,
            auto_configure_optimizers=False,
            seed_everything_default=1,
            save_config_callback=None,  # the run record keeps it, with the receipt
            load_from_checkpoint_support=False,  # and a checkpoint carries it as text
            trainer_defaults=TRAINER_DEFAULTS,
            parser_kwargs={
                "prog": f"python -m atft {command}",
                "description": f"Every key of {command}. --help shows the ones that matter.",
                "exit_on_error": False,
                "allow_abbrev": False,  # a key cut short is an unknown key
            },
        )

    def setup_parser(self, *args: Any, **kwargs: Any) -> None:
        """Make the command's parser, once a process: a fourth of the time that building a run takes.

        Help is printed by a parser of its own.
        """
        if self.command in PARSERS and not self._asked_for_help:
            self.parser = PARSERS[self.command]
            return
        super().setup_parser(*args, **kwargs)
        self.parser.add_instantiator(construct, object, subclasses=True)
        if self._asked_for_help:
            prepare_help(self.parser, self.command)
        else:
            PARSERS[self.command] = self.parser

    def add_arguments_to_parser(self, parser: LightningArgumentParser) -> None:
        """Add the keys of a run, and link those that model and data share."""
        add_run_keys(parser, self.command)

    def parse_arguments(self, parser: LightningArgumentParser, args: Any) -> None:
        """Parse the arguments once all their keys are known to exist."""
        self.config = parse(parser, args, self.command)
        check_seed(self.config.seed_everything)

    def before_instantiate_classes(self) -> None:
        """Check what no type can say, and write the resolved configuration as text."""
        check_classes(self.config)
        check_folder_name("name", str(self.config.get("name")))
        check_trainer_options(self.config.trainer.as_dict(), self.command)
        self.phases = settle_curriculum(self.config)
        self.config_text = self.parser.dump(self.config, skip_none=False, skip_validation=True)
        check_written(self.config_text)
        self._use_layout(torchrun_layout())
        if self.command not in TRAINING:
            self.config.trainer.logger = False  # an evaluation prints; packages of loggers may be absent
        trainer = self.config.trainer
        for key in ("callbacks", "logger"):
            if isinstance(trainer[key], Namespace):
                trainer[key] = [trainer[key]]  # its error is then the one that is named
        checkpoint = None if self.command in TRAINING else resume_path(self)
        if checkpoint is not None:
            entries = read_checkpoint(checkpoint)["atft"]
            self._keep_features(entries.get("features", []))
            self._keep_fold(checkpoint, entries.get("fold"))

    def _use_layout(self, layout: ProcessLayout | None) -> None:
        """Take the number of devices from torchrun, which has started a process for each."""
        trainer = self.config.trainer
        if layout is None:
            return
        for key, started in (("devices", layout.devices), ("num_nodes", layout.nodes)):
            if trainer[key] not in (1, "auto", started, str(started)):
                raise InputError(
                    f"trainer.{key} is {trainer[key]}, and torchrun has started {layout.devices} processes on each "
                    f"of {layout.nodes} machines; leave it out"
                )
            trainer[key] = started

    def _keep_features(self, trained_on: list[str]) -> None:
        """Leave out the features that the panel has gained since a checkpoint was trained."""
        names = self.config.model.features
        if set(trained_on) < set(names):
            self.config.model.features = [name for name in names if name in trained_on]
            panel = self.config.data.panel
            if isinstance(panel.schema, Namespace):
                panel.schema["features"], panel.schema["exclude"] = list(trained_on), []
            else:  # the default one
                panel.schema = replace(panel.schema, features=list(trained_on), exclude=[])

    def _keep_fold(self, checkpoint: str, texts: dict[str, str] | None) -> None:
        """Keep the dates of the fold that a checkpoint was trained on."""
        try:
            self._fold = None if texts is None else read_fold_dates(texts)
        except (KeyError, ValueError) as error:
            raise InputError(f"{checkpoint}: atft.fold is no fold's dates ({one_line(error)})") from error

    def text_of(self, path: Path) -> str:
        """Another configuration as text, with this version's defaults for the keys that it lacks."""
        config = parse(self.parser, ["--config", str(path)], self.command)
        settle_curriculum(config)
        return str(self.parser.dump(config, skip_none=False, skip_validation=True))

    @property
    def tree_options(self) -> TreeOptions:
        """The settings of LightGBM, for the table that ends a run or for ``baseline``."""
        return cast(TreeOptions, self._get(self.config_init, "lightgbm"))

    @property
    def run_root(self) -> Path:
        """The folder of all versions of this run's name."""
        root = self.config.trainer.default_root_dir or "lightning_logs"
        suffix = "_pretrain" if self.command == "pretrain" else ""
        return Path(root) / f"{self.config.name}{suffix}"

    def make_directory(self) -> None:
        """Make the run's directory, a later version where another run was faster since this one was built.

        Raises:
            InputError: panel, cache, split or disk cannot be used; then no directory is left behind.
        """
        if self._given_directory is None and self.trainer.is_global_zero:
            self.datamodule.prepare_training()
            self._use_directory(self.trainer, make_version(self.directory))

    def _use_directory(self, trainer: Any, directory: Path) -> None:
        """Let everything that the run writes go to a directory, which may not be made yet."""
        self.directory = self.record.directory = directory
        self.record.receipt.run = str(directory)
        trainer.write_to(directory, logs=self.config.trainer.logger is not False)

    def instantiate_trainer(self, **kwargs: Any) -> Any:
        """Add the checkpoint writer, and for training the loggers and callbacks that every run has."""
        self.model.config_text = self.config_text
        trains, options = self.command in TRAINING, self._get(self.config_init, "trainer")
        extra = run_options(options)
        if not trains:
            del extra["precision"]
        try:
            trainer: Any = super().instantiate_trainer(**extra, **kwargs)
        except InputError:
            raise
        except construction_errors() as error:
            raise InputError(f"trainer: {one_line(error)}; change that key of trainer") from error
        directory = self._given_directory or next_version(self.run_root)
        self.record = RunRecord(self.config_text, directory)
        if not trains:
            trainer.callbacks[:] = [c for c in trainer.callbacks if not isinstance(c, FITTING)]
            self.datamodule.trained_fold = self._fold
            if self.command not in ("cache", "baseline"):  # these run no network
                check_network_inputs(self.model, self.datamodule)
            return trainer
        if isinstance(self.model, Pretraining):
            self._prepare_pretraining(self.model, trainer)
        else:
            self._prepare_training(trainer)
        self._use_directory(trainer, directory)
        return trainer

    def _prepare_pretraining(self, task: Pretraining, trainer: RunTrainer) -> None:
        check_pretraining(self.config.trainer.max_epochs, self.phases, self.config.ckpt_path)
        check_network_inputs(task, self.datamodule)
        check_network_on_noise(task, self.datamodule)
        task.add_decoder(self.datamodule)
        check_optimizer_trains(trainer, task)
        trainer.callbacks[:] = pretraining_callbacks(trainer.callbacks, self.record, self.quiet)

    def _prepare_training(self, trainer: RunTrainer) -> None:
        plan = resolve_phases(self.phases, self.model.network, self.model.objective.options)
        check_training(trainer, self.model, self.datamodule, [phase.parts for phase in self.phases])
        check_plan(plan, trainer, self.model.logged_names())
        # A phase is set, and its criterion checked, before the record of an epoch is published.
        trainer.callbacks[:0] = [
            *([PhaseSchedule(plan, self.record, self.quiet)] if plan else []),
            *first_callbacks(self.record, self.model.metrics, self.quiet),
        ]
