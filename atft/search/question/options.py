"""A sweep as data: everything that ``hpo/*.yaml`` may say, typed and checked.

Decides the defaults: TPE, a median pruner, no trial stopped before its second epoch, two retries of a failed
trial. A resumed study may be given more trials, other workers, other samplers and pruners, looser time limits
and more points to try first; what its values depend on (space, metric, base config, epochs, data) it may not.
"""

import json
import math
import re
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any, Literal

from atft.commands.shipped_configs import base_path, config_path
from atft.errors import InputError
from atft.files.publish import check_folder_name
from atft.files.yaml_text import flat_keys, is_inside, read_mapping, read_value
from atft.metrics.direction import is_lower_better
from atft.option_types import check_least
from atft.search.question.credentials import hide
from atft.search.question.space import Point, Space, check_point, check_space, values

AS_WRITTEN: dict[str, Any] = {"space": {}, "fixed": {}, "enqueue": []}
"""Keys that are kept as they are written, each with an empty value: the base's parser types what is inside."""
OF_THE_SWEEP = {
    **dict.fromkeys(("trainer.max_epochs", "trainer.min_epochs"), "limits.epochs"),
    **dict.fromkeys(("checkpoint.monitor", "checkpoint.mode"), "metric"),
    **dict.fromkeys(("early_stopping.monitor", "early_stopping.mode"), "metric"),
    "name": "study",
    "trainer.default_root_dir": "root",
    "ckpt_path": "root",
    "threads": "--threads",
}
"""Key of a config that the sweep sets in each trial, whatever is set there -> where the sweep has it."""
SCORED = (
    *("data.split", "data.panel", "data.cache.calendar", "model.horizons", "trainer.limit_val_batches"),
    "checkpoint.select",
)
"""Keys, and sections, that decide which labels of which days a trial's value is of, and of which epochs."""
NOT_SCORED = ("data.split.train", *(f"data.panel.schema.{key}" for key in ("features", "exclude", "regime")))
"""Those among them that change the training only."""


@dataclass(frozen=True)
class SamplerOptions:
    """How the next point is chosen.

    Args:
        name: tpe (a Parzen estimator over all keys together), gp (a Gaussian process), random, or grid.
        seed: seed of the draws; each draw, and each worker process, has its own stream from it. Null draws
            different points each time.
        startup_trials: trials drawn at random before tpe and gp begin to learn. The median and patient pruners
            start once half as many have finished.
    """

    name: Literal["tpe", "gp", "random", "grid"] = "tpe"
    seed: int | None = 1
    startup_trials: int = 10


@dataclass(frozen=True)
class PrunerOptions:
    """When a trial is stopped before its last epoch.

    Args:
        name: median (stops below the median of the others at the same epoch), hyperband (successive halving over
            several budgets), patient (median, once its own best is some epochs old), or none.
        floor_epochs: epochs before a trial may be stopped; with ``folds``, folds.
    """

    name: Literal["median", "hyperband", "patient", "none"] = "median"
    floor_epochs: int = 2


@dataclass(frozen=True)
class Limits:
    """What one trial may take.

    Args:
        epochs: epochs of training; replaces ``trainer.max_epochs`` of the base config.
        minutes: wall-clock time. When it is over, the trial ends after its epoch and counts with its value so far;
            with folds still to train it fails for time. Epochs that a retry resumes from count too. Null for no
            limit.
    """

    epochs: int = 10
    minutes: float | None = None


