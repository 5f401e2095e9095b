"""The keys of a run beside those of trainer, model and data, their defaults, and the links between model and data.

``name`` (the run's folder), ``threads``, ``ckpt_path``, ``init_from``, ``baselines``, ``lightgbm.*``,
``checkpoint.*``, ``early_stopping.*``, ``curriculum.phases`` and those of the guards and monitors. ``data`` gives
the model its features, the model gives ``data`` its horizons, so that neither is written twice.
"""

from collections.abc import Callable
from functools import reduce
from importlib import import_module
from operator import or_
from pkgutil import iter_modules
from typing import Any, Literal

from jsonargparse import ArgumentParser, Namespace
from lightning.pytorch.cli import LightningArgumentParser
from lightning.pytorch.loggers import Logger

import atft.nn
from atft.baselines.tree_options import TreeOptions
from atft.callbacks.curriculum.phase import Phase
from atft.callbacks.guards.early_stopping import EarlyStopping
from atft.callbacks.record.run_checkpoint import RunCheckpoint
from atft.commands.key_help import NO_KEYS
from atft.commands.key_tree import alternatives
from atft.errors import InputError
from atft.market.options import MarketOptions
from atft.network import NetworkInputs
from atft.nn.ranking_network import RankingNetwork
from atft.panel import PanelSchema, match
from atft.runs.run_callbacks import MONITORS
from atft.tasks.baseline_scores import IN_THE_TABLE, BaselineName
from atft.tasks.panel_source import PanelOptions, column_names, panel_features

DEFAULTS: dict[str, Any] = {"model.network": {"class_path": "atft.nn.atft_gat_fan.ATFTGATFAN"}}
"""The network of a config that names none."""


INIT_FROM = (
    "Checkpoint of fit or pretrain whose weights training starts from; optimiser and epochs are new. {fold} in it "
    "is the number of the fold. Null for random weights."
)
BASELINES = "Baselines to fit after training, for the last table: ridge, lightgbm, mlp; [] for none."
OUT = {
    "predict": ", .parquet or .csv; by default beside the checkpoint, with the days in its name",
    "export": "; by default beside the checkpoint, .pt2 or .onnx",
}
"""Commands that write one file, and which."""


def add_run_keys(parser: LightningArgumentParser, command: str) -> None:
    """Add the keys of a run to the parser of a command, and link those that model and data share."""
    read_whole_numbers_as_such(parser)
    _read_lists_of_loggers(parser)
    phases = "Phases of the training, in their order; null for none."
    parser.add_argument("--name", type=str, default="run", help="Folder of the run: lightning_logs/<name>.")
    parser.add_argument("--threads", type=int | None, help="Most threads of each numerical library.")
    parser.add_argument(
        "--ckpt_path",
        type=str | None,
        help="Checkpoint to resume or to evaluate; last: the newest of this name.",
    )
    parser.add_argument("--init_from", type=str | None, help=INIT_FROM)
    parser.add_argument("--baselines", type=list[BaselineName], default=list(IN_THE_TABLE), help=BASELINES)
    parser.add_argument("--curriculum.phases", type=list[Phase] | None, help=phases)
    if command == "export":
        formats = "Format of the program; null: that of the suffix of out."
        parser.add_argument("--to", type=Literal["pt2", "onnx"] | None, help=formats)
    if command in OUT:
        parser.add_argument("--out", type=str | None, help=f"File to write{OUT[command]}.")
    parser.add_class_arguments(TreeOptions, "lightgbm")
    if command == "cache":
        parser.add_argument("--verify", action="store_true", help="Read everything and compare every digest.")
        parser.add_argument(
            "--append",
            action="store_true",
            help="Only append to the cache of an earlier state of the panel; without one, an error.",
        )
    # Callbacks of every fit have keys of their own: ``trainer.callbacks`` is the user's, and replaced as a whole.
    parser.add_lightning_class_args(RunCheckpoint, "checkpoint")
    parser.add_lightning_class_args(EarlyStopping, "early_stopping")
    for key, monitor in MONITORS.items():
        parser.add_lightning_class_args(monitor, key)
    parser.set_defaults(DEFAULTS)
    parser.link_arguments("model.horizons", "data.horizons")
    # seed_everything may also be true or false: no number for the order of the blocks.
    parser.link_arguments(
        "seed_everything", "data.seed", compute_fn=lambda seed: seed if type(seed) is int else 0
    )
    parser.link_arguments("data.panel", "model.features", compute_fn=_features)
    parser.link_arguments("data.panel", "model.regimes", compute_fn=_regimes)