@dataclass(frozen=True)
class SweepOptions:
    """A sweep.

    Args:
        study: name of the study; also its folder in ``root``.
        base: training config that every trial starts from: a file, relative to the sweep's own, or the name of a
            shipped config.
        space: dotted key of the base config -> ``{type: float, low: 1e-5, high: 1e-3, log: true}``,
            ``{type: int, low: 2, high: 4, step: 1}`` or ``{type: categorical, choices: [a, b]}``; choices may be
            names that stand for blocks, ``{adamw: {class_path: ...}, adabelief: {class_path: ...}}``.
        root: folder of all runs; nothing is written outside of it.
        storage: URL of the study's database: sqlite:///FILE, postgresql://..., or grpc://HOST:PORT; null is a
            file in the study's folder.
        metric: what is optimised, as the value of the selected checkpoint. Losses, their terms and
            ``val/quantile_crossing`` are minimised, everything else is maximised.
        folds: null trains once; k trains on k purged folds, and the value is their mean. The folds are those of
            data.split.folds, or k that walk forward to the validation days, each of as many days.
        n_trials: trials to finish, completed or pruned; failed ones do not count.
        workers: processes on this machine, each running one trial at a time.
        sampler: how the next point is chosen.
        pruner: when a trial is stopped early.
        limits: what one trial may take.
        max_retry: how often a failed trial is tried again from its last checkpoint.
        fixed: dotted key -> value, set over the base config in all trials.
        enqueue: points to try first; keys that a point leaves out are sampled.
    """

    study: str
    base: str
    space: Space
    root: str = "lightning_logs"
    storage: str | None = None
    metric: str = "val/rank_ic"
    folds: int | None = None
    n_trials: int = 20
    workers: int = 1
    sampler: SamplerOptions = field(default_factory=SamplerOptions)
    pruner: PrunerOptions = field(default_factory=PrunerOptions)
    limits: Limits = field(default_factory=Limits)
    max_retry: int = 2
    fixed: dict[str, Any] = field(default_factory=dict)
    enqueue: list[Point] = field(default_factory=list)

    def __post_init__(self) -> None:
        _check_bounds(self)
        _check_keys(self)
        _check_grid(self)
        if len(self.enqueue) > self.n_trials:
            raise InputError(f"enqueue has {len(self.enqueue)} points, n_trials is {self.n_trials}; raise it")

    @property
    def direction(self) -> Literal["maximize", "minimize"]:
        """Whether a smaller or a larger metric is better."""
        return "minimize" if is_lower_better(self.metric) else "maximize"

    @property
    def directory(self) -> Path:
        """The study's folder: its trials, its files and, by default, its database."""
        return Path(self.root) / self.study

    def trial_directory(self, number: int) -> Path:
        """The folder of a trial."""
        return self.directory / f"trial_{number}"

    def as_json(self) -> str:
        """The sweep as a study and its processes keep it: what `sweep_of` reads."""
        return json.dumps(asdict(self))


def read_sweep(path: Path, changes: Mapping[str, Any] | None = None) -> SweepOptions:
    """Read a sweep's YAML; ``changes``, key or section.key -> value or its text, replace what the file says.

    ``path`` may be the name of a shipped sweep. ``base`` is resolved: what runs the sweep does not need its file.
    Raises InputError for any mistake, in one line that names the file and the key.
    """
    path = config_path(str(path), "sweep")
    plain, changes = read_mapping(path), changes or {}
    for key, value in changes.items():
        section, dot, inside = key.partition(".")
        if not dot:
            plain[key] = value
            continue
        if not isinstance(plain.setdefault(section, {}), dict):
            raise InputError(f"{path}: no key {key!r:.60}; {section} is {plain[section]!r:.60}")
        plain[section][inside] = read_value(value) if isinstance(value, str) else value
    try:
        if isinstance(plain.get("base"), str):
            plain["base"] = str(base_path(plain["base"], Path() if "base" in changes else path.parent))
        return sweep_of(plain)
    except InputError as error:
        raise InputError(f"{path}: {error}") from error


def sweep_of(written: Mapping[str, Any] | str) -> SweepOptions:
    """A sweep from plain values, or from their JSON text; raises InputError, which names the key, for a mistake."""
    from jsonargparse import ArgumentParser

    from atft.commands.config_keys import parse
    from atft.commands.parser_errors import parser_errors

    plain = dict(json.loads(written) if isinstance(written, str) else written)
    parser = ArgumentParser(exit_on_error=False)
    parser.add_class_arguments(SweepOptions, None)
    kept = {key: plain[key] for key, empty in AS_WRITTEN.items() if isinstance(plain.get(key), type(empty))}
    typed = plain | {key: AS_WRITTEN[key] for key in kept}
    with parser_errors("sweep"):
        parsed = parser.instantiate(parse(parser, typed, "sweep"))
    options = {**vars(parsed), **kept}
    options["space"] = check_space(options["space"])
    for number, point in enumerate(options["enqueue"], start=1):
        check_point(options["space"], point, f"enqueue: point {number}")
    return SweepOptions(**options)


def _check_bounds(sweep: SweepOptions) -> None:
    check_folder_name("study", sweep.study)
    check_least("", sweep, n_trials=1, workers=1, folds=2, max_retry=0)
    check_least("sampler.", sweep.sampler, seed=0, startup_trials=1)
    check_least("pruner.", sweep.pruner, floor_epochs=1)
    check_least("limits.", sweep.limits, epochs=1)
    minutes = sweep.limits.minutes
    if minutes is not None and not 0 < minutes < float("inf"):
        raise InputError(f"limits.minutes must be above 0, got {minutes}")
    if sweep.storage and not re.match(r"(sqlite|postgres(ql)?|mysql|mariadb|grpc)(\+\w+)?:", sweep.storage):
        raise InputError(
            "storage must be sqlite:///FILE, postgresql://USER@HOST/DATABASE or grpc://HOST:PORT, "
            f"got {hide(sweep.storage, sweep.storage)!r:.60}"
        )
    if not sweep.root or any(c in sweep.root for c in "?#{}"):
        raise InputError(f"root must be a folder without ? # {{ }} in its name, got {sweep.root!r:.60}")


def _check_keys(sweep: SweepOptions) -> None:
    """Check that each dotted key is set once, and not by a block around it."""
    both = sorted(set(sweep.space) & set(sweep.fixed))
    if both:
        raise InputError(f"{both[0]} is in space and in fixed; keep one")
    blocks = {key: dimension.get("choices") for key, dimension in sweep.space.items()} | sweep.fixed
    plain = [key for key, block in blocks.items() if not isinstance(block, dict)]
    for key in blocks:
        if not isinstance(key, str) or not re.fullmatch(r"[^.\s]+(\.[^.\s]+)*", key):
            raise InputError(f"space and fixed are named by dotted keys, got {key!r:.60}")
        above = next((other for other in plain if key.startswith(f"{other}.")), None)
        if above is not None:
            raise InputError(f"{key} is inside of {above}, which is set too; keep one")
    for key in (*flat_keys(sweep.fixed), *searched_keys(sweep.space)):
        if key in OF_THE_SWEEP:
            raise InputError(f"{key} belongs to the sweep itself; set {OF_THE_SWEEP[key]}")
    for key in searched_keys(sweep.space):
        if is_inside(key, SCORED) and not is_inside(key, NOT_SCORED):
            raise InputError(
                f"space: {key} decides what a trial's value is measured on, values could not be compared; move it "
                f"to fixed, or make a study of each"
            )


def searched_keys(space: Space) -> list[str]:
    """The dotted keys of the values that ``space`` sets, also those inside of blocks that it chooses between."""
    keys: dict[str, None] = {}
    for key, dimension in space.items():
        choices = dimension.get("choices")
        blocks = choices.values() if isinstance(choices, dict) else [None]
        keys |= {inside: None for block in blocks for inside in flat_keys({key: block})}
    return list(keys)


def _check_grid(sweep: SweepOptions) -> None:
    if sweep.sampler.name != "grid":
        return
    counts = {key: len(values(dimension) or []) for key, dimension in sweep.space.items()}
    for key, count in counts.items():
        if count == 0:
            raise InputError(f"sampler grid: {key} has no steps; give it a step or choices")
    size = math.prod(counts.values())
    if sweep.n_trials > size:
        raise InputError(f"sampler grid: the grid has {size} points, n_trials is {sweep.n_trials}; lower it")