def read_whole_numbers_as_such(parser: ArgumentParser) -> None:
    """Let ``3`` be 3 where an option takes whole numbers and fractions, and not 3.0.

    ``Union[int, float]`` and ``Union[float, int]`` are one entry in Python's cache of types: which order the parser
    tries depends on what was imported first, and ``limit_train_batches 1`` would be all batches, not one.
    """
    for action in parser._actions:
        kinds = alternatives(getattr(action, "_typehint", None))
        if int in kinds and float in kinds:
            others = [kind for kind in kinds if kind not in (int, float)]
            action._typehint = reduce(or_, [int, float, *others])  # type: ignore[attr-defined]


def _read_lists_of_loggers(parser: LightningArgumentParser) -> None:
    """Let the parser try a list first: of the errors of a union's types it keeps the first as the cause."""
    (action,) = (action for action in parser._actions if action.dest == "trainer.logger")
    action._typehint = list[Logger] | Logger | bool | None  # type: ignore[attr-defined]


def prepare_help(parser: ArgumentParser, command: str) -> None:
    """Make help and completion name networks only, and options that are no keys; for a parser that parses nothing.

    A network may be any module of torch, and the parser would list hundreds of them. Named are those that derive
    from `RankingNetwork`: atft's, and those of the user's that have been imported.
    """
    for module in iter_modules(atft.nn.__path__):
        import_module(f"atft.nn.{module.name}")
    (action,) = (action for action in parser._actions if action.dest == "model.network")
    action._typehint = Callable[[NetworkInputs], RankingNetwork]  # type: ignore[attr-defined]
    for option in NO_KEYS.get(command, ()):
        parser.add_argument(option, help="See --help.")
    for group in parser._action_groups:  # a section of options is headed by its sentence under Args
        title = group.title or ""
        group.title = title[:1].upper() + title[1:]


def settle_curriculum(config: Any) -> list[Phase]:
    """Derive ``trainer.max_epochs`` and the terms of weight 0 from the phases; return the phases.

    A term that only some phase weighs is built from the start, so that the network and the optimiser never
    change; elsewhere it is measured and reported with weight 0. The parsed configuration is changed in place.

    Raises:
        InputError: an invalid phase, or a ``trainer.max_epochs`` beyond the last phase.
    """
    written = config.curriculum.phases or []
    phases = [phase if isinstance(phase, Phase) else Phase(**phase.as_dict()) for phase in written]
    if not phases:
        return []
    total, max_epochs = sum(phase.epochs for phase in phases), config.trainer.max_epochs
    if max_epochs is not None and not 0 <= max_epochs <= total:
        raise InputError(
            f"trainer.max_epochs is {max_epochs}, the phases of the curriculum end after {total} epochs; "
            f"leave max_epochs out, or lengthen a phase"
        )
    config.trainer.max_epochs = total if max_epochs is None else max_epochs
    for phase in phases:
        for name in phase.terms:
            config.model.objective.terms.setdefault(name, 0.0)
    return phases


def _features(panel: Any) -> list[str]:
    return panel_features(_panel_options(panel))


def _regimes(panel: Any) -> list[str]:
    options = _panel_options(panel)
    return list(match(options.schema.regime, column_names(options)))


def _panel_options(panel: Any) -> PanelOptions:
    """The panel's options before anything is instantiated: the parser hands plain namespaces."""
    simulate = panel.simulate
    if isinstance(simulate, Namespace):
        options = simulate.init_args if "init_args" in simulate else simulate
        simulate = MarketOptions(**options.as_dict())
    schema = PanelSchema(**panel.schema.as_dict()) if isinstance(panel.schema, Namespace) else panel.schema
    return PanelOptions(panel.path, simulate, schema)
